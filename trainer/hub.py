"""Reads preference sets in the formats of the hub: parquet, jsonl, arrow, or a folder of them by split.

A folder is what `datasets` writes (`save_to_disk`) or what a repository of the hub looks like once it lies on a disk:
files named after their split, in the folder itself or below (`data/train-00000-of-00002.parquet`).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
from datasets import DatasetDict, load_from_disk

from harness.protocol.job import StepError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    Row = dict[str, Any]

FORMATS = (".parquet", ".jsonl", ".json", ".arrow")
_SAVED = ("dataset_dict.json", "state.json")
_REMEDY = f"give a file of the formats {', '.join(FORMATS)}, or a folder of them with one name per split"


def rows(path: Path, split: str) -> list[Row] | None:
    """All rows of a split in their order; None where the set has no such split. A single file is the first split.

    Raises StepError for what is missing, empty or damaged.
    """
    if not path.exists():
        raise StepError(f"there is no preference set at {path.name}", fault="user", remedy=_REMEDY)
    if path.is_file():
        return list(_file(path)) if split == "train" else None
    if any((path / name).is_file() for name in _SAVED):
        return _saved(path, split)
    files = _of_split(path, split)
    return [row for file in files for row in _file(file)] if files else None


def splits(path: Path) -> tuple[str, ...]:
    """The splits that a folder seems to hold, for messages."""
    if not path.is_dir() or (path / _SAVED[1]).is_file():
        return ("train",)
    if (path / _SAVED[0]).is_file():
        return tuple(sorted(entry.name for entry in path.iterdir() if entry.is_dir()))
    return tuple(sorted({_split_name(file) for file in _data_files(path)}))


def _data_files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.suffix in FORMATS and p.is_file() and not _is_meta(p))


def _is_meta(file: Path) -> bool:
    return file.name in {"dataset_info.json", "dataset_infos.json", *_SAVED} or file.name.startswith(".")


def _split_name(file: Path) -> str:
    """`train` of train.jsonl, train-00000-of-00002.parquet and train/part.arrow alike."""
    stem = file.stem.split("-", 1)[0]
    return file.parent.name if stem.isdigit() or stem in {"data", "part"} else stem


def _of_split(folder: Path, split: str) -> list[Path]:
    files = _data_files(folder)
    if not files:
        raise StepError(f"the folder {folder.name} holds no preference set", fault="user", remedy=_REMEDY)
    return [file for file in files if _split_name(file) == split]


def _saved(folder: Path, split: str) -> list[Row] | None:
    try:
        held = load_from_disk(str(folder))
    except Exception as error:  # the library raises whatever its parsers raise; all of it means the same
        raise _damaged(folder, error) from error
    if isinstance(held, DatasetDict):
        return held[split].to_list() if split in held else None
    return held.to_list() if split == "train" else None


def _file(path: Path) -> Iterator[Row]:
    try:
        if path.suffix == ".parquet":
            yield from pq.read_table(path).to_pylist()
        elif path.suffix == ".arrow":
            yield from _arrow(path)
        elif path.suffix in {".jsonl", ".json"}:
            yield from _json(path)
        else:
            raise StepError(f"{path.name} is of no format that is known here", fault="user", remedy=_REMEDY)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise _damaged(path, error) from error


def _arrow(path: Path) -> list[Row]:
    """Both kinds of Arrow files: streams, as `datasets` writes them, and those that can be read at any place."""
    with pa.memory_map(str(path)) as source:
        try:
            table = pa.ipc.open_stream(source).read_all()
        except pa.ArrowInvalid:
            table = pa.ipc.open_file(source).read_all()
        return list(table.to_pylist())


def _json(path: Path) -> Iterator[Row]:
    """One object a line; a file that is one list of objects is read as well."""
    text = path.read_text("utf-8")
    if text.lstrip().startswith("["):
        yield from _objects(path, enumerate(_parsed(path, text, 1), start=1))
        return
    lines = ((n, line) for n, line in enumerate(text.split("\n"), start=1) if line.strip())
    yield from _objects(path, ((n, _parsed(path, line, n)) for n, line in lines))


def _parsed(path: Path, text: str, line: int) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        said = f"{path.name}, line {line}: no JSON ({error})"
        raise StepError(said, fault="user", remedy="write one JSON object a line") from error


def _objects(path: Path, found: Iterator[tuple[int, Any]] | enumerate[Any]) -> Iterator[Row]:
    for number, value in found:
        if not isinstance(value, dict):
            said = f"{path.name}, row {number}: a {type(value).__name__} where an object has to stand"
            raise StepError(said, fault="user", remedy='each row is an object with "chosen" and "rejected"')
        yield value


def _damaged(path: Path, error: Exception) -> StepError:
    said = " ".join(str(error).split())[:300]
    remedy = "write the file anew, or fetch it again"
    return StepError(f"{path.name} cannot be read: {type(error).__name__}: {said}", fault="user", remedy=remedy)
