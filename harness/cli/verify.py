"""`harness verify`: whether signed records hold, and whether they are about the files that are shown with them."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harness.attestation.keys import TrustedKey
    from harness.attestation.statement import NoVerdictStatement, VerdictStatement
    from harness.attestation.verified import Verified
    from harness.crate.read import DiscoveryCrate, RunCrate

#: So many files that a record is about are named.
_NAMED = 3


@click.command("verify")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@click.option(
    "--key", "pems", multiple=True, type=click.Path(path_type=Path), metavar="PEM", help="Trust this key too."
)
@click.option("--keys-inside", is_flag=True, help="Trust the keys in an archive: that it is whole, and not by whom.")
@click.option("--nonce", metavar="TEXT", help="The word that the record was asked for with.")
@click.option("--since", metavar="TIME", help="Refuse what was made before.")
@click.option("--at", "at_time", metavar="TIME", help="Judge keys as of this time.  [default: now]")
@click.option("--accepted", is_flag=True, help="Refuse rejections as well, and what decided nothing.")
@click.option("--forgetful", is_flag=True, help="Do not hold records against newer ones that were verified before.")
def verify_command(
    files: tuple[Path, ...],
    *,
    pems: tuple[Path, ...],
    keys_inside: bool,
    nonce: str | None,
    since: str | None,
    at_time: str | None,
    accepted: bool,
    forgetful: bool,
) -> None:
    """Verify signed records, without network and without an engine.

    Each FILE is a file of records (`harness check --record`), an archive of a run (`harness export`), or a file that
    one of them has to be about: a candidate, or a JSON report.

    A record holds where it is as it was written, by a key that is trusted: a record of a rejection holds too, unless
    --accepted asks for more.

    Exit code: 0 every record holds and every other file is what one of them is about, 1 not so, 2 the command makes no
    sense.
    """
    from harness.attestation import newest, times  # noqa: PLC0415 - the help of the command needs none of it
    from harness.attestation.keys import Keyring, trusted_once  # noqa: PLC0415
    from harness.attestation.verify import Asked, accepts, verify, vouches_for  # noqa: PLC0415
    from harness.cli.progress import say  # noqa: PLC0415

    ring = Keyring()
    at, after = (None if told is None else times.given(told) for told in (at_time, since))
    asked = Asked(at or times.now(), nonce, after, accepted)
    shown = _Shown.of(files)
    keys = [*ring.trusted(), *(_key_of(path) for path in pems)]
    if keys_inside:
        keys += [
            trusted_once(pem, "a key that lies in the archive") for each in shown.crates.values() for pem in each.keys
        ]
    found = verify(shown.records, keys, asked, shown.by_digest(), {} if forgetful else newest.known(ring.folder))
    sound = [each.statement for each in found if each.statement is not None and each.holds]
    told = {digest for one in sound for digest in vouches_for(one, accepted=accepted)}
    # Of a report all results: one that nobody signed could stand beside one that somebody did.
    strangers = [name for name, digests in shown.others.items() if not digests or not told.issuperset(digests)]
    wrong, notes = shown.looked_at(found)
    damaged = [*shown.damaged, *wrong]
    if accepted and not any(accepts(one) for one in sound):
        damaged.append("none of the records that hold accepts anything")
    _print(found, strangers, list(shown.others), damaged)
    for note in notes:
        say(f"harness: {note}")
    if not shown.records or strangers or damaged or not all(each.holds for each in found):
        sys.exit(1)
    if not forgetful:
        _remember(ring.folder, found)


def _remember(folder: Path, found: Sequence[Verified]) -> None:
    """Keep which records were the newest of their kinds."""
    from harness.attestation import newest  # noqa: PLC0415 - as above
    from harness.attestation.statement import made_at  # noqa: PLC0415
    from harness.cli.progress import say  # noqa: PLC0415

    made = {each.kind: made_at(each.statement) for each in found if each.kind and each.statement is not None}
    if not made:
        return
    try:
        newest.remember(folder, made)
    except OSError as error:
        say(f"harness: nothing can be kept in {folder} ({error.strerror}): an older record will not be noticed")


@dataclass
class _Shown:
    """The files that were given: records, archives with records, and others, which records have to be about."""

    records: list[tuple[str, bytes]] = field(default_factory=list)
    crates: dict[str, RunCrate | DiscoveryCrate] = field(default_factory=dict)
    others: dict[str, list[str]] = field(default_factory=dict)
    damaged: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, files: Sequence[Path]) -> _Shown:
        """Read them. Raises UserError for one that cannot be read."""
        from harness.cli.record_file import holds_records  # noqa: PLC0415 - as above
        from harness.core import text as sanitize  # noqa: PLC0415
        from harness.core.files import LARGE, LINES, load_bytes  # noqa: PLC0415
        from harness.crate.packing import NoArchiveError  # noqa: PLC0415
        from harness.crate.read import MAGIC, opened  # noqa: PLC0415

        out = cls()
        for path in files:
            data, name = load_bytes(path, LARGE, "the file", links=True), sanitize.path(str(path))
            if data.startswith(MAGIC):
                try:
                    out.crates[name] = opened(data)
                except NoArchiveError as error:
                    out.damaged.append(f"{name}: {error}")
                    continue
                out.records += [(f"{name}!{where}", line) for where, line in out.crates[name].records]
            elif holds_records(data[:LINES]):
                out.records += _lines(path, data)
            else:
                out.others[name] = _digests(data)
        return out

    def by_digest(self) -> dict[str, list[str]]:
        """The files' names by the digests that a record may name them by; those in archives too."""
        out: dict[str, list[str]] = {}
        for name, digests in self.others.items():
            for digest in digests:
                out.setdefault(digest, []).append(name)
        for name, crate in self.crates.items():
            for file, data in crate.files.items():
                out.setdefault(hashlib.sha256(data).hexdigest(), []).append(f"{name}!{file}")
        return out

    def looked_at(self, found: Sequence[Verified]) -> tuple[list[str], list[str]]:
        """What is wrong with the files of archives, and what could not be looked at."""
        wrong: list[str] = []
        notes: list[str] = []
        for name, crate in self.crates.items():
            problems, untold = _wrong_with(crate, [each for each in found if each.source.startswith(f"{name}!")])
            wrong += [f"{name}: {problem}" for problem in problems]
            notes += [f"{name}: {note}" for note in untold]
        return wrong, notes


def _wrong_with(crate: RunCrate | DiscoveryCrate, found: Sequence[Verified]) -> tuple[list[str], Sequence[str]]:
    """What is wrong with an archive, and what could not be looked at; `found` is what was found of its records."""
    from harness.crate.read import DiscoveryCrate  # noqa: PLC0415 - as above

    problems = crate.problems(found)
    if problems or not isinstance(crate, DiscoveryCrate) or not all(each.holds for each in found):
        return problems, ()
    from harness.discover.audit import look_at  # noqa: PLC0415 - as above

    looked = look_at(crate)
    return list(looked.problems), looked.notes


def _lines(path: Path, data: bytes) -> Iterator[tuple[str, bytes]]:
    from harness.core import text as sanitize  # noqa: PLC0415 - as above

    for number, line in enumerate(data.splitlines(keepends=True), 1):
        yield f"{sanitize.path(str(path))}:{number}", line


def _digests(data: bytes) -> list[str]:
    """By which digests a record may be about a file: that of its bytes, and of a report those of its results."""
    from harness.report.json_report import SCHEMA_NAME, compared_digests  # noqa: PLC0415 - as above

    if SCHEMA_NAME.encode() not in data[:200]:
        return [hashlib.sha256(data).hexdigest()]
    try:
        return compared_digests(data)
    except ValueError:
        return [hashlib.sha256(data).hexdigest()]


def _key_of(path: Path) -> TrustedKey:
    """A public key that is trusted for this once."""
    from harness.attestation.keys import trusted_once  # noqa: PLC0415 - as above
    from harness.core.files import SMALL, load_bytes  # noqa: PLC0415

    return trusted_once(load_bytes(path, SMALL, "the key", links=True), path.name)


def _print(found: Sequence[Verified], strangers: Sequence[str], names: Sequence[str], damaged: Sequence[str]) -> None:
    from rich.padding import Padding  # noqa: PLC0415 - as above
    from rich.text import Text  # noqa: PLC0415

    from harness.core import text as sanitize  # noqa: PLC0415
    from harness.report.text import emit, make_console  # noqa: PLC0415

    console = make_console(sys.stdout)
    for each in found:
        mark = ("✓", "green") if each.holds else ("✗", "bold red")
        emit(console, Text.assemble(mark, f" {each.source}  ", _about(each)))
        for problem in each.problems:
            emit(console, Padding(Text(sanitize.one_line(problem), "red"), (0, 0, 0, 4)))
        for line in _told(each):
            emit(console, Padding(Text(line), (0, 0, 0, 4)))
    for name in strangers:
        emit(console, Text.assemble(("✗", "bold red"), f" {name}  no record that holds is about all of it"))
    for problem in damaged:
        emit(console, Text.assemble(("✗", "bold red"), f" {sanitize.one_line(problem, 400)}"))
    if not found:
        emit(console, Text("There is no record in what was given."))
    held = sum(each.holds for each in found)
    told = f"{held} of {len(found)} record{'s' if len(found) != 1 else ''} hold{'s' if held == 1 else ''}"
    others = len(names) - len(strangers)
    emit(
        console, Text(f"{told}; {others} of {len(names)} other files are what they are about." if names else f"{told}.")
    )


def _about(each: Verified) -> str:
    from harness.core import text as sanitize  # noqa: PLC0415 - as above

    known = each.statement
    if known is None:
        return "unreadable"
    subject = known.subject[0]
    name = f"{sanitize.name(subject.name)} (sha256 {subject.digest.sha256[:12]})"
    return f"{sanitize.name(known.headline)}  {name}"


def _told(each: Verified) -> Iterator[str]:
    """What the record says, and what was not looked at."""
    from harness.attestation import times  # noqa: PLC0415 - as above
    from harness.attestation.statement import (  # noqa: PLC0415
        NextKeyStatement,
        NoVerdictPredicate,
        RungResultPredicate,
        VerdictPredicate,
        made_at,
    )
    from harness.core import text as sanitize  # noqa: PLC0415

    known = each.statement
    if known is None or each.key is None:
        return
    key = f"{each.key.keyid[:12]} ({sanitize.one_line(each.key.name)})"
    yield f"signed {times.spelt(made_at(known))} with the key {key}"
    said = known.predicate
    if isinstance(said, VerdictPredicate | NoVerdictPredicate | RungResultPredicate):
        profile = sanitize.one_line(str(said.annotations("profile").get("name")))
        image = said.digest("image")[:12] or (
            "known by its tag alone" if said.annotations("image").get("tag") else "none"
        )
        yield f"profile {profile}, image {image}"
    if each.compared:
        names = [sanitize.one_line(name) for name in dict.fromkeys(each.compared)]
        more = f" and {len(names) - _NAMED} others" if len(names) > _NAMED else ""
        yield f"compared with {', '.join(names[:_NAMED])}{more}"
    elif not isinstance(known, NextKeyStatement):
        yield "not compared with any file: give the candidate too, and its JSON report where there is one"


def end_unless_it_holds(problems: Sequence[str]) -> None:
    """Tell what is wrong with records or an archive, and end with 1 where anything is."""
    from rich.text import Text  # noqa: PLC0415 - as above

    from harness.core import text as sanitize  # noqa: PLC0415
    from harness.report.text import emit, make_console  # noqa: PLC0415

    console = make_console(sys.stdout)
    for problem in problems:
        emit(console, Text.assemble(("✗ ", "bold red"), sanitize.one_line(problem, 400)))
    if problems:
        sys.exit(1)


def records_in(path: Path, data: bytes, pems: Sequence[Path]) -> tuple[list[Verified], list[str]]:
    """The records in a file, verified by keys that are trusted here or given, and what is wrong with any of them."""
    from harness.attestation import times  # noqa: PLC0415 - as above
    from harness.attestation.keys import Keyring  # noqa: PLC0415
    from harness.attestation.verify import Asked, verify  # noqa: PLC0415

    keys = [*Keyring().trusted(), *(_key_of(pem) for pem in pems)]
    found = verify(list(_lines(path, data)), keys, Asked(times.now()), {}, {})
    problems = [f"{each.source}: {problem}" for each in found for problem in each.problems]
    return found, problems if found else ["there is no record in it"]


def look_at_records(
    path: Path, data: bytes, pems: Sequence[Path]
) -> tuple[dict[str, list[VerdictStatement | NoVerdictStatement]], list[str], str]:
    """All verdicts in a file of records by their candidates, what is wrong with any record, and by whose word it is."""
    from harness.attestation.statement import NoVerdictStatement, VerdictStatement  # noqa: PLC0415 - as above

    found, problems = records_in(path, data, pems)
    verdicts: dict[str, list[VerdictStatement | NoVerdictStatement]] = {}
    for each in found:
        if isinstance(each.statement, VerdictStatement | NoVerdictStatement):
            verdicts.setdefault(each.candidate, []).append(each.statement)
    return verdicts, problems, "by keys that are trusted here"


def look_at_archive(
    data: bytes, pems: Sequence[Path], *, inside: bool = True
) -> tuple[RunCrate | DiscoveryCrate | None, list[str], str]:
    """An archive, what is wrong with it, and by whose word it holds; `inside` takes the word of keys that lie in it."""
    from harness.attestation import times  # noqa: PLC0415 - as above
    from harness.attestation.keys import Keyring, trusted_once  # noqa: PLC0415
    from harness.attestation.verify import Asked, verify  # noqa: PLC0415
    from harness.crate.packing import NoArchiveError  # noqa: PLC0415
    from harness.crate.read import opened  # noqa: PLC0415

    try:
        crate = opened(data)
    except NoArchiveError as error:
        return None, [str(error)], ""
    keys = [*Keyring().trusted(), *(_key_of(pem) for pem in pems)]
    theirs = [trusted_once(pem, "a key that lies in the archive") for pem in crate.keys if inside]
    known = {key.keyid for key in keys}
    stranger = any(key.keyid not in known for key in theirs)
    found = verify(
        crate.records, [*keys, *(key for key in theirs if key.keyid not in known)], Asked(times.now()), {}, {}
    )
    problems = [f"{each.source}: {problem}" for each in found for problem in each.problems]
    whose = (
        "by a key that lies in it, and for which nobody here vouches" if stranger else "by keys that are trusted here"
    )
    return crate, problems + _wrong_with(crate, found)[0], whose
