"""The embedded source: the grammar's reviews, a small GPT-2 that learned them, VADER's opinion. Nothing is fetched."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from harness.core.digests import json_digest
from harness.protocol.job import Progress, StepError
from harness.trainer.reviews import grammar
from harness.trainer.reviews.model import Model, load_weights, sample, save_weights
from harness.trainer.reviews.reward import vader
from harness.trainer.reviews.store import digest_file
from harness.trainer.reviews.texts import Pairs, Tokens, rows
from harness.trainer.reviews.world import Material

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from harness.protocol.job import Say
    from harness.trainer.pieces import Pieces
    from harness.trainer.reviews.settings import Settings

#: The token that ends a review; it has the number 0.
END = "<end>"
WEIGHTS = "model.safetensors"
#: Streams of random numbers, so that none is used for two things.
_CORPUS, _PROMPTS, _QUESTIONS, _ORDER = 21, 22, 23, 24


class Words:
    """Whole words as tokens, numbered in the order of the alphabet after the end token."""

    def __init__(self) -> None:
        self.words = (END, *grammar.words())
        self._number = {word: i for i, word in enumerate(self.words)}

    def encode(self, text: str) -> tuple[int, ...]:
        """The tokens of a text. Raises KeyError for a word that the grammar does not have."""
        return tuple(self._number[word] for word in text.split())

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of tokens; a last end token is not shown."""
        shown = tokens[:-1] if len(tokens) and tokens[-1] == 0 else tokens
        return " ".join(self.words[t] for t in shown)


def small_model(settings: Settings, seed: int) -> Model:
    """A GPT-2 with random weights that the seed decides, of the sizes in the settings, without dropout."""
    from transformers import GPT2Config, GPT2LMHeadModel  # noqa: PLC0415 - takes seconds

    config = GPT2Config(
        vocab_size=len(Words().words),
        n_positions=16 + settings.answer,
        n_embd=settings.width,
        n_layer=settings.layers,
        n_head=settings.heads,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=0,
        eos_token_id=0,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model: Model = GPT2LMHeadModel(config)
    return model.eval()


class Embedded:
    """The embedded source, as far as it was prepared in `folder`."""

    end = 0

    def __init__(self, settings: Settings, folder: Path, device: str) -> None:
        self._settings, self._folder, self._device = settings, folder, torch.device(device)
        self._words = Words()

    @cached_property
    def digests(self) -> dict[str, str]:
        """Of the weights, the sizes of the model and the words."""
        s = self._settings
        return {
            "weights": digest_file(self._folder / WEIGHTS),
            "model": json_digest(["gpt2", s.layers, s.width, s.heads, s.answer]),
            "tokenizer": json_digest(self._words.words),
        }

    def reference(self) -> Model:
        """The supervised model. Raises StepError where its file is missing or damaged."""
        model = small_model(self._settings, 0)
        load_weights(model, self._folder / WEIGHTS)
        return model.to(self._device)

    def rewards(self, prompts: Tokens, completions: Tokens) -> NDArray[np.float64]:
        """VADER's opinion of the remarks; openings have none."""
        del prompts
        return vader([self._words.decode(c) for c in completions])

    def grammatical(self, prompts: Sequence[Sequence[int]], completions: Sequence[Sequence[int]]) -> NDArray[np.bool_]:
        """Whether opening, remarks and the end make a review; one that was cut off does not."""
        return np.array(
            [
                len(c) > 0 and c[-1] == 0 and grammar.is_review(self._words.decode(p), self._words.decode(c))
                for p, c in zip(prompts, completions, strict=True)
            ]
        )

    def make(self, seed: int, say: Say, pieces: Pieces) -> Material:
        """Learn the language, sample pairs and rank them. Leaves the weights in the folder. Raises StepError."""
        settings = self._settings
        model = small_model(settings, seed).to(self._device)
        self._learn(model, seed, say, pieces)
        save_weights(model, self._folder / WEIGHTS)
        model.eval()
        prompts = self._openings(_random(seed, _PROMPTS), settings.prompts)
        questions = self._openings(_random(seed, _QUESTIONS), settings.questions)
        say(Progress(0, 2, "samples pairs"))
        train = self._pairs(pieces, "train", lambda: self._ranked(model, prompts, 2 * seed))
        say(Progress(1, 2, "samples pairs"))
        held = self._pairs(pieces, "held", lambda: self._ranked(model, questions, 2 * seed + 1))
        if not len(train) or not len(held):
            raise StepError("no two samples differ in reward", fault="user", remedy="raise warm_steps or prompts")
        return Material(train, held, questions)

    def _openings(self, draw: np.random.Generator, count: int) -> Tokens:
        return tuple(self._words.encode(grammar.opening(draw)) for _ in range(count))

    @staticmethod
    def _pairs(pieces: Pieces, name: str, make: Callable[[], Pairs]) -> Pairs:
        def made() -> list[Tokens]:
            pairs = make()
            return [pairs.prompts, pairs.chosen, pairs.rejected]

        return Pairs(*pieces.get(f"pairs-{name}", made))

    def _ranked(self, model: Model, prompts: Tokens, seed: int) -> Pairs:
        """Two samples for each prompt, the more positive one chosen; near-ties are left out."""
        most, noise = self._settings.answer, 10_007 * (seed + 1)
        one, other = (sample(model, prompts, most=most, end=self.end, seed=noise + k) for k in (0, 1))
        lead = self.rewards(prompts, one) - self.rewards(prompts, other)
        kept = np.flatnonzero(np.abs(lead) >= max(self._settings.tie, 1e-9))
        won = [(prompts[i], one[i], other[i]) if lead[i] > 0 else (prompts[i], other[i], one[i]) for i in kept]
        return Pairs(*(tuple(parts) for parts in zip(*won, strict=True))) if won else Pairs((), (), ())

    def _learn(self, model: Model, seed: int, say: Say, pieces: Pieces) -> None:
        """Supervised training on the corpus with Adam and a cosine. A piece that is known is gone on from."""
        settings, draw = self._settings, _random(seed, _CORPUS)
        corpus = [tuple(self._words.encode(part) for part in grammar.review(draw)) for _ in range(settings.corpus)]
        optimizer = torch.optim.Adam(model.parameters(), lr=settings.warm_rate)
        order, steps, size = _random(seed, _ORDER), settings.warm_steps, 32
        weights = dict(model.named_parameters())
        begin = 0
        if (learned := pieces.known("language")) is not None:
            begin = learned["steps"]
            optimizer.load_state_dict(learned["optimizer"])
            with torch.no_grad():
                for name, parameter in weights.items():
                    parameter.copy_(learned["weights"][name])
        for step in range(steps):
            index = order.integers(len(corpus), size=size)  # drawn for the steps that are done, too
            if step < begin:
                continue
            for group in optimizer.param_groups:
                group["lr"] = settings.warm_rate * (0.02 + 0.49 * (1.0 + np.cos(np.pi * step / steps)))
            some = [corpus[i] for i in index]
            batch = rows([p for p, _ in some], [(*c, self.end) for _, c in some]).to(self._device)
            out: Any = model(input_ids=batch.ids, attention_mask=batch.mask, use_cache=False).logits[:, :-1]
            wanted = torch.where(batch.mask[:, 1:] > 0, batch.ids[:, 1:], -100)
            loss = cross_entropy(out.flatten(0, 1), wanted.flatten(), ignore_index=-100)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            if (step + 1) % settings.keep == 0 or step + 1 == steps:
                state = {"steps": step + 1, "weights": weights, "optimizer": optimizer.state_dict()}
                pieces.keep("language", state)
            if step % 25 == 0:
                say(Progress(step, steps, "learns the language", {"loss": loss.item()}))


def _random(seed: int, stream: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64([seed, stream]))
