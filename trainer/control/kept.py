"""Files of this task: written whole or not at all, known by their digests, and checked when they are read."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError
from safetensors.torch import load, save

from harness.core.files import write_whole
from harness.protocol.job import StepError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch

_ABOUT = "about.json"
#: A file larger than this is none of ours.
_MOST = 2**31


def write(path: Path, data: bytes) -> str:
    """Write a file, so that it is there whole after a power cut or not at all; gives its SHA-256.

    Raises StepError (the user's) where there is no room.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        write_whole(path, data)
    except OSError as error:
        raise StepError(f"cannot write {path.name}: {error.strerror}", fault="user", remedy="make room") from error
    return hashlib.sha256(data).hexdigest()


def write_json(path: Path, content: Mapping[str, object]) -> str:
    """Write numbers as JSON; gives the SHA-256."""
    return write(path, json.dumps(content, sort_keys=True, separators=(",", ":")).encode())


def write_tensors(path: Path, tensors: Mapping[str, torch.Tensor], about: str = "") -> str:
    """Write tensors as safetensors; gives the SHA-256, the same for the same tensors."""
    # One entry at most: several would be written in no settled order.
    return write(path, save({k: v.contiguous() for k, v in tensors.items()}, metadata={"about": about}))


def read_tensors(path: Path, about: str | None = None) -> dict[str, torch.Tensor]:
    """Read safetensors. Raises StepError where the file is not there, is none, or was written about something else."""
    try:
        if path.is_symlink() or path.stat().st_size > _MOST:
            raise StepError(f"{path.name} is no file of this task")
        data = path.read_bytes()
        tensors = load(data)
        if about is not None and _about(data) != about:
            raise StepError(f"{path.name} is of something else")
    except (OSError, SafetensorError, ValueError) as error:
        raise StepError(f"cannot read {path.name}: {error}", remedy="prepare the data again") from error
    return tensors


def _about(data: bytes) -> object:
    """The entry about the contents. The header was read before, so its length is right."""
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return header.get("__metadata__", {}).get("about")


def close(folder: Path, digests: Mapping[str, str], about: Mapping[str, Any]) -> None:
    """Write what the folder holds, last: a folder without it is not finished."""
    write(folder / _ABOUT, json.dumps({**about, "digests": dict(digests)}, sort_keys=True, indent=1).encode())


def opened(folder: Path) -> dict[str, Any]:
    """Read what a folder holds, and check each file's digest. Raises StepError for damage, and for a part of it."""
    try:
        about: dict[str, Any] = json.loads((folder / _ABOUT).read_text("utf-8"))
        wrong = [
            name
            for name, digest in about["digests"].items()
            if hashlib.sha256((folder / Path(name).name).read_bytes()).hexdigest() != digest
        ]
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise StepError(f"the data of the control task are not there: {error}", remedy="prepare them again") from error
    if wrong:
        raise StepError(f"{', '.join(wrong)} is not what was prepared", remedy="remove the folder, and prepare again")
    return about
