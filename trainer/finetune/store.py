"""What `prepare` leaves and the later steps read: tokens, the reference's log-probabilities, and their key.

One safetensors file and one of JSON lines. The key names everything that the reference's log-probabilities depend on;
they are used only where it is still the same, so that stale ones are never taken for others.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from harness.protocol.job import StepError
from harness.trainer.finetune.model import weight_files
from harness.trainer.finetune.tokens import Tokens

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from torch import Tensor

    from harness.trainer.finetune.settings import Settings

PAIRS, ANSWERS = "pairs.safetensors", "reference.jsonl"
#: Everything in a model's folder that a tokenizer is made of.
_TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
_TOKENIZER_OTHERS = ("chat_template.jinja", "chat_template.json", "vocab.json", "merges.txt", "tokenizer.model")


@dataclass(frozen=True)
class Part:
    """Pairs of one split, and the reference's summed log-probabilities of chosen and rejected, (N, 2) float32."""

    pairs: tuple[Tokens, ...]
    reference: Tensor


@dataclass(frozen=True)
class Prepared:
    """The data of one seed. `key` says what the reference's log-probabilities depend on."""

    train: Part
    test: Part
    key: dict[str, str]


def key(parts: Sequence[Sequence[Tokens]], model: Path, settings: Settings, device: str) -> dict[str, str]:
    """What the reference's log-probabilities depend on: the tokens as they go in, and whatever computes with them.

    The data's digest is over tokens; so tokenizer, template and limits are in it twice, once by their effect.
    """
    data = hashlib.sha256()
    for part in parts:
        for pair in part:
            data.update(repr((pair.prompt, pair.chosen, pair.rejected)).encode())
        data.update(b"|")
    files = [model / name for name in sorted((*_TOKENIZER, *_TOKENIZER_OTHERS))]
    return {
        "data": data.hexdigest(),
        "weights": digest([*weight_files(model), model / "config.json"]),
        "tokenizer": digest([file for file in files if file.is_file()]),
        "max_length": str(settings.max_length),
        "max_prompt": str(settings.max_prompt),
        "too_long": settings.too_long,
        "type": settings.weights + ("+bfloat16" if device.startswith("cuda") else ""),
        "attention": settings.attention,
        "device": device.partition(":")[0],
        "torch": torch.__version__,
    }


def digest(files: Sequence[Path]) -> str:
    """SHA-256 over names and contents of files."""
    out = hashlib.sha256()
    for file in files:
        with file.open("rb") as content:
            out.update(f"{file.name}:{hashlib.file_digest(content, 'sha256').hexdigest()};".encode())
    return out.hexdigest()


def save(out: Path, prepared: Prepared) -> None:
    """Write the data of one seed. Raises StepError where the disk is full."""
    tensors: dict[str, Tensor] = {}
    for name, part in (("train", prepared.train), ("test", prepared.test)):
        pieces = [piece for pair in part.pairs for piece in (pair.prompt, pair.chosen, pair.rejected)]
        tensors[f"{name}.ids"] = torch.tensor([token for piece in pieces for token in piece], dtype=torch.int32)
        tensors[f"{name}.sizes"] = torch.tensor([len(piece) for piece in pieces], dtype=torch.int32).reshape(-1, 3)
        tensors[f"{name}.rows"] = torch.tensor([pair.row for pair in part.pairs], dtype=torch.int32)
        tensors[f"{name}.reference"] = part.reference
    try:
        save_file(tensors, out / PAIRS, metadata={"key": json.dumps(prepared.key, sort_keys=True)})
    except (OSError, SafetensorError) as error:
        raise StepError(f"the data cannot be written: {error}", fault="user", remedy="free some space") from error


def load(data: Path) -> Prepared:
    """Read what `save` wrote. Raises StepError for what is missing or damaged."""
    try:
        with safe_open(data / PAIRS, "pt") as file:
            held = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
            return Prepared(_part(held, "train"), _part(held, "test"), json.loads(file.metadata()["key"]))
    except (OSError, SafetensorError, KeyError, ValueError, TypeError) as error:
        remedy = "prepare the data again"
        raise StepError(f"the prepared data cannot be read: {error}", remedy=remedy) from error


def check(prepared: Prepared, model: Path, settings: Settings, device: str) -> None:
    """Refuse reference log-probabilities that belong to something else. Raises StepError that names what changed."""
    now = key((prepared.train.pairs, prepared.test.pairs), model, settings, device)
    for name, value in now.items():
        if prepared.key.get(name) != value:
            said = f"the reference's log-probabilities were made with another {name}"
            raise StepError(said, fault="user", remedy="prepare the data again")


def write_lines(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """JSON lines, in a settled form."""
    path.write_text("".join(json.dumps(row, sort_keys=True) + "\n" for row in rows), "utf-8")


def read_lines(path: Path) -> list[dict[str, Any]]:
    """What `write_lines` wrote."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def _part(held: dict[str, Tensor], name: str) -> Part:
    ids, sizes = held[f"{name}.ids"].tolist(), held[f"{name}.sizes"].flatten().tolist()
    rows, reference = held[f"{name}.rows"].tolist(), held[f"{name}.reference"]
    ends = [0]
    for size in sizes:
        ends.append(ends[-1] + size)
    pieces = [tuple(ids[a:b]) for a, b in pairwise(ends)]
    if ends[-1] != len(ids) or len(pieces) != 3 * len(rows) or reference.shape != (len(rows), 2):
        raise ValueError("its tensors do not belong together")
    pairs = (Tokens(row, *pieces[3 * i : 3 * i + 3]) for i, row in enumerate(rows))
    return Part(tuple(pairs), reference)
