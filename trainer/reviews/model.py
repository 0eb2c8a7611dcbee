"""What a language model is asked here: log-probabilities of completions, divergences, samples."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from harness.protocol.job import StepError
from harness.trainer.reviews.store import read_tensors, write_tensors
from harness.trainer.reviews.texts import rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from harness.trainer.reviews.texts import Rows

#: Any causal language model of transformers.
Model = Any
#: Texts that go through a model at once where nothing has to be kept for a gradient.
CHUNK = 128


def logits(model: Model, batch: Rows, precision: str = "float32") -> torch.Tensor:
    """Logits of every next token, and of what follows the last one, shape (N, L, V), float32."""
    with _in(precision, batch.ids.device):
        out = model(input_ids=batch.ids, attention_mask=batch.mask, use_cache=False).logits
    whole: torch.Tensor = out.float()
    return whole


def log_probs(model: Model, batch: Rows, precision: str = "float32") -> torch.Tensor:
    """Summed log-probability of each completion in nats, shape (N,), float32."""
    each = logits(model, batch, precision)[:, :-1]
    picked = each.gather(2, batch.ids[:, 1:, None])[..., 0] - each.logsumexp(dim=2)
    return torch.where(batch.answer, picked, 0.0).sum(dim=1)


@torch.no_grad()
def all_log_probs(
    model: Model, prompts: Sequence[Sequence[int]], completions: Sequence[Sequence[int]], precision: str = "float32"
) -> torch.Tensor:
    """`log_probs` of many texts, shape (N,), on the CPU."""
    out = [
        log_probs(model, rows(prompts[i : i + CHUNK], completions[i : i + CHUNK]).to(model.device), precision).cpu()
        for i in range(0, len(prompts), CHUNK)
    ]
    return torch.cat(out) if out else torch.zeros(0)


@dataclass(frozen=True)
class Divergences:
    """How far a policy is from its reference, in nats, over the whole vocabulary at every token.

    `policy` is KL(policy || reference) along each completion, `reference` KL(reference || policy), shape (N,): with
    completions that the first of the two sampled, the mean is an estimate of that divergence over whole completions,
    with less variance than log-ratios of the samples have. `everywhere` is the mean of KL(reference || policy) over all
    tokens, those of the prompts among them, and without the `end` token: what follows each of them. That is the
    divergence of arXiv 2406.08414, Figure 5, as its authors' `run_eval_imdb.py` computes it.
    """

    policy: torch.Tensor
    reference: torch.Tensor
    everywhere: float


@torch.no_grad()
def divergences(
    policy: Model, reference: Model, prompts: Sequence[Sequence[int]], completions: Sequence[Sequence[int]], end: int
) -> Divergences:
    """How far the policy is from the reference, both ways, along these completions."""
    along: tuple[list[torch.Tensor], list[torch.Tensor]] = [], []
    nats, tokens = 0.0, 0
    for i in range(0, len(prompts), CHUNK):
        batch = rows(prompts[i : i + CHUNK], completions[i : i + CHUNK]).to(policy.device)
        now, before = (logits(model, batch).log_softmax(dim=2) for model in (policy, reference))
        there = batch.mask.bool() & (batch.ids != end)
        for out, (one, other) in zip(along, ((now, before), (before, now)), strict=True):
            each = (one.exp() * (one - other)).sum(dim=2)
            out.append(torch.where(batch.answer, each[:, :-1], 0.0).sum(dim=1).cpu())
        nats += float(torch.where(there, each, 0.0).double().sum())
        tokens += int(there.sum())
    return Divergences(torch.cat(along[0]), torch.cat(along[1]), nats / max(tokens, 1))


@torch.no_grad()
def sample(
    model: Model, prompts: Sequence[Sequence[int]], *, most: int, end: int, seed: int, temperature: float = 1.0
) -> tuple[tuple[int, ...], ...]:
    """One completion for each prompt: `most` tokens at most, the `end` token is its last one.

    The noise (Gumbel's, added to the logits before the largest is taken) depends on the seed, the place of the prompt
    and the place of the token alone: two models that agree at a token sample the same there. That pairs evaluations.
    """
    out: list[tuple[int, ...]] = []
    for i in range(0, len(prompts), CHUNK):
        noise = torch.Generator(model.device).manual_seed(seed * 1_000_003 + i)
        out += _sample_chunk(model, prompts[i : i + CHUNK], most, end, noise, temperature)
    return tuple(out)


def _sample_chunk(
    model: Model, prompts: Sequence[Sequence[int]], most: int, end: int, noise: torch.Generator, temperature: float
) -> list[tuple[int, ...]]:
    device, longest = model.device, max(len(p) for p in prompts)
    ids = torch.tensor([[0] * (longest - len(p)) + list(p) for p in prompts], device=device)
    mask = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in prompts], device=device)
    place = (mask.cumsum(dim=1) - 1).clamp(min=0)
    running = torch.ones(len(prompts), dtype=torch.bool, device=device)
    cache, drawn, alive = None, [], []
    for _ in range(most):
        out = model(input_ids=ids, attention_mask=mask, position_ids=place, past_key_values=cache, use_cache=True)
        cache = out.past_key_values
        last = out.logits[:, -1].float()
        # All rows draw, also those that have ended: so the noise of one row does not depend on another's end.
        race = torch.empty_like(last).exponential_(generator=noise)
        ids = (last / temperature - race.log()).argmax(dim=1, keepdim=True)
        drawn.append(ids[:, 0])
        alive.append(running)
        running = running & (ids[:, 0] != end)
        if not running.any():
            break
        mask = torch.cat([mask, torch.ones_like(ids)], dim=1)
        place = place[:, -1:] + 1
    tokens, counts = torch.stack(drawn, dim=1).tolist(), torch.stack(alive, dim=1).sum(dim=1).tolist()
    return [tuple(row[:count]) for row, count in zip(tokens, counts, strict=True)]


def save_weights(model: Model, path: Path, **facts: str) -> None:
    """Write the parameters; one that is shared is written once. Raises StepError."""
    write_tensors(dict(model.named_parameters()), path, **facts)


def load_weights(model: Model, path: Path) -> dict[str, str]:
    """Read parameters into a model of the same shape; gives the facts beside them. Raises StepError."""
    tensors, facts = read_tensors(path)
    mine = dict(model.named_parameters())
    if {n: t.shape for n, t in mine.items()} != {n: t.shape for n, t in tensors.items()}:
        raise StepError(f"{path.name} holds the weights of another model")
    with torch.no_grad():
        for name, parameter in mine.items():
            parameter.copy_(tensors[name])
    return facts


@contextlib.contextmanager
def _in(precision: str, device: torch.device) -> Iterator[None]:
    if precision == "bfloat16" and device.type == "cuda":
        with torch.autocast("cuda", torch.bfloat16):
            yield
    else:
        yield
