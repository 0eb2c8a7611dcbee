"""The reference's log-probabilities of all pairs, computed once and kept under a key of all that they depend on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from harness.core.digests import json_digest
from harness.protocol.job import StepError
from harness.trainer.reviews import texts
from harness.trainer.reviews.model import all_log_probs
from harness.trainer.reviews.store import read_tensors, write_tensors

if TYPE_CHECKING:
    from pathlib import Path

    from harness.trainer.pieces import Pieces
    from harness.trainer.reviews.model import Model
    from harness.trainer.reviews.texts import Pairs, Tokens
    from harness.trainer.reviews.world import World

#: How a completion's log-probability is made of those of its tokens; a new way is a new name.
LENGTHS = "sum over the completion's tokens as they are stored, nothing added, nothing cut"


def key(pairs: Pairs, world: World, precision: str, device: str) -> str:
    """SHA-256 of the tokens of the pairs, the model, its tokenizer, the handling of lengths, precision and versions."""
    import transformers  # noqa: PLC0415 - for its version alone

    return json_digest(
        {
            "pairs": texts.digest(pairs.prompts, pairs.chosen, pairs.rejected),
            "world": world.digests,
            "lengths": LENGTHS,
            "precision": precision,
            "device": torch.device(device).type,
            "torch": torch.__version__,
            "transformers": transformers.__version__,
        }
    )


def keep(path: Path, key: str, model: Model, pairs: Pairs, precision: str, pieces: Pieces) -> None:
    """Compute them, as far as no piece has them, and write them under the key."""

    def of(part: str, completions: Tokens) -> torch.Tensor:
        name = f"{path.stem}-{part}-{key[:16]}"
        values: torch.Tensor = pieces.get(name, lambda: all_log_probs(model, pairs.prompts, completions, precision))
        return values

    chosen, rejected = of("chosen", pairs.chosen), of("rejected", pairs.rejected)
    if not (chosen.isfinite().all() and rejected.isfinite().all()):
        raise StepError(
            "the reference gives a completion no finite log-probability", fault="user", remedy="check the model"
        )
    write_tensors({"chosen": chosen, "rejected": rejected}, path, key=key)


def recall(path: Path, key: str, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Read them, two vectors of shape (N,). Raises StepError where they are kept under another key: they are stale."""
    tensors, facts = read_tensors(path)
    if facts.get("key") != key:
        raise StepError(
            "the reference's log-probabilities belong to other data, another model, or other versions",
            fault="user",
            remedy="prepare the data again",
        )
    if {name: tuple(t.shape) for name, t in tensors.items()} != {"chosen": (count,), "rejected": (count,)}:
        raise StepError(f"{path.name} is damaged", remedy="prepare the data again")
    return tensors["chosen"], tensors["rejected"]
