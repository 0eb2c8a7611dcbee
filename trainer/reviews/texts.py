"""Texts as tokens: prompts with completions, and preference pairs of them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import torch

from harness.protocol.job import StepError

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Several texts as token numbers.
Tokens = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Pairs:
    """N preference pairs: the tokens of each prompt and of both completions."""

    prompts: Tokens
    chosen: Tokens
    rejected: Tokens

    def __len__(self) -> int:
        """Number of pairs."""
        return len(self.prompts)

    def take(self, index: Sequence[int]) -> Pairs:
        """The pairs at `index`, in that order."""
        return Pairs(*(tuple(part[i] for i in index) for part in (self.prompts, self.chosen, self.rejected)))


@dataclass(frozen=True)
class Material:
    """What training and evaluation are made of: pairs to train on, pairs held out, prompts to ask."""

    train: Pairs
    held: Pairs
    questions: Tokens


@dataclass(frozen=True)
class Rows:
    """A batch of texts for a model, filled up at the right.

    `ids` and `mask` have shape (N, L); `answer`, shape (N, L - 1), marks the predictions of completion tokens.
    """

    ids: torch.Tensor
    mask: torch.Tensor
    answer: torch.Tensor

    def to(self, device: torch.device) -> Rows:
        """The same on a device."""
        return Rows(self.ids.to(device), self.mask.to(device), self.answer.to(device))


def rows(prompts: Sequence[Sequence[int]], completions: Sequence[Sequence[int]]) -> Rows:
    """Prompt and completion of each text in one row; places beyond its end hold token 0 and are masked."""
    lengths = [len(p) + len(c) for p, c in zip(prompts, completions, strict=True)]
    ids = torch.zeros((len(lengths), max(lengths)), dtype=torch.int64)
    for row, (prompt, completion) in enumerate(zip(prompts, completions, strict=True)):
        ids[row, : lengths[row]] = torch.tensor([*prompt, *completion], dtype=torch.int64)
    place = torch.arange(ids.shape[1])
    whole, begins = torch.tensor(lengths)[:, None], torch.tensor([len(p) for p in prompts])[:, None]
    mask = place < whole
    return Rows(ids, mask.to(torch.int64), (mask & (place >= begins))[:, 1:])


def pack(name: str, tokens: Tokens) -> dict[str, torch.Tensor]:
    """Token sequences of any length as two flat tensors."""
    ends = torch.tensor([0, *(len(t) for t in tokens)], dtype=torch.int64).cumsum(0)
    flat = torch.tensor([token for t in tokens for token in t], dtype=torch.int32)
    return {f"{name}.tokens": flat, f"{name}.ends": ends}


def unpack(name: str, tensors: dict[str, torch.Tensor]) -> Tokens:
    """The sequences that `pack` made flat. Raises StepError where they are not there."""
    try:
        flat, ends = tensors[f"{name}.tokens"].tolist(), tensors[f"{name}.ends"].tolist()
    except KeyError as error:
        raise StepError(f"the prepared data have no {name}", remedy="prepare the data again") from error
    return tuple(tuple(flat[a:b]) for a, b in pairwise(ends))


def digest(*parts: Tokens) -> str:
    """SHA-256 of token sequences: of every token, and of where each sequence begins."""
    found = hashlib.sha256()
    for part in parts:
        found.update(f"{len(part)};".encode())
        for tokens in part:
            found.update(f"{len(tokens)}:{','.join(map(str, tokens))};".encode())
    return found.hexdigest()
