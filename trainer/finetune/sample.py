"""Answers of a model to prompts, drawn from a settled seed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from transformers import GenerationConfig

from harness.trainer.finetune.model import computing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.trainer.finetune.settings import Settings


def answers(
    model: Any, tokenizer: Any, prompts: Sequence[tuple[int, ...]], settings: Settings, *, seed: int, device: str
) -> list[tuple[int, ...]]:
    """One answer to each prompt (tokens in, tokens out, the token of the end included where it came).

    The same seed gives two models the same random numbers, so that what differs between their answers is theirs.
    """
    out: list[tuple[int, ...]] = []
    ends = _ends(model, tokenizer)
    config = GenerationConfig(
        do_sample=True,
        temperature=settings.temperature,
        top_k=0,
        top_p=1.0,
        max_new_tokens=settings.answer,
        eos_token_id=sorted(ends),
        pad_token_id=tokenizer.pad_token_id,
    )
    devices = [device] if device.startswith("cuda") else []
    for start in range(0, len(prompts), settings.evaluation_batch):
        some = prompts[start : start + settings.evaluation_batch]
        longest = max(len(prompt) for prompt in some)
        padded = [[tokenizer.pad_token_id] * (longest - len(p)) + list(p) for p in some]
        seen = [[0] * (longest - len(p)) + [1] * len(p) for p in some]
        with torch.random.fork_rng(devices), torch.no_grad(), computing(device):
            torch.manual_seed(1_000_003 * seed + start)
            made = model.generate(
                input_ids=torch.tensor(padded, device=device),
                attention_mask=torch.tensor(seen, device=device),
                generation_config=config,
            )
        out += [_until(row[longest:].tolist(), ends) for row in made]
    return out


def _ends(model: Any, tokenizer: Any) -> set[int]:
    """Tokens that end an answer: the tokenizer's, and those that the model's own settings name beside it."""
    named = model.generation_config.eos_token_id
    more = named if isinstance(named, list) else [named]
    return {tokenizer.eos_token_id, *(token for token in more if token is not None)}


def _until(tokens: list[int], ends: set[int]) -> tuple[int, ...]:
    for at, token in enumerate(tokens):
        if token in ends:
            return tuple(tokens[: at + 1])
    return tuple(tokens)
