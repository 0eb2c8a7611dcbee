"""Two records of the same: whether what came out is equal to the bit, and if not what the first difference is.

The layers are looked at from below: the candidate, the code, the image, what was asked, the data, the hardware, and
then the outcome. Where a lower one differs, the outcome may. Other hardware is told of only where the outcome differs,
and is no difference by itself. Where none differs, what is left is what no record tells of, as the host's C library.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from harness.attestation.statement import NoVerdictStatement, RungResultStatement, VerdictStatement
from harness.ladder.climb import TIMINGS
from harness.protocol.spotcheck import GPU_TOLERANCE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from harness.attestation.statement import DescriptorModel, Statement

#: Parts of a configuration, the layer that each belongs to, and what to do where they differ.
_LAYERS = {
    "harness": ("code", "check out the version that it names, or the commit that was used"),
    "profile": ("code", "use the version of the harness that it names"),
    "ladder": ("code", "use the ladder that lies in the archive"),
    "image": ("image", "`harness image verify TAG --against` the builder's list names the first file that differs"),
    "lock": ("image", "build the image from the lock that lies in the archive"),
    "trainer": ("image", "build the trainer image from the lock that lies in the archive"),
    "questions": ("questions", "the questions are drawn by the profile, Hypothesis and numpy: use the same versions"),
}
#: What numbers may depend on of the place where they were made, and what to do where it was another.
_HARDWARE = {
    "device": "repeat it on such a device: `--gpu` chooses one",
    "processor": "repeat it on such a processor; docs/reproducibility.md says which numbers may differ between two",
    "architecture": "repeat it on such a machine; other kinds of processors give other numbers",
    "kernel": "where the layers above it are the same, repeat it under that kernel",
    "engine": "where the layers above it are the same, repeat it with that engine",
    "runtime": "have the engine use that runtime where none is named (`docker info` lists what it has)",
}
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_NO_PLACE = "(nothing)"


@dataclass(frozen=True)
class Difference:
    """Where two records differ: the layer, the place in it, what stood there then and now, and the next step."""

    layer: str
    where: str
    then: str
    now: str
    remedy: str = ""


def differences(then: Statement, now: Statement, reports: tuple[Any, Any] = (None, None)) -> list[Difference]:
    """All differences between a record and the record of its repetition, from the lowest layer up.

    `reports` are the two reports of a verdict, where they are there: they tell what it was that differs.
    """
    out = []
    if then.subject[0].digest != now.subject[0].digest:
        before, after = (one.subject[0].digest.sha256[:12] for one in (then, now))
        out.append(Difference("candidate", "text", before, after, "repeat it with the candidate of the archive"))
    if isinstance(then, _JUDGED) and isinstance(now, _JUDGED):
        out += _with_hardware(then, now, [*_parts(then, now), *_verdicts(then, now, reports)])
    elif isinstance(then, RungResultStatement) and isinstance(now, RungResultStatement):
        out += _with_hardware(then, now, [*_parts(then, now), *_data(then, now), *_results(then, now)])
    elif type(then) is not type(now):
        out.append(Difference("outcome", "kind of record", then.headline, now.headline))
    return out


_JUDGED = (VerdictStatement, NoVerdictStatement)
_Configured: TypeAlias = "VerdictStatement | NoVerdictStatement | RungResultStatement"


def _with_hardware(then: _Configured, now: _Configured, found: list[Difference]) -> list[Difference]:
    """What was found; where the outcome is among it, before that what is known to differ of the places."""
    lower = [one for one in found if one.layer != "outcome"]
    if len(lower) == len(found):
        return found
    before, after = (_place(one.predicate.annotations("circumstances")) for one in (then, now))
    hardware = [
        Difference("hardware", name, before[name], after[name], remedy)
        for name, remedy in _HARDWARE.items()
        if before[name] and after[name] and before[name] != after[name]
    ]
    return [*lower, *hardware, *found[len(lower) :]]


def _place(told: Mapping[str, Any]) -> dict[str, str]:
    machine = told.get("machine")
    place = {**told, **(machine if isinstance(machine, dict) else {})}
    return {name: str(place.get(name) or "") for name in _HARDWARE}


def _parts(then: _Configured, now: _Configured) -> Iterator[Difference]:
    both = [{part.name: part for part in one.predicate.configuration} for one in (then, now)]
    for name in _LAYERS:
        if name in both[0] and name in both[1]:
            yield from part_differences(both[0][name], both[1][name])


def part_differences(then: DescriptorModel, now: DescriptorModel) -> Iterator[Difference]:
    """Where what was used is another by its digest, and how to come by that of then."""
    if _digest(then) != _digest(now):
        layer, remedy = _LAYERS[then.name]
        yield Difference(layer, then.name, _used(then), _used(now), _checkout(then.annotations or {}) or remedy)


def _checkout(about: Mapping[str, Any]) -> str:
    """How to come by the code that was used, where it was a commit's."""
    commit = str(about.get("commit"))
    if not _COMMIT.fullmatch(commit):  # a record may be anybody's, and people paste next steps into a shell
        return ""
    return f"`git checkout {commit}`{', and make the changes that it had then' if about.get('changed') else ''}"


def _digest(part: DescriptorModel) -> str:
    return "" if part.digest is None else part.digest.sha256


def _used(part: DescriptorModel) -> str:
    return f"{_digest(part)[:12] or _NO_PLACE} {_version(part.annotations or {})}".strip()


def _version(about: Mapping[str, Any]) -> str:
    named = [f"{name} {about[name]}" for name in ("version", "python", "name", "tag", "seed", "where") if name in about]
    if "commit" in about:
        named.insert(0, f"commit {str(about['commit'])[:12]}{' with changes' if about.get('changed') else ''}")
    packages = about.get("packages")
    if isinstance(packages, dict):
        named += [f"{name} {version}" for name, version in sorted(packages.items())]
    return f"({', '.join(named)})" if named else ""


def _verdicts(
    then: VerdictStatement | NoVerdictStatement,
    now: VerdictStatement | NoVerdictStatement,
    reports: tuple[Any, Any],
) -> Iterator[Difference]:
    if then.headline != now.headline:
        yield Difference("outcome", "verdict", then.headline, now.headline)
    if then.predicate.digest("report") == now.predicate.digest("report"):
        return
    if None in reports:
        yield Difference("outcome", "report", "another one", "", remedy="give the JSON report of then, to see where")
        return
    yield from (Difference("outcome", where, before, after) for where, before, after in _first(*reports))


def _first(then: Any, now: Any, where: str = "") -> Iterator[tuple[str, str, str]]:
    """The first place where two documents differ, in the order of the first of them."""
    if isinstance(then, dict) and isinstance(now, dict):
        for name in [*then, *(name for name in now if name not in then)]:
            if name not in then or name not in now:
                yield f"{where}.{name}".lstrip("."), _short(then.get(name)), _short(now.get(name))
                return
            if then[name] != now[name]:
                yield from _first(then[name], now[name], f"{where}.{name}".lstrip("."))
                return
    elif isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
        place = next(n for n, (a, b) in enumerate(zip(then, now, strict=True)) if a != b)
        yield from _first(then[place], now[place], f"{where}[{place}]")
    else:
        yield where, _short(then), _short(now)


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 120 else f"{text[:117]}..."


def _data(then: RungResultStatement, now: RungResultStatement) -> Iterator[Difference]:
    before, after = (one.predicate.annotations("circumstances").get("data") or {} for one in (then, now))
    if before != after:
        for where, was, became in _first(before, after):
            yield Difference("data", f"seed {where}", was, became, remedy="train on the files that were trained on")


def _results(then: RungResultStatement, now: RungResultStatement) -> Iterator[Difference]:
    rung = then.predicate.rung.name
    on_gpu = "GPU" in str(then.predicate.annotations("circumstances").get("device"))
    for seed in sorted(then.predicate.seeds.keys() | now.predicate.seeds.keys(), key=int):
        before, after = then.predicate.seeds.get(seed, {}), now.predicate.seeds.get(seed, {})
        for metric in sorted(before.keys() | after.keys()):
            if not _equal(before.get(metric), after.get(metric), on_gpu=on_gpu):
                was, became = (str(one.get(metric, _NO_PLACE)) for one in (before, after))
                yield Difference("outcome", f"{rung}, seed {seed}, {metric}", was, became)
    if on_gpu:
        return
    documents = then.predicate.documents, now.predicate.documents
    for name in sorted(documents[0].keys() | documents[1].keys()):
        if name.startswith(TIMINGS.partition("{")[0]):
            continue
        digests = [one.get(name, _NO_PLACE)[:12] for one in documents]
        if digests[0] != digests[1]:
            yield Difference("outcome", f"{rung}, document {name}", *digests)


def _equal(then: object, now: object, *, on_gpu: bool) -> bool:
    if then == now or not on_gpu:
        return then == now
    numbers = isinstance(then, float) and isinstance(now, float)
    return numbers and math.isclose(then, now, rel_tol=GPU_TOLERANCE, abs_tol=GPU_TOLERANCE)  # type: ignore[arg-type]
