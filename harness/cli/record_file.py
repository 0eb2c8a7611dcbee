"""Where records go: a file of their own, which is looked at before any work is done and takes no other file's place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.core import text as sanitize
from harness.core.errors import UserError
from harness.core.files import LARGE, STDOUT, check_destination, load_bytes, save_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

#: What the first line of a file of records begins with, and what is in it, whoever wrote them. A candidate may have the
#: same words in its text, and is none; one that consists of them is taken for records, and no good ones.
_BEGINS, _MARK = b"{", b'"payloadType"'


def holds_records(data: bytes) -> bool:
    """Whether the bytes of a file are records, sound or not."""
    return data.startswith(_BEGINS) and _MARK in data.partition(b"\n")[0]


def check_record(path: Path, taken: Iterable[Path] = (), nonce: str = "") -> None:
    """Refuse a place that no record can take; `taken` are files that the command reads or writes. Raises UserError."""
    if path == STDOUT:
        raise UserError("records go into a file", remedy="give the path of one, such as record.intoto.jsonl")
    check_destination(path)
    if path.resolve() in {each.resolve() for each in taken}:
        raise UserError(f"{path} is read or written by this very command", remedy="name another file")
    if path.is_file() and (data := load_bytes(path, LARGE, "the file")) and not holds_records(data):
        raise UserError(f"{path} is there, and holds no records", remedy="name another file: it is not written over")
    if nonce != sanitize.one_line(nonce):
        raise UserError("--nonce is to be one short line of plain text")


def write_records(data: bytes, path: Path) -> None:
    """Write records in the place of older ones, or where nothing was. Raises UserError."""
    check_record(path)
    save_bytes(data, path)
