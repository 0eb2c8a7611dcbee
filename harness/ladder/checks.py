"""A ladder is looked at when it is named: what could never be climbed is its owner's mistake, and no candidate's.

What a gate reads has to be measured, and within its bounds; what a rung is set up with has to make sense, go with the
contract, and lie in the domain that candidates are judged over. Each mistake is told with the line that it stands on,
which is found here: tomllib tells lines of wrong spelling alone.
"""

from __future__ import annotations

import difflib
import math
import re
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.core import profiles
from harness.core.contract import CONTRACTS
from harness.core.errors import UserError
from harness.ladder.baselines import baseline_candidate
from harness.ladder.judge_settings import AT_EQUAL_LENGTH, PREFERENCE
from harness.ladder.rungs import GATED, JUDGED, VERDICTS, contract_of, declared_by
from harness.protocol.job import StepError
from harness.trainer.tasks import ANSWERING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harness.core.profiles import Profile
    from harness.ladder.gate import Gate
    from harness.ladder.plan import Ladder, RungPlan
    from harness.protocol.job import Declared

#: What a rung may be called: it becomes the name of files, and stands in every table.
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,59}")
#: Most seeds of a gate: from 100,000 on they are those of duels, and of tunings.
_MOST_SEEDS = 10_000
#: What a judge's gate may decide by.
DECIDING = (PREFERENCE, AT_EQUAL_LENGTH)
#: Settings that are betas.
_BETAS = ("beta", "betas", "quick_beta")
#: How many mistakes are told at once.
_TOLD = 6

#: Keys, and places in arrays.
Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Mistake:
    """Something in a ladder's file that cannot be meant: where, what, and the next step."""

    path: Path
    what: str
    remedy: str


def refused(source: str, text: str, found: Sequence[Mistake]) -> UserError:
    """The error for mistakes in a file, each with its line."""
    lines = sorted(((line_of(text, one.path), one) for one in found), key=lambda each: each[0])
    told = [f"line {line}: {one.what}" for line, one in lines[1:_TOLD]]
    more = [f"and {len(lines) - _TOLD} more"] if len(lines) > _TOLD else []
    first, one = lines[0]
    message = "; ".join([f"{source or 'ladder'}:{first}: this is no ladder: {one.what}", *told, *more])
    return UserError(message, remedy="; ".join(dict.fromkeys(m.remedy for _, m in lines[:3] if m.remedy)))


def check(ladder: Ladder, text: str = "") -> None:
    """Refuse a ladder that cannot be climbed. `text` is its file's. Raises UserError with the lines."""
    if found := list(mistakes(ladder)):
        raise refused(ladder.source or ladder.name, text, found)


def mistakes(ladder: Ladder) -> Iterator[Mistake]:
    """All that is wrong with a ladder, in the order of its rungs."""
    profile = None
    try:
        profile = profiles.load(ladder.properties)
    except UserError as error:
        yield Mistake(("properties",), error.message, error.remedy)
    names: set[str] = set()
    kinds: set[str] = set()
    for place, plan in enumerate(ladder.rungs):
        at: Path = ("rungs", place)
        if not _NAME.fullmatch(plan.name) or plan.name.startswith("tuning"):
            remedy = "up to 60 of a-z, 0-9, _, . and -, and not tuning"
            yield Mistake((*at, "name"), f"a rung cannot be called {plan.name!r}", remedy)
        if plan.name in names:
            yield Mistake((*at, "name"), f"two rungs are called {plan.name!r}", "give each a name of its own")
        if plan.kind in VERDICTS:
            yield from _verdict(at, plan, kinds)
        elif plan.kind in (*GATED, *JUDGED):
            if "properties" not in kinds:
                what = f"the rung {plan.name} trains, and no rung of the properties stands before it"
                yield Mistake(at, what, 'put a rung with kind = "properties" before it')
            yield from _measures(at, plan, profile)
            if plan.kind in JUDGED:
                yield from _judges(at, plan, ladder.rungs[:place])
        else:
            known = (*VERDICTS, *GATED, *JUDGED)
            what = f"the rung {plan.name} is of the unknown kind {plan.kind!r}"
            yield Mistake((*at, "kind"), what, _one_of(plan.kind, known))
        names.add(plan.name)
        kinds.add(plan.kind)
    yield from _held_out(ladder)


def _held_out(ladder: Ladder) -> Iterator[Mistake]:
    """Held-out rungs come last, after one that is not, and each measures something else: their seeds are the same."""
    told = [place for place, plan in enumerate(ladder.rungs) if not plan.held_out]
    for place, plan in enumerate(ladder.rungs):
        at: Path = ("rungs", place, "held_out")
        if not plan.held_out:
            continue
        if plan.kind not in GATED:
            what = f"the rung {plan.name} has no seeds that could be held out"
            yield Mistake(at, what, "hold out a rung that trains")
        elif told and told[-1] > place:
            what = f"the rung {plan.name} is held out, and {ladder.rungs[told[-1]].name} above it is not"
            yield Mistake(at, f"{what}: who came there would be known", "put held-out rungs last")
        elif not any(ladder.rungs[below].kind in GATED for below in told):
            what = f"the rung {plan.name} is held out, and no other rung trains: nobody could search by anything"
            yield Mistake(at, what, "put a rung that trains before it, or hold none out")
        for other in ladder.rungs[:place]:
            if other.held_out and (other.kind, sorted(other.settings)) == (plan.kind, sorted(plan.settings)):
                what = f"the held-out rungs {other.name} and {plan.name} train the same on the same seeds"
                yield Mistake(at, what, "give one other settings, or leave it out")


def _verdict(at: Path, plan: RungPlan, before: set[str]) -> Iterator[Mistake]:
    """A rung whose outcome is a verdict: nothing is measured there."""
    if plan.kind in before:
        yield Mistake((*at, "kind"), f"the {plan.kind} stands there twice", "leave one of the two out")
    if plan.kind == "screen" and before:
        yield Mistake((*at, "kind"), "the screen comes after another rung", "put it first")
    for name, there in (("gate", plan.gate), ("settings", plan.settings), ("baseline", plan.baseline)):
        if there:
            what = f"the rung {plan.name} ends in a verdict, and measures nothing: its {name} is never looked at"
            yield Mistake((*at, name), what, f"leave the {name} out, or move it to a rung that trains")


def _measures(at: Path, plan: RungPlan, profile: Profile | None) -> Iterator[Mistake]:
    """A rung that trains: settings, baseline, gate."""
    declared = None
    try:
        declared = declared_by(plan)
    except (StepError, UserError) as error:
        yield Mistake(_culprit(at, plan, str(error)), str(error), error.remedy)
    odd = [name for name, value in plan.settings if any(map(_odd, _several(value)))]
    if odd and declared is not None:
        what = f"the setting {odd[0]} of the rung {plan.name} is no finite number"
        yield Mistake((*at, "settings", odd[0]), what, "give a number")
    if profile is not None:
        yield from _contract(at, plan, profile)
        yield from _domain(at, plan, profile)
    if plan.gate is None:
        what = f"the rung {plan.name} has no gate: nothing says who passes"
        yield Mistake(at, what, "write [rungs.gate] below it, with metric, margin, alpha and looks")
        return
    yield from _gate((*at, "gate"), plan.gate)
    if declared is not None:
        yield from _metrics((*at, "gate"), plan, plan.gate, declared)


def _judges(at: Path, plan: RungPlan, below: Sequence[RungPlan]) -> Iterator[Mistake]:
    """A rung at which a judge decides about the models of one below it."""
    named = dict(plan.settings).get("rung", "")
    tuned = next((each for each in below if each.name == named), None)
    where: Path = (*at, "settings", "rung")
    if tuned is None or tuned.kind not in ANSWERING:
        fit = [each.name for each in below if each.kind in ANSWERING]
        what = f"the rung {plan.name} judges the models of {named!r}, and no rung of that name fine-tunes below it"
        yield Mistake(where, what, f"one of: {', '.join(fit)}" if fit else "put a fine-tune below it")
    else:
        if not dict(tuned.settings).get("keep_gib"):
            what = f"the rung {plan.name} judges the models of {tuned.name}, which keeps no weights"
            yield Mistake(
                where, what, f"set keep_gib in the settings of {tuned.name}: how many GiB of weights are kept"
            )
        if tuned.baseline != plan.baseline:
            what = f"the rung {plan.name} has the baseline {plan.baseline}, and the models are of {tuned.baseline}"
            yield Mistake((*at, "baseline"), what, f'baseline = "{tuned.baseline}"')
    if plan.gate is not None:
        if plan.gate.metric not in DECIDING:
            what = f"a judge's gate decides by prompts, and {plan.gate.metric} has no value for each"
            yield Mistake((*at, "gate", "metric"), what, f"one of: {', '.join(DECIDING)}")
        told = dict(plan.settings)
        direct = told.get("form") != "scores" and told.get("against", "baseline") == "baseline"
        if plan.gate.metric == AT_EQUAL_LENGTH and not direct:
            what = (
                f"at equal length the rung {plan.name} cannot decide: its answers are not compared with the baseline's"
            )
            yield Mistake((*at, "gate", "metric"), what, 'another rung with against = "baseline"')
        if not -1.0 < plan.gate.margin < 1.0:
            what = f"a preference lies between -1 and 1: a margin of {plan.gate.margin:g} is beyond"
            yield Mistake((*at, "gate", "margin"), what, "a margin within -1 and 1")


def _odd(value: object) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def _several(value: object) -> tuple[object, ...]:
    return value if isinstance(value, tuple) else (value,)


def _culprit(at: Path, plan: RungPlan, told: str) -> Path:
    """The setting that an error names; all of them where it names none."""
    named = [name for name, _ in plan.settings if re.search(rf"\b{re.escape(name)}\b", told)]
    # Of several the one that is wrong by itself.
    for name in named:
        try:
            declared_by(plan, only=name)
        except (StepError, UserError):
            return (*at, "settings", name)
    return (*at, "settings", *named[:1])


def _contract(at: Path, plan: RungPlan, profile: Profile) -> Iterator[Mistake]:
    """The rung, its baseline and the profile have to be of one contract."""
    contract = contract_of(plan.kind)
    if contract != profile.contract:
        what = f"a rung of the kind {plan.kind} is for the contract {contract}"
        what += f", and the profile {profile.name} for {profile.contract}"
        yield Mistake((*at, "kind"), what, f'another kind, or properties = "{profiles.DEFAULTS[contract]}"')
    if not plan.baseline:
        yield Mistake(
            (*at, "baseline"), f"the rung {plan.name} has no baseline to compare with", 'such as baseline = "dpo"'
        )
        return
    try:
        candidate = baseline_candidate(plan.baseline)
    except UserError as error:
        yield Mistake((*at, "baseline"), error.message, error.remedy)
        return
    folder = candidate.path.rsplit("/", 2)[-2]
    contract = folder if folder in CONTRACTS else "preference"
    if contract != profile.contract:
        what = f"the baseline {plan.baseline} is a loss for {contract}, and the profile {profile.name} for "
        yield Mistake((*at, "baseline"), what + profile.contract, "name a loss of the same contract")


def _domain(at: Path, plan: RungPlan, profile: Profile) -> Iterator[Mistake]:
    """No beta is trained at that a candidate is not judged at: what fails there would be held against it."""
    numbers = dict(profile.domain_numbers)
    if "beta_low" not in numbers:
        return
    low, high = numbers["beta_low"], numbers["beta_high"]
    for name, value in plan.settings:
        outside = [b for b in _several(value) if isinstance(b, (int, float)) and not low <= b <= high]
        if name in _BETAS and outside:
            what = f"the rung {plan.name} trains at beta {outside[0]:g}"
            what += f", and the profile {profile.name} judges from {low:g} to {high:g}"
            yield Mistake((*at, "settings", name), what, "betas of the profile's domain")


def _gate(at: Path, gate: Gate) -> Iterator[Mistake]:
    """Numbers that decide nothing, or the same for everybody."""
    if not math.isfinite(gate.margin):
        yield Mistake((*at, "margin"), f"the margin is {gate.margin}", "a finite number in units of the metric")
    remedy = f"numbers of seeds from 2 to {_MOST_SEEDS}, each larger than the one before, such as [3, 5, 7]"
    if gate.looks[0] < 2:
        what = f"a look after {gate.looks[0]} seed{'s' if gate.looks[0] != 1 else ''}: an interval needs two at least"
        yield Mistake((*at, "looks"), what, remedy)
    if any(b <= a for a, b in zip(gate.looks, gate.looks[1:], strict=False)):
        yield Mistake((*at, "looks"), f"the looks {list(gate.looks)} do not ascend", remedy)
    if gate.looks[-1] > _MOST_SEEDS:
        yield Mistake((*at, "looks"), f"a look after {gate.looks[-1]} seeds", remedy)
    for number, rail in enumerate(gate.rails):
        if rail.metric in {other.metric for other in gate.rails[:number]}:
            yield Mistake((*at, "rails", number), f"two rails for {rail.metric}", "give one with both bounds")
        if not rail.least <= rail.most:
            what = f"nothing is at least {rail.least:g} and at most {rail.most:g}: {rail.metric} has no room"
            yield Mistake((*at, "rails", number), what, "least has to be below most")
        elif (rail.least, rail.most) == (-math.inf, math.inf):
            yield Mistake((*at, "rails", number), f"the rail for {rail.metric} has no bound", "give least or most")


def _metrics(at: Path, plan: RungPlan, gate: Gate, declared: Declared) -> Iterator[Mistake]:
    """What is read has to be measured, and its bounds have to be within reach."""
    read: list[tuple[Path, str]] = [((*at, "metric"), gate.metric)]
    read += [((*at, "rails", number, "metric"), rail.metric) for number, rail in enumerate(gate.rails)]
    for path, name in read:
        if name not in declared.metrics:
            points = ": points of learning curves are for pictures alone" if "@" in name else ""
            what = f"the rung {plan.name} has no metric {name!r}{points}"
            yield Mistake(path, what, _one_of(name, tuple(declared.metrics)))
        elif (needed := declared.only_where.get(name)) is not None and not _kept_up(gate, *needed):
            metric, least = needed
            what = f"{name} is there only where {metric} is at least {least:g}, and no rail asks for that"
            yield Mistake(path, what, f'a rail {{ metric = "{metric}", least = {least:g} }}')
    low, high = declared.metrics.get(gate.metric, (-math.inf, math.inf))
    if abs(gate.margin) >= high - low:
        word = "rejects nobody" if gate.margin > 0 else "lets nobody pass"
        what = f"{gate.metric} lies between {low:g} and {high:g}: a margin of {gate.margin:g} {word}"
        yield Mistake((*at, "margin"), what, f"a margin below {high - low:g}")
    for number, rail in enumerate(gate.rails):
        low, high = declared.metrics.get(rail.metric, (-math.inf, math.inf))
        if rail.least > high or rail.most < low:
            what = f"{rail.metric} lies between {low:g} and {high:g}, and the rail lets nothing of that pass"
            yield Mistake((*at, "rails", number), what, "mend its bounds")


def _kept_up(gate: Gate, metric: str, least: float) -> bool:
    return any(rail.metric == metric and rail.least >= least for rail in gate.rails)


def _one_of(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, 1)
    meant = f"did you mean {close[0]}? " if close else ""
    return f"{meant}there are: {', '.join(sorted(known))}"


_WHERE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")
#: What may be open at the end of a line inside of an array.
_CLOSERS = ("", "\n]", "\n]]", "\n}]", "\n]}", "\n]}]")


def line_of(text: str, path: Path) -> int:
    """The line, from 1, on which what `path` leads to begins; that of the nearest table around it where it is missing.

    The file is read line by line from its top: the first line after which the path leads anywhere is the one.
    """
    lines = text.split("\n")
    for long in range(len(path), 0, -1):
        for count in range(1, len(lines) + 1):
            if any(_leads(_read("\n".join(lines[:count]) + closer), path[:long]) for closer in _CLOSERS):
                return count
    return 1


def misspelt(text: str, error: tomllib.TOMLDecodeError) -> tuple[int, str]:
    """The line of what tomllib cannot read, and what is wrong with it."""
    told = str(error)
    found = _WHERE.search(told)
    line = int(found[1]) if found is not None and found[1] else text.count("\n") + 1
    return line, _WHERE.sub("", told)


def _read(text: str) -> Any:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return None


def _leads(document: Any, path: Path) -> bool:
    for key in path:
        try:
            document = document[key]
        except (KeyError, IndexError, TypeError):
            return False
    return True
