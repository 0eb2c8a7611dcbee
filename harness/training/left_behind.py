"""What training leaves behind, looked at before anybody loads or keeps it: weights, and answers for a judge.

Weights are safetensors and plain JSON, and nothing else. The answers of a trained model are small, and kept when the
weights are not.
"""

from __future__ import annotations

import json
import math
import stat
from typing import TYPE_CHECKING, Any

from harness.core.errors import InfrastructureError
from harness.core.files import read_bytes

if TYPE_CHECKING:
    from pathlib import Path

#: Bytes per number, by the format's names for its types.
_SIZES = {
    "BOOL": 1, "U8": 1, "I8": 1, "F8_E5M2": 1, "F8_E4M3": 1, "I16": 2, "U16": 2, "F16": 2, "BF16": 2,
    "I32": 4, "U32": 4, "F32": 4, "F64": 8, "I64": 8, "U64": 8, "C64": 8,
}  # fmt: skip
_HEADER_CAP = 100_000_000
_JSON_CAP = 64 << 20
_MOST_FILES = 10_000


def check_weights(folder: Path) -> list[Path]:
    """Give the files that training left, each looked at. Raises InfrastructureError for anything but those two kinds.

    Links, devices and other files are refused: whoever loads them next must find numbers and words alone.
    """
    found = []
    for path in sorted(folder.rglob("*")):
        mode = path.lstat().st_mode
        if stat.S_ISDIR(mode):
            continue
        name = path.relative_to(folder)
        if not stat.S_ISREG(mode):
            raise InfrastructureError(f"the training left {name}, which is no plain file")
        if path.suffix == ".safetensors":
            _check_tensors(path, str(name))
        elif path.suffix == ".json":
            _check_json(path, str(name))
        else:
            raise InfrastructureError(f"the training left {name}, and weights come as safetensors alone")
        found.append(path)
        if len(found) > _MOST_FILES:
            raise InfrastructureError(f"the training left more than {_MOST_FILES} files")
    if not any(path.suffix == ".safetensors" for path in found):
        raise InfrastructureError("the training left no weights")
    return found


def _check_json(path: Path, name: str) -> None:
    try:
        json.loads(read_bytes(path, _JSON_CAP))
    except (OSError, ValueError, RecursionError) as error:
        raise InfrastructureError(f"the training left {name}, which is no JSON") from error


def _check_tensors(path: Path, name: str) -> None:
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= _HEADER_CAP:
                raise ValueError("its header has an impossible length")
            header = json.loads(file.read(length))
        _check_header(header, path.stat().st_size - 8 - length)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise InfrastructureError(f"the training left {name}, which is no safetensors file: {error}") from error


def _check_header(header: dict[str, Any], size: int) -> None:
    """See that the tensors lie one behind the other, and fill the file to its last byte."""
    words = header.pop("__metadata__", {})
    if not all(isinstance(k, str) and isinstance(v, str) for k, v in words.items()):
        raise ValueError("its metadata is no text")
    at = 0
    for entry in sorted(header.values(), key=lambda entry: (entry["data_offsets"][0], entry["data_offsets"][1])):
        begin, end = entry["data_offsets"]
        shape = entry["shape"]
        if not all(type(n) is int and n >= 0 for n in (begin, end, *shape)):
            raise ValueError("it has an impossible shape")
        if begin != at or end - begin != _SIZES[entry["dtype"]] * math.prod(shape):
            raise ValueError("its tensors do not fit the places that it names")
        at = end
    if at != size:
        raise ValueError("it is cut, or longer than its tensors")


#: The file that a task leaves beside its score; see `harness.trainer.finetune.scoring`.
SAMPLES = "samples.jsonl"


def whole_lines(path: Path, most: int | None = None) -> bytes:
    """The first whole lines of a plain file, `most` bytes of it, or as many as a ledger's document may have.

    Nothing where there is no such file. A container wrote it: a link is not followed, and a pipe is not waited for.
    """
    from harness.ledger.documents import MOST_BYTES  # noqa: PLC0415 - who asks for digests of the code needs no ledger

    most = MOST_BYTES if most is None else most
    try:
        data = read_bytes(path, most, cut=True)
    except OSError:
        return b""
    return data[: data.rfind(b"\n") + 1]
