"""How far a policy is from its reference: KL over the whole vocabulary, at each token of given completions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from harness.protocol.job import Progress
from harness.trainer.finetune.logps import collate, completions
from harness.trainer.finetune.model import computing, without_adapters
from harness.trainer.finetune.reference import batches
from harness.trainer.finetune.tokens import Tokens

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from harness.protocol.job import Say
    from harness.trainer.finetune.settings import Settings

    #: A prompt and a completion.
    Text = tuple[tuple[int, ...], tuple[int, ...]]


def per_token(
    policy: Any, reference: Any, texts: Sequence[Text], pad: int, settings: Settings, *, device: str, say: Say
) -> tuple[float, int]:
    """KL(policy || reference) summed over all tokens of the completions, in nats, and the number of tokens.

    `reference` None: the policy without its adapters.
    """
    # A pair's second half is not looked at here; the shortest one costs the least.
    pairs = [Tokens(0, prompt, completion, completion[:1]) for prompt, completion in texts]
    total, tokens, done = 0.0, 0, 0
    for index in batches(pairs, 2 * settings.evaluation_batch):
        batch = {name: t[: len(index)] for name, t in collate([pairs[i] for i in index], pad, device).items()}
        with torch.no_grad(), computing(device):
            mine, _, counts = completions(policy, batch)
            if reference is None:
                with without_adapters(policy):
                    theirs, _, _ = completions(policy, batch)
            else:
                theirs, _, _ = completions(reference, batch)
        total += sum(float(_row(*row)) for row in zip(mine, theirs, counts, strict=True))
        tokens += int(counts.sum())
        done += len(index)
        say(Progress(done, len(pairs), "divergence"))
    return total, tokens


def _row(mine: Tensor, theirs: Tensor, counts: Tensor) -> Tensor:
    """One sequence at a time: two large vocabularies in float32 are enough."""
    p, q = (logits[counts].float().log_softmax(dim=-1) for logits in (mine, theirs))
    nats: Tensor = (p.exp() * (p - q)).sum(dim=-1).double().sum()
    return nats
