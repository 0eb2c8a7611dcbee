"""Open an archive, of a run or of a discovery: its records, its files, and whether the two are one."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from harness.attestation.statement import (
    ArchiveStatement,
    DiscoveryArchiveStatement,
    DiscoveryStatement,
    GateDecisionStatement,
    NoVerdictStatement,
    PromotionStatement,
    RungModel,
    RungResultStatement,
    VerdictStatement,
)
from harness.core.errors import UserError
from harness.crate.packing import NoArchiveError, unpacked
from harness.crate.parts import KEYS, LADDERS, PROFILES, RECORDS, SIGNED, said_in
from harness.crate.write import CANDIDATES, DOCUMENTS
from harness.ladder.climb import REPORT, SCREEN_REPORT
from harness.ladder.ladder import parse
from harness.ledger.documents import EARLIER
from harness.ledger.records import FINAL, State
from harness.report.json_report import compared_digests

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from harness.attestation.statement import Statement
    from harness.attestation.verified import Verified
    from harness.ladder.plan import Ladder

#: What an archive begins with.
MAGIC = b"PK\x03\x04"
#: Where a discovery's own files lie in its archive, and the texts of its losses.
DISCOVERED, TEXTS = "discovery", "candidates"
#: What the report of a rung that judges is called among its documents.
REPORTS = (REPORT, SCREEN_REPORT)


@dataclass(frozen=True)
class Crate:
    """An archive's files by their names. Nothing is known of them before its records were verified."""

    KIND: ClassVar[type[Statement]]
    #: Folders that have just one file each.
    SINGLE: ClassVar[tuple[str, ...]] = (LADDERS, PROFILES)
    files: Mapping[str, bytes]

    @property
    def records(self) -> list[tuple[str, bytes]]:
        """Where each record stands in it, and its line; that of the archive itself comes last."""
        return [
            (f"{name}:{number}", line)
            for name in (RECORDS, SIGNED)
            for number, line in enumerate(self.files[name].splitlines(keepends=True), 1)
        ]

    @property
    def ladder(self) -> tuple[str, bytes]:
        """The ladder's file."""
        return self._only(LADDERS)

    @property
    def keys(self) -> list[bytes]:
        """The public keys (PEM) that lie in it, of which nobody outside has said anything."""
        return [data for name, data in sorted(self.files.items()) if name.startswith(f"{KEYS}/")]

    def problems(self, found: Sequence[Verified]) -> list[str]:
        """What is wrong with the files, by the archive's own record among what was found of its records."""
        about = [each for each in found if isinstance(each.statement, self.KIND) and each.holds]
        if len(about) != 1 or about[0].statement is None:
            return ["no record that holds names its files: what is in it is nobody's word"]
        named = {subject.name: subject.digest.sha256 for subject in about[0].statement.subject}
        there = {name: _digest(data) for name, data in self.files.items() if name != SIGNED}
        out = [f"{name} is missing" for name in sorted(named.keys() - there.keys())]
        out += [f"{name} was added" for name in sorted(there.keys() - named.keys())]
        out += [f"{name} was changed" for name in sorted(named.keys() & there.keys()) if named[name] != there[name]]
        return out + self._unlike(about[0], [each for each in found if each is not about[0] and each.holds])

    def _unlike(self, about: Verified, others: Sequence[Verified]) -> list[str]:
        """Where the archive's own record does not fit what lies in it, and the other records that hold."""
        raise NotImplementedError

    def _only(self, folder: str) -> tuple[str, bytes]:
        return next((name, data) for name, data in self.files.items() if name.startswith(f"{folder}/"))


class RunCrate(Crate):
    """The archive of a run."""

    KIND = ArchiveStatement
    SINGLE = (CANDIDATES, LADDERS, PROFILES)

    @property
    def candidate(self) -> tuple[str, bytes]:
        """The candidate's file: its name in here, and its text."""
        return self._only(CANDIDATES)

    def _unlike(self, about: Verified, others: Sequence[Verified]) -> list[str]:
        if not isinstance(about.statement, ArchiveStatement):
            raise TypeError("this is the record of no run's archive")
        said, out = about.statement.predicate, []
        if [_digest(data) for _, data in (self.candidate, self.ladder)] != [said.candidate, said.ladder]:
            out.append("its candidate or its ladder is another than its record says")
        out += [f"{each.source} is about another candidate" for each in others if each.candidate != said.candidate]
        try:
            name, data = self.ladder
            ladder = parse(data, name)
        except UserError as error:
            return [*out, error.message]
        told = [each.statement for each in others if each.statement is not None]
        return [*out, *_off_the_way(ladder, said.state, others), *self._of_no_rung(ladder), *self._not_left(told)]

    def _not_left(self, records: Iterable[Statement]) -> Iterator[str]:
        """The documents and reports that are others than the records of their rungs name."""
        for one in records:
            if isinstance(one, RungResultStatement):
                rung = one.predicate.rung.name
                for name, digest in one.predicate.documents.items():
                    if _digest(self.files.get(f"{DOCUMENTS}/{rung}/{name}", b"")) != digest:
                        yield f"{DOCUMENTS}/{rung}/{name} is missing, or not what its rung's record names"
            elif isinstance(one, VerdictStatement | NoVerdictStatement):
                rung = str(one.predicate.annotations("circumstances").get("rung"))
                for name in REPORTS:
                    if (data := self.files.get(f"{DOCUMENTS}/{rung}/{name}")) is not None and not _is_report(data, one):
                        yield f"{DOCUMENTS}/{rung}/{name} is not the report that its rung's record names"

    def _of_no_rung(self, ladder: Ladder) -> Iterator[str]:
        """The documents that no rung has left, and no earlier way up."""
        rungs = {EARLIER, *(plan.name for plan in ladder.rungs)}
        for name in self.files:
            folder, _, place = name.partition("/")
            rung, _, called = place.partition("/")
            if folder == DOCUMENTS and not (rung in rungs and called):
                yield f"{name} is a document of no rung"


#: The records that tell what a rung came to, before anybody decided by it.
_RESULTS = (VerdictStatement, NoVerdictStatement, RungResultStatement)


def _off_the_way(ladder: Ladder, state: str, records: Sequence[Verified]) -> Iterator[str]:
    """Where records are not those of one way up the ladder, each rung's result, decision and promotion in turn.

    And where the state that a run is said to be in is none that such a way ends in.
    """
    rungs = [
        RungModel(name=plan.name, kind=plan.kind, position=position, ladder=ladder.digest)
        for position, plan in enumerate(ladder.rungs)
    ]
    if len({rung.name for rung in rungs}) < len(rungs):
        yield "its ladder has two rungs of one name"
        return
    at, decision = 0, ""
    wanted: tuple[type[Statement], ...] = _RESULTS
    for each in records:
        known = each.statement
        if at == len(rungs) or not isinstance(known, wanted) or not _is_of(known, rungs[at]):
            yield f"{each.source} is not the record that comes next on the way up its ladder"
            return
        if isinstance(known, GateDecisionStatement):
            decision = known.predicate.decision
            wanted = (PromotionStatement,) if decision == "promote" else ()
        elif isinstance(known, PromotionStatement):
            at, wanted = at + 1, _RESULTS
        else:
            wanted = (GateDecisionStatement,)
    if not records or wanted not in (_RESULTS, ()):
        yield "its records break off before a rung's end"
        return
    top = at == len(rungs)
    refused = 0 < at < len(rungs) and ladder.rungs[at - 1].ask_a_person  # by the person who was asked
    # A run that was taken out may have ended before: what it came to then is what its records tell.
    fits: dict[str, bool] = {
        **dict.fromkeys(FINAL, True),
        State.COMPLETED: top,
        State.REJECTED: decision == "reject" or refused,
    }
    if not fits.get(state, False):
        yield f"its run is said to be {state}, and its records say otherwise"


def _is_report(data: bytes, of: VerdictStatement | NoVerdictStatement) -> bool:
    try:
        return compared_digests(data) == [of.predicate.digest("report")]
    except ValueError:
        return False


def _is_of(known: Statement, rung: RungModel) -> bool:
    if isinstance(known, VerdictStatement | NoVerdictStatement):
        told = known.predicate.annotations("circumstances")
        return (told.get("ladder"), told.get("rung")) == (rung.ladder, rung.name)
    return isinstance(known, RungResultStatement | GateDecisionStatement | PromotionStatement) and (
        known.predicate.rung == rung
    )


class DiscoveryCrate(Crate):
    """The archive of a discovery: journal, losses, and the records of all of their runs."""

    KIND = DiscoveryArchiveStatement

    @property
    def discovery(self) -> DiscoveryStatement:
        """The record of the discovery. Raises NoArchiveError where there is not just one."""
        found = [one for _, line in self.records if isinstance(one := said_in(line), DiscoveryStatement)]
        if len(found) != 1:
            raise NoArchiveError("it has not just one record of a discovery")
        return found[0]

    def _unlike(self, about: Verified, others: Sequence[Verified]) -> list[str]:
        if not isinstance(about.statement, DiscoveryArchiveStatement):
            raise TypeError("this is the record of no discovery's archive")
        said = about.statement.predicate
        lines = {_digest(line): source for source, line in self.records}
        by_source = {each.source.rpartition("!")[2]: each for each in others}
        held = {digest: by_source[source] for digest, source in lines.items() if source in by_source}
        record = held.get(said.discovery)
        several = sum(isinstance(each.statement, DiscoveryStatement) for each in others) > 1
        if record is None or several or not isinstance(record.statement, DiscoveryStatement):
            return ["it has not just one record of its discovery that holds"]
        out = [] if _digest(self.ladder[1]) == said.ladder else ["its ladder is another than its record says"]
        out += [
            f"{DISCOVERED}/{subject.name} is another than the record of the discovery says"
            for subject in record.statement.subject
            if _digest(self.files.get(f"{DISCOVERED}/{subject.name}", b"")) != subject.digest.sha256
        ]
        out += [
            f"the record of {one.name} is missing, or does not hold"
            for one in record.statement.predicate.found
            if one.record and one.record not in held
        ]
        texts = {_digest(data) for name, data in self.files.items() if name.startswith(f"{TEXTS}/")}
        return out + [
            f"{each.source} is about a candidate that is not in it"
            for each in others
            if each is not record and each.candidate not in texts
        ]


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def opened(data: bytes) -> RunCrate | DiscoveryCrate:
    """Open an archive. Raises NoArchiveError for what was not packed here, or lacks what every one has."""
    files = unpacked(data)
    for name in (RECORDS, SIGNED):
        if name not in files:
            raise NoArchiveError(f"it has no {name}")
    kind = DiscoveryCrate if any(name.startswith(f"{DISCOVERED}/") for name in files) else RunCrate
    for folder in kind.SINGLE:
        if sum(name.startswith(f"{folder}/") for name in files) != 1:
            raise NoArchiveError(f"it has not just one file in {folder}/")
    return kind(files)
