"""Pack an image so that the same files are the same bytes: layers, configuration, and the archive an engine loads.

An engine writes today's date into every layer and into the configuration, and sorts and owns files as it likes. So the
engine makes the stages, and the image is packed here: entries sorted, one time for all, everything root's, no extended
attributes, hard links as files of their own. The image's id is the SHA-256 of the configuration that is written here.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, Any, cast

from harness.images.files import Entry, Held, order

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

_PIECE = 1 << 20
_TYPES = {"file": tarfile.REGTYPE, "folder": tarfile.DIRTYPE, "link": tarfile.SYMTYPE}


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer: its digest (`sha256:...`), its entries, and its archive where it was made just now."""

    digest: str
    entries: tuple[Entry, ...]
    archive: IO[bytes] | None = None


def normal(entry: Entry, epoch: int) -> Entry:
    """The entry as every image has it: root's, without privilege bits, attributes or a date of its own."""
    mode = entry.mode & (0o777 if entry.kind == "file" else 0o1777)
    return replace(entry, mode=0o777 if entry.kind == "link" else mode, uid=0, gid=0, mtime=epoch, attributes="")


def chosen(tree: Mapping[str, Held], epoch: int, present: Iterable[str] = ()) -> list[Held]:
    """What of a tree becomes a layer, sorted: no devices, and each folder on the way unless it is `present` below."""
    kept = {path: replace(held, entry=normal(held.entry, epoch)) for path, held in tree.items() if path != "/"}
    kept = {path: held for path, held in kept.items() if held.entry.kind in _TYPES}
    there = set(present)
    for path in list(kept):
        parts = path.split("/")
        for end in range(2, len(parts)):
            way = "/".join(parts[:end])
            if way not in kept and way not in there:
                kept[way] = Held(Entry(way, "folder", 0o755, mtime=epoch), io.BytesIO(), 0)
    return sorted(kept.values(), key=lambda held: order(held.entry.path))


def write_layer(target: IO[bytes], held: Iterable[Held]) -> Layer:
    """Write the archive of a layer to `target` and return it; the same entries and contents give the same bytes."""
    hashing = _Hashing(target)
    entries = []
    with tarfile.TarFile(
        fileobj=cast("IO[bytes]", hashing),
        mode="w",
        format=tarfile.GNU_FORMAT,
        encoding="utf-8",
        errors="surrogateescape",
        copybufsize=_PIECE,
    ) as archive:
        for one in held:
            if one.entry.kind == "file":
                one.source.seek(one.at)
            archive.addfile(_member(one.entry), one.source if one.entry.kind == "file" else None)
            entries.append(one.entry)
    target.flush()
    return Layer(f"sha256:{hashing.digest.hexdigest()}", tuple(entries), target)


def _member(entry: Entry) -> tarfile.TarInfo:
    member = tarfile.TarInfo(entry.path.lstrip("/"))
    member.type, member.size, member.mode = _TYPES[entry.kind], entry.size, entry.mode
    member.mtime, member.uid, member.gid, member.linkname = entry.mtime, entry.uid, entry.gid, entry.target
    return member


class _Hashing:
    """Writes on, and takes the digest of what is written."""

    def __init__(self, target: IO[bytes]) -> None:
        self._target = target
        self._written = 0
        self.digest = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.digest.update(data)
        self._written += len(data)
        return self._target.write(data)

    def tell(self) -> int:
        return self._written


def when(epoch: int) -> str:
    """The time that stands in a configuration, in RFC 3339."""
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def configuration(
    settings: Mapping[str, Any], labels: Mapping[str, str], layers: Sequence[tuple[str, str]], epoch: int
) -> bytes:
    """Write the image's configuration, whose SHA-256 is the image's id.

    Each layer is its digest and what it is.
    """
    created = when(epoch)
    content = {
        "architecture": "amd64",
        "config": {**settings, "Labels": dict(labels)},
        "created": created,
        "history": [{"created": created, "created_by": what} for _, what in layers],
        "os": "linux",
        "rootfs": {"diff_ids": [digest for digest, _ in layers], "type": "layers"},
    }
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


def archive(config: bytes, layers: Sequence[Layer]) -> Iterator[bytes]:
    """Yield the archive that an engine loads, in pieces; a layer without its own archive is only named in it."""
    config_name = f"{hashlib.sha256(config).hexdigest()}.json"
    names = [f"{layer.digest.removeprefix('sha256:')}.tar" for layer in layers]
    about = [{"Config": config_name, "RepoTags": None, "Layers": names}]
    yield from _file(config_name, config)
    for name, layer in zip(names, layers, strict=True):
        if layer.archive is not None:
            size = layer.archive.seek(0, io.SEEK_END)
            layer.archive.seek(0)
            yield _header(name, size)
            while piece := layer.archive.read(_PIECE):
                yield piece
            yield _padding(size)
    yield from _file("manifest.json", json.dumps(about).encode())
    yield b"\0" * 1024


def _file(name: str, data: bytes) -> Iterator[bytes]:
    yield _header(name, len(data))
    yield data + _padding(len(data))


def _header(name: str, size: int) -> bytes:
    member = tarfile.TarInfo(name)
    member.size = size
    return member.tobuf(tarfile.GNU_FORMAT)


def _padding(size: int) -> bytes:
    return b"\0" * (-size % tarfile.BLOCKSIZE)
