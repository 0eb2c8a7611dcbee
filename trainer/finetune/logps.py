"""Log-probabilities of completions: the one function that policy, reference and evaluation share."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.checkpoint import checkpoint
from trl.trainer.dpo_trainer import DataCollatorForPreference

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from harness.trainer.finetune.tokens import Tokens


def collate(pairs: Sequence[Tokens], pad: int, device: str) -> dict[str, Tensor]:
    """A batch as the trainer makes it: chosen sequences first, then rejected ones, padded on the right."""
    rows = [
        {"prompt_ids": list(p.prompt), "chosen_ids": list(p.chosen), "rejected_ids": list(p.rejected)} for p in pairs
    ]
    made = DataCollatorForPreference(pad_token_id=pad)(rows)
    return {name: tensor.to(device) for name, tensor in made.items()}


def completions(model: Any, batch: Mapping[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """Logits (R, T, V) from the first completion of R sequences on, their next tokens (R, T), and which count (R, T).

    Positions before any completion are not projected to the vocabulary, where the model can leave them out.
    """
    ids, mask = batch["input_ids"], batch["completion_mask"]
    size = ids.shape[1]
    first = int(mask.argmax(dim=1).min())
    start = max(first - 1, 0)
    options: dict[str, Any] = {"use_cache": False}
    if _keeps(model):
        options["logits_to_keep"] = size - start
    logits = model(input_ids=ids, attention_mask=batch["attention_mask"], **options).logits
    logits = logits[:, -(size - start) :][:, :-1]
    return logits, ids[:, start + 1 :], mask[:, start + 1 :].bool()


def summed(model: Any, batch: Mapping[str, Tensor]) -> Tensor:
    """Summed log-probability of each completion in nats, float32, shape (R,)."""
    logits, tokens, counts = completions(model, batch)
    rows = []
    for row in zip(logits, tokens, counts, strict=True):
        if logits.is_cuda and logits.requires_grad:
            # The float32 copy of a row's logits is made anew for its gradient: a large vocabulary would not fit.
            rows.append(checkpoint(_summed_row, *row, use_reentrant=False))
        else:
            rows.append(_summed_row(*row))
    return torch.stack(rows)


def _summed_row(logits: Tensor, tokens: Tensor, counts: Tensor) -> Tensor:
    exact = logits[counts].float()
    picked = exact.gather(-1, tokens[counts].unsqueeze(-1)).squeeze(-1)
    total: Tensor = (picked - exact.logsumexp(dim=-1)).sum()
    return total


def _keeps(model: Any) -> bool:
    """Whether the model can leave out logits of early positions."""
    inner = getattr(model, "module", model)
    inner = inner.get_base_model() if hasattr(inner, "get_base_model") else inner
    return "logits_to_keep" in inspect.signature(inner.forward).parameters
