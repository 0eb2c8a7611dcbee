"""What files an image holds: read from an engine's archive, listed, compared.

An image is read from the archive that `docker save` writes and not from a container made of it: an engine puts files
of its own into a container (hosts, devices), and what somebody hid in their place would not be seen.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import tarfile
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import IO, TYPE_CHECKING, Any

from harness.core.errors import InfrastructureError, UserError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from contextlib import ExitStack
    from pathlib import Path

FORMAT = "harness-image-files/1"
_PIECE = 1 << 20
_WHITEOUT, _OPAQUE = ".wh.", ".wh..wh..opq"
_XATTR = "SCHILY.xattr."
_GZIP = b"\x1f\x8b"
_KINDS = {
    tarfile.REGTYPE: "file",
    tarfile.AREGTYPE: "file",
    tarfile.CONTTYPE: "file",
    tarfile.DIRTYPE: "folder",
    tarfile.SYMTYPE: "link",
    tarfile.CHRTYPE: "device",
    tarfile.BLKTYPE: "device",
    tarfile.FIFOTYPE: "pipe",
}
#: How one entry of an image is told from another, in the order in which a difference is named, and what it is called.
_COMPARED = (
    ("kind", "kind"),
    ("target", "link target"),
    ("size", "content (size)"),
    ("sha256", "content (SHA-256)"),
    ("mode", "mode"),
    ("uid", "owner"),
    ("gid", "group"),
    ("attributes", "extended attributes"),
    ("mtime", "time"),
)


class ImageArchiveError(InfrastructureError):
    """The archive that the engine made of an image could not be read."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One file, folder or link: `path` from the root, `mtime` in seconds since 1970, `sha256` (hex) of a file."""

    path: str
    kind: str
    mode: int
    uid: int = 0
    gid: int = 0
    mtime: int = 0
    size: int = 0
    sha256: str = ""
    target: str = ""
    attributes: str = ""


@dataclass(frozen=True, slots=True)
class Held:
    """An entry and where its content lies: `at` so many bytes into `source`, which is an open file."""

    entry: Entry
    source: IO[bytes]
    at: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an image holds: its digest, what it says of itself, its layers' digests, its entries by path."""

    image: str
    settings: Mapping[str, Any]
    layers: tuple[str, ...]
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """The first place where two images differ: what differs there, and in how many places they do."""

    path: str
    what: str
    count: int

    def __str__(self) -> str:
        """One sentence."""
        more = f"; {self.count} differ in all" if self.count > 1 else ""
        return f"{self.path}: {self.what}{more}"


def order(path: str) -> tuple[str, ...]:
    """How paths are sorted: a folder, then what is in it, whatever bytes other names have."""
    return tuple(path.split("/"))


def read_tar(stream: IO[bytes], at: int = 0, strip: str = "", below: str = "") -> dict[str, Held]:
    """Return the entries of a plain archive that begins `at` so many bytes into `stream`, as they stand in it.

    `strip` is the folder that all names begin with, and `below` where that folder goes. Names that mark what a layer
    removes are entries like others.
    """
    stream.seek(at)
    found: dict[str, Held] = {}
    with tarfile.open(fileobj=stream, mode="r:", encoding="utf-8", errors="surrogateescape") as archive:
        for member in archive:
            path = _path(member.name, strip, below)
            if member.islnk():
                # Only the content is shared: which of its names is the first is the engine's choice.
                same = found.get(_path(member.linkname, strip, below))
                if same is None:
                    raise ImageArchiveError(f"{path} is another name of a file that is not there")
                found[path] = replace(same, entry=replace(same.entry, path=path))
                continue
            if member.type not in _KINDS:
                raise ImageArchiveError(f"{path} is of a kind that an image cannot hold ({member.type!r})")
            found[path] = Held(_entry(path, member, stream), stream, member.offset_data)
        # tarfile takes a block that is no header for the end; half an image must not pass for one.
        stream.seek(archive.offset)
        if stream.read(tarfile.BLOCKSIZE) != b"\0" * tarfile.BLOCKSIZE:
            raise ImageArchiveError("the archive of the image ends in the middle")
    return found


def _path(name: str, strip: str, below: str) -> str:
    inner = name.removeprefix("./").strip("/")
    if strip:
        inner = inner.removeprefix(strip).strip("/")
    return "/" + "/".join(part for part in (below.strip("/"), inner if inner != "." else "") if part)


def _entry(path: str, member: tarfile.TarInfo, stream: IO[bytes]) -> Entry:
    kind = _KINDS[member.type]
    digest = ""
    if kind == "file":
        whole = hashlib.sha256()
        stream.seek(member.offset_data)
        left = member.size
        while left:
            piece = stream.read(min(_PIECE, left))
            if not piece:
                raise ImageArchiveError(f"the archive of the image ends within {path}")
            whole.update(piece)
            left -= len(piece)
        digest = whole.hexdigest()
    device = f"{member.devmajor}:{member.devminor}" if kind == "device" else ""
    return Entry(
        path=path,
        kind=kind,
        mode=member.mode & 0o7777,
        uid=member.uid,
        gid=member.gid,
        mtime=int(member.mtime),
        size=member.size if kind == "file" else 0,
        sha256=digest,
        target=member.linkname if kind == "link" else device,
        attributes=_attributes(member.pax_headers),
    )


def _attributes(headers: Mapping[str, str]) -> str:
    """Digest of the extended attributes, empty where there are none: a capability in one is as good as setuid."""
    held = sorted((name, value) for name, value in headers.items() if name.startswith(_XATTR))
    return hashlib.sha256(repr(held).encode("utf-8", "surrogateescape")).hexdigest() if held else ""


def read_image(saved: IO[bytes], opened: ExitStack) -> tuple[bytes, dict[str, Held]]:
    """Return the configuration and the files of the one image in an archive as `docker save` writes it.

    What has to be open while contents are read is closed by `opened`.
    """
    tree: dict[str, Held] = {}
    try:
        with tarfile.open(fileobj=saved, mode="r:", encoding="utf-8", errors="surrogateescape") as outer:
            (about,) = json.loads(_member(outer, "manifest.json").read())
            config = _member(outer, str(about["Config"])).read()
            for name in about["Layers"]:
                layer, at = _plain_layer(outer, str(name), saved, opened)
                _lay(tree, read_tar(layer, at))
    except (tarfile.TarError, OSError, KeyError, ValueError, TypeError) as problem:
        raise ImageArchiveError(f"the archive of the image cannot be read: {problem}") from problem
    tree.pop("/", None)
    return config, tree


def _member(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    found = archive.extractfile(name)
    if found is None:
        raise ImageArchiveError(f"{name} in the archive of the image is no file")
    return found


def _plain_layer(archive: tarfile.TarFile, name: str, saved: IO[bytes], opened: ExitStack) -> tuple[IO[bytes], int]:
    """Return an open file with a layer's archive, and where in it that begins."""
    member = archive.getmember(name)
    if member.issym():  # a layer that the image has twice
        linked = f"{name.rpartition('/')[0]}/{member.linkname}"
        return _plain_layer(archive, _normal(linked), saved, opened)
    saved.seek(member.offset_data)
    if saved.read(2) != _GZIP:
        return saved, member.offset_data
    with gzip.open(_member(archive, name)) as packed:
        return opened.enter_context(spool(iter(lambda: packed.read(_PIECE), b""))), 0


def _normal(name: str) -> str:
    parts: list[str] = []
    for part in name.split("/"):
        if part == "..":
            parts.pop()
        elif part not in {"", "."}:
            parts.append(part)
    return "/".join(parts)


def _lay(tree: dict[str, Held], layer: Mapping[str, Held]) -> None:
    """Put a layer over what is there: what it marks as removed goes first, as engines do it."""
    for path in layer:
        folder, _, name = path.rpartition("/")
        if name == _OPAQUE:
            _remove_below(tree, folder)
        elif name.startswith(_WHITEOUT):
            gone = f"{folder}/{name.removeprefix(_WHITEOUT)}"
            tree.pop(gone, None)
            _remove_below(tree, gone)
    folders = {path[:end] for path in tree for end, sign in enumerate(path) if sign == "/"}
    for path, held in layer.items():
        if path.rpartition("/")[2].startswith(_WHITEOUT):
            continue
        if held.entry.kind != "folder" and path in folders:
            _remove_below(tree, path)
        tree[path] = held


def _remove_below(tree: dict[str, Held], folder: str) -> None:
    for path in [path for path in tree if path.startswith(f"{folder}/")]:
        del tree[path]


def render(manifest: Manifest) -> bytes:
    """Write a manifest as JSON, one entry a line: the same bytes for the same image, and `diff` can read it."""
    head = {
        "format": FORMAT,
        "image": manifest.image,
        "layers": list(manifest.layers),
        "settings": manifest.settings,
    }
    lines = ",\n".join(json.dumps(shown(entry)) for entry in manifest.entries)
    return (json.dumps(head, indent=1, sort_keys=True)[:-2] + f',\n "files": [\n{lines}\n ]\n}}\n').encode()


def shown(entry: Entry) -> dict[str, str | int]:
    """An entry as it stands in a file: the mode in octal, and nothing that is not so."""
    whole: dict[str, str | int] = {
        "path": entry.path,
        "kind": entry.kind,
        "mode": f"{entry.mode:04o}",
        "uid": entry.uid,
        "gid": entry.gid,
        "mtime": entry.mtime,
    }
    if entry.kind == "file":
        whole |= {"size": entry.size, "sha256": entry.sha256}
    if entry.target:
        whole["target"] = entry.target
    if entry.attributes:
        whole["attributes"] = entry.attributes
    return whole


def parse(data: bytes, where: str) -> Manifest:
    """Read what `render` wrote, here or elsewhere; UserError where it is no such thing."""
    try:
        content = json.loads(data)
        if content["format"] != FORMAT:
            raise ValueError(f"its format is {str(content['format'])[:40]!r}, wanted is {FORMAT!r}")
        settings = content["settings"]
        if not isinstance(settings, dict):
            raise TypeError("its settings are no object")
        entries = entries_of(content["files"])
        return Manifest(str(content["image"]), settings, tuple(map(str, content["layers"])), entries)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as problem:
        raise UserError(
            f"{where} is no list of an image's files: {problem}", remedy="write one with `harness image manifest`"
        ) from problem


def entries_of(listed: Iterable[Mapping[str, Any]]) -> tuple[Entry, ...]:
    """Entries from what `shown` made of them, sorted; ValueError, KeyError, TypeError where it is something else."""
    entries = []
    for one in listed:
        words = {name: one.get(name, "") for name in ("sha256", "target", "attributes")}
        numbers = {name: one.get(name, 0) for name in ("uid", "gid", "mtime", "size")}
        texts = [one["path"], one["kind"], *words.values()]
        if not all(isinstance(text, str) for text in texts) or not all(type(n) is int for n in numbers.values()):
            raise TypeError(f"an entry is none: {str(one)[:80]}")
        entries.append(Entry(path=one["path"], kind=one["kind"], mode=int(one["mode"], 8), **words, **numbers))
    return tuple(sorted(entries, key=lambda entry: order(entry.path)))


def first_difference(expected: Iterable[Entry], found: Iterable[Entry]) -> Difference | None:
    """Return the first path, in the order of the list, at which the two are not the same; None where they are.

    One where only the time differs is named where nothing else does: a folder's changes with what is put into it.
    """
    wanted, there = ({entry.path: entry for entry in entries} for entries in (expected, found))
    differing = [path for path in wanted.keys() | there.keys() if wanted.get(path) != there.get(path)]
    if not differing:
        return None
    first = min(differing, key=lambda path: (_only_the_time(wanted.get(path), there.get(path)), order(path)))
    return Difference(first, _what(wanted.get(first), there.get(first)), len(differing))


def _only_the_time(expected: Entry | None, found: Entry | None) -> bool:
    return expected is not None and found is not None and replace(expected, mtime=found.mtime) == found


def _what(expected: Entry | None, found: Entry | None) -> str:
    if found is None:
        return "missing"
    if expected is None:
        return f"added ({found.kind})"
    for field, name in _COMPARED:
        is_now, was = getattr(found, field), getattr(expected, field)
        if is_now != was:
            told = (f"{is_now:04o}", f"{was:04o}") if field == "mode" else (is_now or "none", was or "none")
            return f"{name} is {told[0]} instead of {told[1]}"
    raise AssertionError("two entries that differ have no field that does")


def differing_settings(expected: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    """Name what an image says of itself otherwise than expected; empty where it says the same."""
    was, is_now = _flat(expected), _flat(found)
    names = sorted(name for name in was.keys() | is_now.keys() if was.get(name) != is_now.get(name))
    return "; ".join(f"{name} is {is_now.get(name)!r} instead of {was.get(name)!r}" for name in names)


def _flat(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with each label on its own."""
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        flat |= {f"{name} {inner}": one for inner, one in value.items()} if isinstance(value, dict) else {name: value}
    return flat


def settings_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """What an image says of itself, from its configuration: what an engine adds without a value is left out."""
    inner = config.get("config") or {}
    return {str(name): inner[name] for name in sorted(inner) if inner[name]}


@contextmanager
def spool(pieces: Iterable[bytes], folder: Path | None = None) -> Iterator[IO[bytes]]:
    """Keep what an engine sends in a file that has no name, and is gone when the block ends."""
    with tempfile.TemporaryFile(dir=folder) as file:
        for piece in pieces:
            file.write(piece)
        file.seek(0)
        yield file
