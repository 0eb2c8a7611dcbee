"""`harness verify`: whether signed records hold, and whether they are about the files that are shown with them."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harness.attestation.keys import TrustedKey
    from harness.attestation.verified import Verified

#: What the first line of a file of records begins with, and what is in it, whoever wrote them. A candidate may have the
#: same words in its text, and is none; one that consists of them is taken for records, and no good ones.
_BEGINS, _MARK = b"{", b'"payloadType"'


@click.command("verify")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@click.option(
    "--key", "pems", multiple=True, type=click.Path(path_type=Path), metavar="PEM", help="Trust this key too."
)
@click.option("--nonce", metavar="TEXT", help="The word that the record was asked for with.")
@click.option("--since", metavar="TIME", help="Refuse what was made before.")
@click.option("--at", "at_time", metavar="TIME", help="Judge keys as of this time.  [default: now]")
@click.option("--accepted", is_flag=True, help="Refuse rejections as well, and what decided nothing.")
@click.option("--forgetful", is_flag=True, help="Do not hold records against newer ones that were verified before.")
def verify_command(
    files: tuple[Path, ...],
    *,
    pems: tuple[Path, ...],
    nonce: str | None,
    since: str | None,
    at_time: str | None,
    accepted: bool,
    forgetful: bool,
) -> None:
    """Verify signed records, without network and without an engine.

    Each FILE is a file of records (`harness check --record`), or a file that one of them has to be about: a candidate,
    or a JSON report.

    A record holds where it is as it was written, by a key that is trusted: a record of a rejection holds too, unless
    --accepted asks for more.

    Exit code: 0 every record holds and every other file is what one of them is about, 1 not so, 2 the command makes no
    sense.
    """
    from harness.attestation import newest, times  # noqa: PLC0415 - the help of the command needs none of it
    from harness.attestation.keys import Keyring  # noqa: PLC0415
    from harness.attestation.statement import made_at  # noqa: PLC0415
    from harness.attestation.verify import Asked, speaks_of, verify  # noqa: PLC0415
    from harness.cli.progress import say  # noqa: PLC0415
    from harness.core import text as sanitize  # noqa: PLC0415
    from harness.core.files import LARGE, LINES, load_bytes  # noqa: PLC0415

    ring = Keyring()
    at, after = (None if told is None else times.given(told) for told in (at_time, since))
    asked = Asked(at or times.now(), nonce, after, accepted)
    records: list[tuple[str, bytes]] = []
    others: dict[str, list[str]] = {}
    for path in files:
        data = load_bytes(path, LARGE, "the file", links=True)
        if data.startswith(_BEGINS) and _MARK in data[:LINES].partition(b"\n")[0]:
            records += _lines(path, data)
        else:
            others[sanitize.path(str(path))] = _digests(data)
    keys = [*ring.trusted(), *(_key_of(path) for path in pems)]
    given: dict[str, list[str]] = {}
    for name, digests in others.items():
        for digest in digests:
            given.setdefault(digest, []).append(name)
    found = verify(records, keys, asked, given, {} if forgetful else newest.known(ring.folder))
    told = {
        digest for each in found if each.statement is not None and each.holds for digest in speaks_of(each.statement)
    }
    # Of a report all results: one that nobody signed could stand beside one that somebody did.
    strangers = [name for name, digests in others.items() if not digests or not told.issuperset(digests)]
    _print(found, strangers, list(others))
    if not records or strangers or not all(each.holds for each in found):
        sys.exit(1)
    made = {each.kind: made_at(each.statement) for each in found if each.kind and each.statement is not None}
    if made and not forgetful:
        try:
            newest.remember(ring.folder, made)
        except OSError as error:
            say(
                f"harness: nothing can be kept in {ring.folder} ({error.strerror}): an older record will not be noticed"
            )


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


def _print(found: Sequence[Verified], strangers: Sequence[str], names: Sequence[str]) -> None:
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
        yield f"compared with {', '.join(sanitize.one_line(name) for name in dict.fromkeys(each.compared))}"
    elif not isinstance(known, NextKeyStatement):
        yield "not compared with any file: give the candidate too, and its JSON report where there is one"
