"""The facts of a loss: what it is like, whether or not anything is wrong with it.

As JSON they go through reports, ledgers and journals; whoever wants to know one asks `LossFacts` for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from harness.core.numbers import to_float
from harness.core.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness.core.verdict import Json

T = TypeVar("T")


@dataclass(frozen=True)
class Curve:
    """A loss and its slope over rho (nats) at one beta, with DPO's; the DPO lists may be empty.

    `by_reference` is its value where the reference makes the same rho, and may be empty, too. `held` says what else the
    loss takes and what it was all along the curve, such as ", completions of 64 tokens".
    """

    beta: float
    rho: tuple[float, ...]
    value: tuple[float, ...]
    slope: tuple[float, ...]
    dpo_value: tuple[float, ...]
    dpo_slope: tuple[float, ...]
    by_reference: tuple[float, ...] = ()
    held: str = ""


@dataclass(frozen=True)
class Onset:
    """Where non-finite answers begin at one beta: at rho <= `below` and rho >= `above`, where not None."""

    beta: float
    below: float | None
    above: float | None
    kind: str


@dataclass(frozen=True)
class StabilityMap:
    """The stability map: `state[i][j]` at `beta[i]`, `rho[j]`: 0 finite, 1 gradient not finite, 2 value."""

    beta: tuple[float, ...]
    rho: tuple[float, ...]
    state: tuple[tuple[int, ...], ...]
    onset: tuple[Onset, ...]
    domain_beta: tuple[float, float]
    reach: float


@dataclass(frozen=True)
class Point:
    """An extremum."""

    rho: float
    value: float


@dataclass(frozen=True)
class Side:
    """How the reference enters on one side: a word, its size beside the policy's, the share of pairs with its sign."""

    sign: str
    size: float
    same_share: float


@dataclass(frozen=True)
class Range:
    """The range of a declared parameter, and the value that the other facts are told at."""

    low: float
    high: float
    scale: str
    middle: float


@dataclass(frozen=True)
class Witness:
    """How many calls of one life were watched, and how many batches were asked in another container."""

    calls: int
    new: int
    again: int


@dataclass(frozen=True)
class Binding:
    """By what the candidate's parameters were told apart, and the argument that each of them is given."""

    how: str
    parameters: tuple[tuple[str, str], ...]


class _Fact(Generic[T]):
    """A fact by the name of its attribute: what makes a value of its JSON, and what stands for none."""

    def __init__(self, read: Callable[[Any], T], absent: T) -> None:
        self._read, self._absent = read, absent

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, facts: LossFacts, owner: type) -> T:
        value = facts.document.get(self._name)
        try:
            return self._absent if value is None else self._read(value)
        except ValueError as error:
            if facts.lenient:
                return self._absent
            raise ValueError(f"facts: {self._name}: {error}") from error


def _object(value: Json) -> dict[str, Json]:
    if not isinstance(value, dict):
        raise ValueError("no object")  # noqa: TRY004 - the form of a document, not a type
    return value


def _list(value: Json) -> list[Json]:
    if not isinstance(value, list | tuple):
        raise ValueError("no list")  # noqa: TRY004 - as above
    return list(value)


def _numbers(value: Json) -> tuple[float, ...]:
    return tuple(map(to_float, _list(value)))


def _number_or_none(value: Json) -> float | None:
    return to_float(value) if value or type(value) in {int, float} else None


def _named(value: Json) -> tuple[tuple[str, str], ...]:
    return tuple((name, str(one)) for name, one in _object(value or {}).items())


def _objects(value: Json) -> Iterator[tuple[str, dict[str, Json]]]:
    return ((name, _object(one)) for name, one in _object(value or {}).items())


def _spans(value: Json) -> tuple[tuple[float, float], ...]:
    return tuple((span[0], span[-1]) for span in map(_numbers, _list(value)))


def _points(value: Json) -> tuple[Point, ...]:
    return tuple(Point(to_float(p["rho"]), to_float(p["value"])) for p in map(_object, _list(value or [])))


def _side(raw: dict[str, Json]) -> Side:
    return Side(str(raw["sign"]), to_float(raw["size"]), to_float(raw["same_share"]))


def _range(raw: dict[str, Json]) -> Range:
    return Range(to_float(raw["low"]), to_float(raw["high"]), str(raw["scale"]), to_float(raw["middle"]))


def _witness(value: Json) -> Witness | None:
    keys = ("calls_of_one_life", "never_asked_before", "asked_again")
    raw = _object(value or {})
    return Witness(*(int(to_float(raw[key])) for key in keys)) if raw else None


def _binding(value: Json) -> Binding | None:
    raw = _object(value or {})
    return Binding(str(raw.get("how")), _named(raw.get("parameters"))) if raw else None


def _stability(value: Json) -> StabilityMap:
    raw = _object(value)
    beta, rho = _numbers(raw["beta"]), _numbers(raw["rho"])
    state = tuple(tuple(map(int, _numbers(row))) for row in _list(raw["state"]))
    if not rho or len(state) != len(beta) or any(len(row) != len(rho) for row in state):
        raise ValueError("the stability map's rows do not fit its axes")
    domain = _object(raw.get("domain") or {})
    span = _numbers(domain.get("beta") or [0.025, 1.0])
    return StabilityMap(
        beta=beta,
        rho=rho,
        state=state,
        onset=tuple(map(_onset, map(_object, _list(raw.get("onset") or [])))),
        domain_beta=(span[0], span[-1]),
        reach=to_float(domain.get("abs_beta_rho") or 50.0),
    )


def _onset(raw: dict[str, Json]) -> Onset:
    below, above = (None if raw.get(k) is None else to_float(raw[k]) for k in ("below", "above"))
    kind = one_line(str(raw.get("kind") or "NaN or infinity"), 40)
    return Onset(beta=to_float(raw["beta"]), below=below, above=above, kind=kind)


@dataclass(frozen=True)
class LossFacts:
    """The facts of a loss, any of which may be absent: None then, or empty.

    Each is read from the document when it is asked for, so that none in a wrong form costs the others, and a document
    of another version is written as it came. A wrong form is a fault of ours (ValueError, KeyError for what an object
    lacks); where `lenient`, a fact with a value of a wrong form counts as absent.
    """

    document: Mapping[str, Json]
    lenient: bool = False

    # How it was read, before it was asked anything.
    binding = _Fact[Binding | None](_binding, None)
    fixed = _Fact[tuple[tuple[str, str], ...]](_named, ())
    crossed = _Fact[tuple[float, ...]](lambda told: _numbers(told or []), ())
    parameters = _Fact[tuple[tuple[str, Range], ...]](lambda told: tuple((n, _range(r)) for n, r in _objects(told)), ())
    # What it is a function of.
    contract = _Fact[str](str, "")
    statistic = _Fact[str | None](str, None)
    company = _Fact[str | None](str, None)
    reduced = _Fact[bool | None](bool, None)
    smallest_batch = _Fact[int | None](lambda told: told if isinstance(told, int) else None, None)
    uses = _Fact[tuple[str, ...]](lambda told: tuple(map(str, _list(told or []))), ())
    beta_matters = _Fact[bool | None](lambda told: told is not False, None)
    reference_free = _Fact[bool | None](bool, None)
    reference_enters = _Fact[tuple[tuple[str, Side], ...]](
        lambda told: tuple((n, _side(s)) for n, s in _objects(told)), ()
    )
    of_rho_alone = _Fact[bool | None](bool, None)
    #: For each way of shifting log-probabilities, whether it leaves every answer as it was.
    unmoved_by = _Fact[Mapping[str, bool]](lambda told: {n: u is not False for n, u in _object(told or {}).items()}, {})
    # Its values: at rho = 0 (the slope in 1 / nat), and where ten logits are equal.
    value_at_zero = _Fact[float | None](to_float, None)
    slope_at_zero = _Fact[float | None](to_float, None)
    value_at_uniform = _Fact[float | None](to_float, None)
    slope_at_uniform = _Fact[float | None](_number_or_none, None)
    value_at_start = _Fact[float | None](to_float, None)
    slopes_at_start = _Fact[tuple[float, ...]](_numbers, ())
    #: The largest size of logits up to which all is finite.
    finite_up_to = _Fact[float | None](to_float, None)
    convex = _Fact[bool | None](bool, None)
    #: Intervals of rho: where it is not convex; where its curve is finite, None for everywhere.
    non_convex_where = _Fact[tuple[tuple[float, float], ...]](lambda told: _spans(told or []), ())
    finite_where = _Fact[tuple[tuple[float, float], ...] | None](_spans, None)
    minima = _Fact[tuple[Point, ...]](_points, ())
    maxima = _Fact[tuple[Point, ...]](_points, ())
    stability = _Fact[StabilityMap | None](_stability, None)
    # How it was looked at, and as which function it is known: by its answers, and by the run that has them first.
    missing = _Fact[str | None](str, None)
    witness = _Fact[Witness | None](_witness, None)
    fingerprint = _Fact[str](lambda told: str(told or ""), "")
    function = _Fact[str](lambda told: str(told or ""), "")

    def as_json(self, *names: str) -> dict[str, Json]:
        """The document as it came, keys in order; of `names` alone where some are given."""
        return {key: value for key, value in sorted(self.document.items()) if key in names or not names}

    @property
    def uses_lengths(self) -> bool:
        """Whether the loss takes lengths of completions."""
        return any(use.endswith("_lengths") for use in self.uses)

    @property
    def tokens_of_the_map(self) -> tuple[float, float] | None:
        """Nats of the margin for each token of a completion in the stability map, and the fewest tokens of one.

        None where the loss takes no lengths.
        """
        raw = _object(self.document.get("stability") or {})
        if not self.uses_lengths or raw.get("nats_per_token") is None:
            return None
        return to_float(raw["nats_per_token"]), to_float(raw.get("least_tokens") or 1)

    @property
    def curve(self) -> Curve | None:
        """The curve, or None where the candidate did not get that far. Nobody is lenient about it."""
        if self.document.get("curve") is None:
            return None
        raw = _object(self.document["curve"])
        rho = _numbers(raw["rho"])
        columns = {k: _numbers(raw.get(k) or []) for k in ("value", "slope", "dpo_value", "dpo_slope")}
        by_reference = _numbers(raw.get("value_by_reference") or [])
        if not rho or any(len(c) != len(rho) for c in (columns["value"], columns["slope"], by_reference or rho)):
            raise ValueError("facts: the curve's lists differ in length")
        return Curve(to_float(raw["beta"]), rho, **columns, by_reference=by_reference, held=self._held(raw))

    def _held(self, curve: dict[str, Json]) -> str:
        """What a loss that asks for more than beta was given all along its curve."""
        held = ""
        if self.uses_lengths and curve.get("length") is not None:
            held = f", completions of {to_float(curve['length']):g} tokens"
        if "progress" in self.uses and curve.get("progress") is not None:
            held += f", progress {to_float(curve['progress']):g}"
        return held
