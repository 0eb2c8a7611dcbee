"""The reference's log-probabilities of all completions, computed once and kept with the data."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import torch

from harness.protocol.job import Progress, StepError
from harness.trainer.finetune.logps import collate, summed
from harness.trainer.finetune.model import computing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

    from harness.protocol.job import Say
    from harness.trainer.finetune.settings import Settings
    from harness.trainer.finetune.tokens import Tokens
    from harness.trainer.pieces import Pieces


#: Seconds between two times that what there is is kept.
KEEP = 30.0


def log_probabilities(
    model: Any,
    pairs: Sequence[Tokens],
    pad: int,
    settings: Settings,
    *,
    device: str,
    say: Say,
    what: str,
    pieces: Pieces | None = None,
) -> Tensor:
    """Summed log-probabilities of chosen and rejected under a model, in nats, (N, 2) float32, on the CPU.

    Pairs go through the model by length, so that little is padded, and come back in their own order. A piece that is
    known is gone on from, and one is kept every half a minute.
    """
    name = what.replace(", ", "-")
    known = (pieces.known(name) if pieces is not None else None) or {"out": torch.empty(len(pairs), 2), "done": 0}
    out, begin, done, kept = known["out"], known["done"], 0, time.monotonic()
    for index in batches(pairs, settings.evaluation_batch):
        if done < begin:
            done += len(index)
            continue
        batch = collate([pairs[i] for i in index], pad, device)
        with torch.no_grad(), computing(device):
            chosen, rejected = summed(model, batch).chunk(2)
        out[index] = torch.stack([chosen, rejected], dim=1).cpu()
        done += len(index)
        if pieces is not None and (time.monotonic() - kept > KEEP or done == len(pairs)):
            pieces.keep(name, {"out": out, "done": done})
            kept = time.monotonic()
        say(Progress(done, len(pairs), what))
    return out


def batches(pairs: Sequence[Tokens], sequences: int) -> Iterator[list[int]]:
    """Indices of pairs, the longest first, so that what does not fit into memory fails at once."""
    order = sorted(range(len(pairs)), key=lambda i: (-pairs[i].longest, i))
    size = max(sequences // 2, 1)
    return (order[start : start + size] for start in range(0, len(order), size))


def check_finite(pairs: Sequence[Tokens], logps: Tensor) -> None:
    """Refuse a reference that gives a pair no probability. Raises StepError."""
    bad = (~torch.isfinite(logps).all(dim=1)).nonzero().flatten().tolist()
    if bad:
        said = f"the model gives row {pairs[bad[0]].row} a log-probability that is not finite"
        raise StepError(said, fault="user", remedy="check the model's weights")
