"""What a model is asked: log-probabilities of completions, how far a policy is from its reference, answers to prompts.

Policy, reference and evaluation share one function of log-probabilities. The reference's are computed once and kept
with the data. The divergence is KL over the whole vocabulary, at each token of given completions; answers are drawn
from a settled seed.
"""

from __future__ import annotations

import inspect
import time
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.checkpoint import checkpoint
from transformers import GenerationConfig
from trl.trainer.dpo_trainer import DataCollatorForPreference

from harness.protocol.job import Progress, StepError
from harness.trainer.finetune.model import computing, without_adapters
from harness.trainer.finetune.tokens import Tokens

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from torch import Tensor

    from harness.protocol.job import Say
    from harness.trainer.checkpoint import Pieces
    from harness.trainer.finetune.settings import Settings

    #: A prompt and a completion.
    Text = tuple[tuple[int, ...], tuple[int, ...]]

#: Seconds between two times that what there is is kept.
KEEP = 30.0


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


def answers(
    model: Any, tokenizer: Any, prompts: Sequence[tuple[int, ...]], settings: Settings, *, seed: int, device: str
) -> list[tuple[int, ...]]:
    """One answer to each prompt (tokens in, tokens out, the token of the end included where it came).

    The same seed gives two models the same random numbers, so that what differs between their answers is theirs.
    """
    out: list[tuple[int, ...]] = []
    for start in range(0, len(prompts), settings.evaluation_batch):
        out += generated(
            model,
            tokenizer,
            prompts[start : start + settings.evaluation_batch],
            seed=1_000_003 * seed + start,
            temperature=settings.temperature,
            most=settings.answer,
            device=device,
        )
    return out


def generated(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[tuple[int, ...]],
    *,
    seed: int,
    temperature: float,
    most: int,
    device: str,
) -> list[tuple[int, ...]]:
    """Answers of up to `most` tokens to one batch of prompts; at a temperature of 0 the likeliest token each time."""
    last = ends(model, tokenizer)
    drawn: dict[str, Any] = {"do_sample": True, "temperature": temperature, "top_k": 0, "top_p": 1.0}
    config = GenerationConfig(
        **(drawn if temperature > 0.0 else {"do_sample": False}),
        max_new_tokens=most,
        eos_token_id=sorted(last),
        pad_token_id=tokenizer.pad_token_id,
    )
    devices = [device] if device.startswith("cuda") else []
    longest = max(len(prompt) for prompt in prompts)
    padded = [[tokenizer.pad_token_id] * (longest - len(p)) + list(p) for p in prompts]
    seen = [[0] * (longest - len(p)) + [1] * len(p) for p in prompts]
    with torch.random.fork_rng(devices), torch.no_grad(), computing(device):
        torch.manual_seed(seed)
        made = model.generate(
            input_ids=torch.tensor(padded, device=device),
            attention_mask=torch.tensor(seen, device=device),
            generation_config=config,
        )
    return [_until(row[longest:].tolist(), last) for row in made]


def ends(model: Any, tokenizer: Any) -> set[int]:
    """Tokens that end an answer: the tokenizer's, and those that the model's own settings name beside it."""
    named = model.generation_config.eos_token_id
    more = named if isinstance(named, list) else [named]
    return {tokenizer.eos_token_id, *(token for token in more if token is not None)}


def _until(tokens: list[int], last: set[int]) -> tuple[int, ...]:
    for at, token in enumerate(tokens):
        if token in last:
            return tuple(tokens[: at + 1])
    return tuple(tokens)
