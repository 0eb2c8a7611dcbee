"""The facts of a loss: what it is like, whether or not anything is wrong with it.

As JSON they go through reports, ledgers and journals; whoever wants to know one asks `LossFacts` for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from harness.core.numbers import to_float
from harness.core.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable

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
    """A fact by the name of its attribute: how its JSON and its name make a value, and what stands for none."""

    def __init__(self, read: Callable[[Json, str], T], absent: T) -> None:
        self._read, self._absent = read, absent

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, facts: LossFacts, owner: type) -> T:
        value = facts.document.get(self._name)
        try:
            return self._absent if value is None else self._read(value, self._name)
        except ValueError:
            if not facts.lenient:
                raise
            return self._absent


def _object(value: Json, what: str) -> dict[str, Json]:
    if not isinstance(value, dict):
        raise ValueError(f"facts: {what} is no object")  # noqa: TRY004 - the form of a document, not a type
    return value


def _list(value: Json, what: str) -> list[Json]:
    if not isinstance(value, list | tuple):
        raise ValueError(f"facts: {what} is no list")  # noqa: TRY004 - as above
    return list(value)


def _numbers(value: Json, what: str) -> tuple[float, ...]:
    return tuple(to_float(v) for v in _list(value, what))


def _number(value: Json, _: str) -> float:
    return to_float(value)


def _number_or_none(value: Json, _: str) -> float | None:
    return to_float(value) if value or type(value) in {int, float} else None


def _flag(value: Json, _: str) -> bool:
    return bool(value)


def _text(value: Json, _: str) -> str:
    return str(value)


def _name(value: Json, _: str) -> str:
    return str(value or "")


def _other(value: Json, _: str) -> bool:
    return value is not False


def _count(value: Json, _: str) -> int | None:
    return value if isinstance(value, int) else None


def _texts(value: Json, what: str) -> tuple[str, ...]:
    return tuple(str(one) for one in _list(value or [], what))


def _named(value: Json, what: str) -> tuple[tuple[str, str], ...]:
    return tuple((name, str(one)) for name, one in _object(value or {}, what).items())


def _lines(value: Json, what: str) -> tuple[float, ...]:
    return _numbers(value or [], what)


def _spans(value: Json, what: str) -> tuple[tuple[float, float], ...]:
    spans = [_numbers(span, what) for span in _list(value, what)]
    return tuple((span[0], span[-1]) for span in spans)


def _spans_or_none(value: Json, what: str) -> tuple[tuple[float, float], ...]:
    return _spans(value or [], what)


def _points(value: Json, what: str) -> tuple[Point, ...]:
    points = [_object(p, what) for p in _list(value or [], what)]
    return tuple(Point(to_float(p["rho"]), to_float(p["value"])) for p in points)


def _shifts(value: Json, what: str) -> Mapping[str, bool]:
    return {name: _other(one, name) for name, one in _object(value or {}, what).items()}


def _sides(value: Json, what: str) -> tuple[tuple[str, Side], ...]:
    sides = {name: _object(raw, "a side of the reference") for name, raw in _object(value or {}, what).items()}
    return tuple(
        (name, Side(str(raw["sign"]), to_float(raw["size"]), to_float(raw["same_share"])))
        for name, raw in sides.items()
    )


def _ranges(value: Json, what: str) -> tuple[tuple[str, Range], ...]:
    ranges = {name: _object(raw, "a parameter") for name, raw in _object(value or {}, what).items()}
    return tuple(
        (name, Range(to_float(raw["low"]), to_float(raw["high"]), str(raw["scale"]), to_float(raw["middle"])))
        for name, raw in ranges.items()
    )


def _witness(value: Json, what: str) -> Witness | None:
    keys = ("calls_of_one_life", "never_asked_before", "asked_again")
    raw = _object(value or {}, what)
    return Witness(*(int(to_float(raw[key])) for key in keys)) if raw else None


def _binding(value: Json, what: str) -> Binding | None:
    raw = _object(value or {}, what)
    return Binding(str(raw.get("how")), _named(raw.get("parameters"), what)) if raw else None


def _stability(value: Json, what: str) -> StabilityMap:
    raw = _object(value, what)
    beta, rho = _numbers(raw["beta"], "beta"), _numbers(raw["rho"], "rho")
    state = tuple(tuple(int(s) for s in _numbers(row, "state")) for row in _list(raw["state"], "state"))
    if not rho or len(state) != len(beta) or any(len(row) != len(rho) for row in state):
        raise ValueError("facts: the stability map's rows do not fit its axes")
    domain = _object(raw.get("domain") or {}, "domain")
    span = _numbers(domain.get("beta") or [0.025, 1.0], "domain")
    return StabilityMap(
        beta=beta,
        rho=rho,
        state=state,
        onset=tuple(_onset(_object(o, "onset")) for o in _list(raw.get("onset") or [], "onset")),
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
    crossed = _Fact[tuple[float, ...]](_lines, ())
    parameters = _Fact[tuple[tuple[str, Range], ...]](_ranges, ())
    # What it is a function of.
    contract = _Fact[str](_text, "")
    statistic = _Fact[str | None](_text, None)
    company = _Fact[str | None](_text, None)
    reduced = _Fact[bool | None](_flag, None)
    smallest_batch = _Fact[int | None](_count, None)
    uses = _Fact[tuple[str, ...]](_texts, ())
    beta_matters = _Fact[bool | None](_other, None)
    reference_free = _Fact[bool | None](_flag, None)
    reference_enters = _Fact[tuple[tuple[str, Side], ...]](_sides, ())
    of_rho_alone = _Fact[bool | None](_flag, None)
    #: For each way of shifting log-probabilities, whether it leaves every answer as it was.
    unmoved_by = _Fact[Mapping[str, bool]](_shifts, {})
    # Its values: at rho = 0 (the slope in 1 / nat), and where ten logits are equal.
    value_at_zero = _Fact[float | None](_number, None)
    slope_at_zero = _Fact[float | None](_number, None)
    value_at_uniform = _Fact[float | None](_number, None)
    slope_at_uniform = _Fact[float | None](_number_or_none, None)
    #: The largest size of logits up to which all is finite.
    finite_up_to = _Fact[float | None](_number, None)
    convex = _Fact[bool | None](_flag, None)
    #: Intervals of rho: where it is not convex; where its curve is finite, None for everywhere.
    non_convex_where = _Fact[tuple[tuple[float, float], ...]](_spans_or_none, ())
    finite_where = _Fact[tuple[tuple[float, float], ...] | None](_spans, None)
    minima = _Fact[tuple[Point, ...]](_points, ())
    maxima = _Fact[tuple[Point, ...]](_points, ())
    stability = _Fact[StabilityMap | None](_stability, None)
    # How it was looked at, and as which function it is known: by its answers, and by the run that has them first.
    missing = _Fact[str | None](_text, None)
    witness = _Fact[Witness | None](_witness, None)
    fingerprint = _Fact[str](_name, "")
    function = _Fact[str](_name, "")

    @classmethod
    def read(cls, document: Mapping[str, Json], *, lenient: bool = False) -> LossFacts:
        """Take a document of facts."""
        return cls(document, lenient)

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
        raw = _object(self.document.get("stability") or {}, "stability")
        if not self.uses_lengths or raw.get("nats_per_token") is None:
            return None
        return to_float(raw["nats_per_token"]), to_float(raw.get("least_tokens") or 1)

    @property
    def curve(self) -> Curve | None:
        """The curve, or None where the candidate did not get that far. Nobody is lenient about it."""
        if self.document.get("curve") is None:
            return None
        raw = _object(self.document["curve"], "curve")
        rho = _numbers(raw["rho"], "rho")
        columns = {k: _numbers(raw.get(k) or [], k) for k in ("value", "slope", "dpo_value", "dpo_slope")}
        by_reference = _numbers(raw.get("value_by_reference") or [], "value_by_reference")
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
