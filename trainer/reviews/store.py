"""Files that this task leaves: tensors as safetensors, facts as JSON, each whole or not there at all."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import safetensors
from safetensors import SafetensorError

from harness.protocol.job import StepError
from harness.trainer.checkpoint import packed_bytes, write_whole

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import torch

_AGAIN = "prepare the data again"


def write_tensors(tensors: Mapping[str, torch.Tensor], path: Path, **facts: str) -> None:
    """Write tensors by name with some facts beside them. Raises StepError where the disk is full."""
    plain = {name: tensor.detach().to("cpu").contiguous() for name, tensor in tensors.items()}
    write_whole(path, packed_bytes(plain, facts))


def read_tensors(path: Path, remedy: str = _AGAIN) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """The tensors and the facts of a file. Raises StepError for one that is missing or damaged."""
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            facts = dict(file.metadata() or {})
            return {name: file.get_tensor(name) for name in file.keys()}, facts  # noqa: SIM118 - it is no dictionary
    except (OSError, SafetensorError, ValueError, KeyError) as error:
        raise StepError(f"{path.name} is missing or damaged", remedy=remedy) from error


def write_facts(facts: Mapping[str, Any], path: Path) -> None:
    """Write facts as JSON, keys sorted. Raises StepError where the disk is full."""
    write_whole(path, json.dumps(facts, sort_keys=True, indent=1).encode("utf-8") + b"\n")


def read_facts(path: Path) -> dict[str, Any]:
    """Read them. Raises StepError for what is missing or damaged."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise StepError(f"{path.name} is missing or damaged", remedy=_AGAIN) from error
    if not isinstance(found, dict):
        raise StepError(f"{path.name} is damaged", remedy=_AGAIN)
    return found


def digest_file(path: Path) -> str:
    """SHA-256 of a file. Raises StepError where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise StepError(f"{path.name} cannot be read: {error.strerror}") from error
