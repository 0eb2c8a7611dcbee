"""The record of a judgement: which files were shown, who judged how, by which prompts and replies, and what came of it.

All of it but the time follows from the files and the recording. So a judgement that is made again by its recording is
held against its record, from below: the files, the judge's settings, the code, the prompts, the replies, the result.
"""

from __future__ import annotations

import importlib.metadata
import itertools
import json
import platform
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

from harness.attestation import times
from harness.attestation.envelope import LONGEST, seal
from harness.attestation.statement import JUDGEMENT, DescriptorModel, statement
from harness.core.digests import json_digest
from harness.core.errors import UserError
from harness.core.sources import code_digest, contents, project_root
from harness.core.version import __version__
from harness.ledger.records import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from harness.attestation.keys import Signing
    from harness.attestation.statement import JudgementStatement
    from harness.core.verdict import Json
    from harness.llm_judge.judge import Judge
    from harness.llm_judge.shown import Shown

#: What a judgement follows from, given the replies. How these are fetched, and what they may cost, shapes none.
_CODE = (
    "harness/llm_judge",
    "harness/llm/lines.py",
    "harness/llm/quoting.py",
    "harness/llm/recording.py",
    "harness/llm/request.py",
)
#: So many digits of each question's digest stand in a record: the whole digest holds, these say where one does not.
_SHORT = 16
_NOTHING = "nothing"


@dataclass(frozen=True)
class Judgement:
    """A judgement, with its result once it was made; `options` are what decides besides the judge's manner."""

    kind: Literal["pairwise", "single"]
    shown: Shown
    judge: Judge
    options: Mapping[str, Json]
    result: Json = None

    def parts(self) -> dict[str, DescriptorModel]:
        """The code, the settings and, of one that was made, the calls: by question, each with its reminders."""
        # How many were asked at once decides nothing; where they were asked is nobody's business.
        manner = {name: value for name, value in asdict(self.judge.manner).items() if name != "workers"}
        out = [_code(controlled=bool(self.options["controlled"])), _part("judge", "", **manner, **self.options)]
        if self.result is not None:
            heard = self.judge.heard
            out.append(_calls("prompts", [[request.digest for request, _ in each] for each in heard]))
            out.append(_calls("replies", [[reply.recorded() for _, reply in each] for each in heard]))
        return {part.name: part for part in out}


def seal_judgement(made: Judgement, signing: Signing, nonce: str) -> bytes:
    """The record of a judgement that was made, as a line. Raises UserError for one that would not be read again."""
    recording = made.judge.recording
    parts = (
        *made.parts().values(),
        _part("recording", recording.sha256, calls=sum(1 for _ in recording)),
        _part("circumstances", "", time=times.spelt(times.now()), nonce=nonce),
    )
    configuration: list[Json] = [part.model_dump(exclude_unset=True) for part in parts]
    said: dict[str, Json] = {"kind": made.kind, "result": made.result, "configuration": configuration}
    line = seal(statement(JUDGEMENT, made.shown.digests, said), signing)
    if len(line) > LONGEST:
        raise UserError("a record of so many prompts is longer than any that is read", remedy="judge fewer at a time")
    return line


@dataclass(frozen=True)
class Difference:
    """What differs from a record, and how it was then and is now."""

    what: str
    then: str
    now: str


def differences(then: JudgementStatement, now: Judgement) -> list[Difference]:
    """Where a judgement differs from its record, from below; of one that was not made, what is known before that."""
    said, parts = then.predicate, now.parts()
    out = list(_files([(each.name, each.digest.sha256) for each in then.subject], now.shown.digests.items()))
    out += _values("the judge", {"kind": said.kind, **said.annotations("judge")}, _told(parts["judge"], kind=now.kind))
    if said.digest("harness") != _sha256(parts["harness"]):
        out.append(Difference("the code", _whose(said.part("harness")), _whose(parts["harness"])))
    if now.result is not None:
        out += [each for name in ("prompts", "replies") for each in _questions(said.part(name), parts[name])]
        out += _values("the result", said.result, now.result)
    return out


def _part(called: str, sha256: str, /, **annotations: object) -> DescriptorModel:
    digest = {"digest": {"sha256": sha256}} if sha256 else {}
    return DescriptorModel.model_validate({"name": called, **digest, "annotations": plain(annotations)})


def _code(*, controlled: bool) -> DescriptorModel:
    packages = ("numpy", "scipy", *(["scikit-learn"] if controlled else []))
    digest = code_digest("judgement", contents(project_root(), *_CODE), packages)
    versions = {name: importlib.metadata.version(name) for name in packages}
    return _part("harness", digest, version=__version__, python=platform.python_version(), packages=versions)


def _calls(called: str, by_question: Sequence[Sequence[object]]) -> DescriptorModel:
    """All calls by one digest; the short ones tell which question differs."""
    whole = [call for question in by_question for call in question]
    short = [json_digest(question)[:_SHORT] for question in by_question]
    return _part(called, json_digest(whole), calls=len(whole), questions=short)


def _sha256(part: DescriptorModel) -> str:
    return "" if part.digest is None else part.digest.sha256


def _told(part: DescriptorModel, **more: Json) -> dict[str, Json]:
    return {**more, **(part.annotations or {})}


def _files(then: Iterable[tuple[str, str]], now: Iterable[tuple[str, str]]) -> Iterator[Difference]:
    """By their places, which tell what each is: a file may have got another name since."""
    both = itertools.zip_longest(then, now, fillvalue=(_NOTHING, ""))
    for number, (before, after) in enumerate(both, 1):
        if before[1] != after[1]:
            yield Difference(f"file {number}", *(f"{name} {digest[:12]}".strip() for name, digest in (before, after)))


def _whose(part: DescriptorModel) -> str:
    told = _told(part)
    packages = told.get("packages")
    versions = {"harness": told.get("version"), "Python": told.get("python")}
    versions |= packages if isinstance(packages, dict) else {}
    return ", ".join([*(f"{name} {version}" for name, version in versions.items()), _sha256(part)[:12]])


def _questions(then: DescriptorModel, now: DescriptorModel) -> Iterator[Difference]:
    """The first question that differs, where anything does."""
    if _sha256(then) == _sha256(now):  # then what is told beside it follows from the same calls
        yield from _values(f"the {then.name}", _told(then), _told(now))
        return
    before, after = (told if isinstance(told := _told(part).get("questions"), list) else [] for part in (then, now))
    for number, (one, other) in enumerate(itertools.zip_longest(before, after, fillvalue=_NOTHING), 1):
        if one != other:
            yield Difference(f"the {then.name} of question {number}", str(one), str(other))
            return
    yield Difference(f"the {then.name}", _sha256(then)[:12], _sha256(now)[:12])


def _values(what: str, then: Json, now: Json) -> Iterator[Difference]:
    """All values that differ as JSON spells them; those of the whole come before those of a part."""
    before, after = dict(_leaves(then)), dict(_leaves(now))
    alike = True
    for place in sorted({*before, *after}, key=lambda place: (len(place), place)):
        if (one := before.get(place, _NOTHING)) != (other := after.get(place, _NOTHING)):
            alike = False
            yield Difference(f"{what}: {', '.join(place)}", *_shown(one, other))
    if alike and (one := _spelt(then)) != (other := _spelt(now)):  # a list, and keys that count as it does
        yield Difference(what, one, other)


def _spelt(value: Json) -> str:
    return json.dumps(value, sort_keys=True)


def _shown(*both: str) -> Iterator[str]:
    """Two leaves without the quotation marks of texts, unless nothing else tells them apart."""
    plain = [str(json.loads(one)) if one != _NOTHING else one for one in both]
    yield from plain if plain[0] != plain[1] else both


def _leaves(value: Json, place: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """All that holds nothing further, as JSON spells it, by its place."""
    if not isinstance(value, dict | list) or (place and not value):
        yield place, _spelt(value)
        return
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value, 1):
        yield from _leaves(inner, (*place, str(key)))
