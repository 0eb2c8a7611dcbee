"""Open an archive of a run: its records, its files, and whether the two are one."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.attestation.statement import ArchiveStatement
from harness.crate.packing import NoArchiveError, unpacked
from harness.crate.write import CANDIDATES, KEYS, LADDERS, PROFILES, RECORDS, SIGNED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.attestation.verified import Verified

#: What an archive begins with.
MAGIC = b"PK\x03\x04"


@dataclass(frozen=True)
class Crate:
    """An archive's files by their names. Nothing is known of them before its records were verified."""

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
    def candidate(self) -> tuple[str, bytes]:
        """The candidate's file: its name in here, and its text."""
        return self._only(CANDIDATES)

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
        about = [
            (each, each.statement) for each in found if isinstance(each.statement, ArchiveStatement) and each.holds
        ]
        statement = about[0][1] if len(about) == 1 else None
        if not isinstance(statement, ArchiveStatement):
            return ["no record that holds names its files: what is in it is nobody's word"]
        named = {subject.name: subject.digest.sha256 for subject in statement.subject}
        there = {name: hashlib.sha256(data).hexdigest() for name, data in self.files.items() if name != SIGNED}
        out = [f"{name} is missing" for name in sorted(named.keys() - there.keys())]
        out += [f"{name} was added" for name in sorted(there.keys() - named.keys())]
        out += [f"{name} was changed" for name in sorted(named.keys() & there.keys()) if named[name] != there[name]]
        said = statement.predicate
        candidate, ladder = (hashlib.sha256(data).hexdigest() for _, data in (self.candidate, self.ladder))
        if (candidate, ladder) != (said.candidate, said.ladder):
            out.append("its candidate or its ladder is another than its record says")
        for each in found:
            if each is not about[0][0] and each.holds and each.candidate != said.candidate:
                out.append(f"{each.source} is about another candidate")
        return out

    def _only(self, folder: str) -> tuple[str, bytes]:
        return next((name, data) for name, data in self.files.items() if name.startswith(f"{folder}/"))


def opened(data: bytes) -> Crate:
    """Open an archive. Raises NoArchiveError for what was not packed here, or lacks what every one has."""
    files = unpacked(data)
    for name in (RECORDS, SIGNED):
        if name not in files:
            raise NoArchiveError(f"it has no {name}")
    for folder in (CANDIDATES, LADDERS, PROFILES):
        if sum(name.startswith(f"{folder}/") for name in files) != 1:
            raise NoArchiveError(f"it has not just one file in {folder}/")
    return Crate(files)
