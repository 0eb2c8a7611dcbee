"""What archives of all kinds have in them: ladder, rules, keys, what images are made of, and the record that signs it.

The last file of an archive is a record that names all others by their digests, signed by whoever makes it: with it, and
with the one way in which archives are packed, no byte of one can be changed unnoticed.
"""

from __future__ import annotations

import hashlib
import re
from importlib import resources
from typing import TYPE_CHECKING

from harness.attestation import times
from harness.attestation.envelope import opened, seal
from harness.attestation.statement import NoVerdictStatement, RungResultStatement, VerdictStatement, read, statement
from harness.core.sources import project_root
from harness.crate.metadata import NAME as METADATA
from harness.crate.metadata import metadata
from harness.crate.packing import packed
from harness.images.inputs import DOCKERFILES
from harness.images.records import Records

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from harness.attestation.keys import Signing, TrustedKey
    from harness.attestation.statement import Statement
    from harness.core.verdict import Json
    from harness.crate.metadata import Told
    from harness.ladder.plan import Ladder

RECORDS, SIGNED, READ_ME = "records.intoto.jsonl", "archive.intoto.jsonl", "REPRODUCE.md"
LADDERS, PROFILES, KEYS = "ladder", "profile", "keys"
#: What the page of every archive ends with.
HOW_TO_REPEAT = f"""Verify it, with the key of whoever signed it: `harness verify ARCHIVE --key THEIRS.pem`. Repeat it:
`harness reproduce ARCHIVE`, with the version of the harness that `{METADATA}` names. Where the code is another than it
was then, that names the commit.
"""
_LOCKS = ("sandbox-cpu.txt", "sandbox-cuda.txt", "trainer-cpu.txt", "trainer-cuda.txt", "build.txt")


def ladder_file(ladder: Ladder) -> str:
    """What the file of a ladder is called."""
    return f"{LADDERS}/{plain(ladder.name, 'ladder')}.toml"


def common(ladder: Ladder, lines: Sequence[bytes], keys: Iterable[TrustedKey]) -> dict[str, bytes]:
    """The ladder, its set of rules, the records, the keys that signed them, and what their images are made of."""
    used = {opened(line).keyid for line in lines}
    return {
        ladder_file(ladder): ladder.own or _of_package("harness.ladder.profiles", f"{ladder.name}.toml"),
        f"{PROFILES}/{ladder.properties}.toml": _of_package("harness.core.profiles", f"{ladder.properties}.toml"),
        RECORDS: b"".join(lines),
        **{f"{KEYS}/{key.keyid[:16]}.pem": key.pem.encode() for key in keys if key.keyid in used and key.pem},
        **_images(images_of(lines)),
    }


def images_of(lines: Iterable[bytes]) -> tuple[tuple[str, str], ...]:
    """The images that records name: tag and digest, each once."""
    found: dict[str, str] = {}
    for one in map(said_in, lines):
        if isinstance(one, VerdictStatement | NoVerdictStatement | RungResultStatement):
            digest, tag = one.predicate.digest("image"), str(one.predicate.annotations("image").get("tag") or "")
            if digest and tag:
                found[digest] = tag
    return tuple((tag, digest) for digest, tag in sorted(found.items()))


def said_in(line: bytes) -> Statement:
    """What a record says, whoever signed it. Raises as `opened` and `read` do."""
    return read(opened(line).statement)


def closed(files: dict[str, bytes], told: Told, kind: str, said: Mapping[str, Json], signing: Signing) -> bytes:
    """The archive of these files, with its metadata and the record that signs it, of that kind."""
    files[METADATA] = metadata(told, {**files, SIGNED: b""})
    about = {name: hashlib.sha256(data).hexdigest() for name, data in sorted(files.items())}
    record = statement(kind, about, {"time": times.spelt(times.now()), "nonce": "", **said})
    return packed({**files, SIGNED: seal(record, signing)})


def plain(name: str, otherwise: str) -> str:
    """A name of a stranger's making, as a file's name."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", name)[:100].lstrip(".") or otherwise


def _of_package(package: str, name: str) -> bytes:
    return resources.files(package).joinpath(name).read_bytes()


def _images(used: Iterable[tuple[str, str]]) -> dict[str, bytes]:
    """What images are made of: the locks, and where this machine built them their bills of materials."""
    root = project_root() / DOCKERFILES
    out = {f"images/locks/{name}": (root / "locks" / name).read_bytes() for name in _LOCKS}
    out["images/base.lock"] = (root / "base.lock").read_bytes()
    for tag, _ in used:
        if (bill := Records().beside(tag, "sbom")) is not None:
            out[f"images/{plain(tag, 'image')}.cdx.json"] = bill
    return out
