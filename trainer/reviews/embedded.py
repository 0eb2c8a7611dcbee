"""The embedded source: reviews of a grammar, a small GPT-2 that learned them, VADER's opinion. Nothing is fetched.

The grammar is a regular one with a latent sentiment. A review is an opening that says nothing about quality, one or two
remarks, and a closing. Nine templates, three of openings, four of remarks and two of closings, have slots for words. A
good review fills the slots for judgements with praise four times in five, a bad one with blame. The language is
regular, so that a text is in it or is not: there is no score to argue about. The judgements are words that VADER knows;
the others carry no sentiment there.
"""

from __future__ import annotations

import re
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from harness.core.digests import json_digest
from harness.protocol.job import Progress, StepError
from harness.trainer.reviews.model import Model, load_weights, sample, save_weights
from harness.trainer.reviews.store import digest_file
from harness.trainer.reviews.texts import Material, Pairs, Tokens, rows

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from harness.protocol.job import Say
    from harness.trainer.checkpoint import Pieces
    from harness.trainer.reviews.settings import Settings

#: Words by slot. Those in capitals are judged: praise first, blame second.
PLAIN: dict[str, tuple[str, ...]] = {
    "genre": ("western", "documentary", "musical", "cartoon", "drama", "sequel", "picture", "film"),
    "when": ("yesterday", "today", "tonight", "recently", "again", "twice"),
    "place": ("home", "school", "work", "sea"),
    "who": ("sister", "uncle", "teacher", "neighbour", "colleague"),
    "maker": ("director", "studio", "author", "team"),
    "part": ("plot", "ending", "music", "script", "cast", "acting", "camera", "dialogue", "pace", "set"),
    "role": ("hero", "sailor", "detective", "robot", "nurse", "narrator"),
    "degree": ("very", "rather", "quite", "simply", "mostly"),
    "crowd": ("us", "everyone", "them", "me"),
    "unit": ("scene", "minute", "chapter", "song"),
}
JUDGED: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "QUALITY": (
        ("good", "great", "brilliant", "lovely", "charming", "fun", "wonderful", "clever", "beautiful", "nice"),
        ("bad", "awful", "terrible", "boring", "weak", "poor", "ugly", "stupid", "horrible", "dull"),
    ),
    "FELT": (
        ("happy", "pleased", "amused", "delighted", "thrilled", "relaxed"),
        ("sad", "angry", "annoyed", "tired", "disappointed", "bored"),
    ),
    "DID": (("loved", "enjoyed", "liked", "admired"), ("hated", "disliked", "regretted", "dreaded")),
    "THING": (("joy", "pleasure", "treat", "success"), ("mess", "failure", "waste", "disaster")),
}
#: The templates: words as they stand, slots in angle brackets.
OPENINGS = (
    "we saw this <genre> <when> at <place> .",
    "my <who> picked a <genre> by the same <maker> .",
    "<when> i watched another <genre> with my <who> .",
)
REMARKS = (
    "the <part> was <degree> <QUALITY> .",
    "i found its <part> <QUALITY> and <QUALITY> .",
    "i <DID> the <part> .",
    "each <unit> with the <role> made <crowd> <FELT> .",
)
CLOSINGS = (
    "what a <QUALITY> <THING> !",
    "in short it is a <degree> <QUALITY> <genre> .",
)
#: Share of judgements that agree with the sentiment of their review.
AGREES = 0.8

_SLOT = re.compile(r"<(\w+)>")
#: The token that ends a review; it has the number 0.
END = "<end>"
WEIGHTS = "model.safetensors"
#: Streams of random numbers, so that none is used for two things.
_CORPUS, _PROMPTS, _QUESTIONS, _ORDER = 21, 22, 23, 24


def words() -> tuple[str, ...]:
    """All words of the language, sorted."""
    fixed = {w for t in (*OPENINGS, *REMARKS, *CLOSINGS) for w in t.split() if not _SLOT.fullmatch(w)}
    slots = {w for some in PLAIN.values() for w in some} | {w for two in JUDGED.values() for one in two for w in one}
    return tuple(sorted(fixed | slots))


def opening(draw: np.random.Generator) -> str:
    """Draw an opening: the prompt."""
    return _fill(OPENINGS[draw.integers(len(OPENINGS))], draw, praise=0.5)


def review(draw: np.random.Generator, remarks: int = 2) -> tuple[str, str]:
    """Draw a whole review as (opening, what follows it), of 1 to `remarks` remarks; half of all are good ones."""
    first = opening(draw)
    praise = AGREES if draw.random() < 0.5 else 1.0 - AGREES
    some = [_fill(REMARKS[draw.integers(len(REMARKS))], draw, praise) for _ in range(draw.integers(1, remarks + 1))]
    return first, " ".join([*some, _fill(CLOSINGS[draw.integers(len(CLOSINGS))], draw, praise)])


def is_opening(text: str) -> bool:
    """Whether this is an opening of the language, exactly."""
    return _OPENING.fullmatch(text) is not None


def is_review(opening: str, rest: str, remarks: int = 2) -> bool:
    """Whether these make a review of the language, of 1 to `remarks` remarks, exactly."""
    return is_opening(opening) and _rest(remarks).fullmatch(rest) is not None


def _fill(template: str, draw: np.random.Generator, praise: float) -> str:
    def word(match: re.Match[str]) -> str:
        slot = match.group(1)
        some = PLAIN[slot] if slot in PLAIN else JUDGED[slot][0 if draw.random() < praise else 1]
        return some[draw.integers(len(some))]

    return _SLOT.sub(word, template)


def _pattern(template: str) -> str:
    parts = []
    for word in template.split():
        slot = _SLOT.fullmatch(word)
        if slot is None:
            parts.append(re.escape(word))
            continue
        name = slot.group(1)
        some = PLAIN[name] if name in PLAIN else JUDGED[name][0] + JUDGED[name][1]
        parts.append("(?:" + "|".join(some) + ")")
    return " ".join(parts)


def _any(templates: tuple[str, ...]) -> str:
    return "(?:" + "|".join(_pattern(t) for t in templates) + ")"


_OPENING = re.compile(_any(OPENINGS))


@cache
def _rest(remarks: int) -> re.Pattern[str]:
    return re.compile(f"(?:{_any(REMARKS)} ){{1,{remarks}}}{_any(CLOSINGS)}")


class Words:
    """Whole words as tokens, numbered in the order of the alphabet after the end token."""

    def __init__(self) -> None:
        self.words = (END, *words())
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
        most = self._settings.remarks
        return np.array(
            [
                len(c) > 0 and c[-1] == 0 and is_review(self._words.decode(p), self._words.decode(c), most)
                for p, c in zip(prompts, completions, strict=True)
            ]
        )

    def make(self, seed: int, say: Say, pieces: Pieces) -> Material:
        """Learn the language, sample pairs and rank them. Leaves the weights in the folder. Raises StepError."""
        settings = self._settings
        model = self.learned(seed, say, pieces)
        prompts, questions = self.openings(seed, settings.prompts, _PROMPTS), self.questions(seed)
        say(Progress(0, 2, "samples pairs"))
        train = Pairs(*pieces.get("pairs-train", lambda: self._ranked(model, prompts, 2 * seed)))
        say(Progress(1, 2, "samples pairs"))
        held = Pairs(*pieces.get("pairs-held", lambda: self._ranked(model, questions, 2 * seed + 1)))
        if not len(train) or not len(held):
            raise StepError("no two samples differ in reward", fault="user", remedy="raise warm_steps or prompts")
        return Material(train, held, questions)

    def learned(self, seed: int, say: Say, pieces: Pieces) -> Model:
        """A model that learned the language, in evaluation mode. Leaves its weights in the folder."""
        model = small_model(self._settings, seed).to(self._device)
        self._learn(model, seed, say, pieces)
        save_weights(model, self._folder / WEIGHTS)
        return model.eval()

    def questions(self, seed: int) -> Tokens:
        """The openings that are asked in the evaluation."""
        return self.openings(seed, self._settings.questions, _QUESTIONS)

    def openings(self, seed: int, count: int, stream: int) -> Tokens:
        """So many openings; no two streams of a seed have the same random numbers."""
        draw = _random(seed, stream)
        return tuple(self._words.encode(opening(draw)) for _ in range(count))

    def _ranked(self, model: Model, prompts: Tokens, seed: int) -> list[Tokens]:
        """Two samples for each prompt, the more positive one chosen; near-ties are left out. The parts of `Pairs`."""
        most, noise = self._settings.answer, 10_007 * (seed + 1)
        one, other = (sample(model, prompts, most=most, end=self.end, seed=noise + k) for k in (0, 1))
        lead = self.rewards(prompts, one) - self.rewards(prompts, other)
        kept = np.flatnonzero(np.abs(lead) >= max(self._settings.tie, 1e-9))
        won = [(prompts[i], one[i], other[i]) if lead[i] > 0 else (prompts[i], other[i], one[i]) for i in kept]
        return list(zip(*won, strict=True)) if won else [(), (), ()]

    def _learn(self, model: Model, seed: int, say: Say, pieces: Pieces) -> None:
        """Supervised training on the corpus with Adam and a cosine. A piece that is known is gone on from."""
        settings, draw = self._settings, _random(seed, _CORPUS)
        corpus = [
            tuple(self._words.encode(part) for part in review(draw, settings.remarks)) for _ in range(settings.corpus)
        ]
        longest = max(len(first) + len(rest) + 1 for first, rest in corpus)
        if longest > model.config.n_positions:
            what = f"reviews of up to {settings.remarks} remarks have {longest} words, and the model has room for "
            remedy = f"raise `answer` by {longest - model.config.n_positions}, or lower `remarks`"
            raise StepError(f"{what}{model.config.n_positions}", fault="user", remedy=remedy)
        optimizer = torch.optim.Adam(model.parameters(), lr=settings.warm_rate, fused=True)
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


@cache
def _vader() -> Any:
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer  # noqa: PLC0415 - reads its lexicon

    return SentimentIntensityAnalyzer()


def vader(texts: Sequence[str]) -> NDArray[np.float64]:
    """(compound + 1) / 2 of each text, shape (N,). Source: Hutto and Gilbert 2014, the package vaderSentiment."""
    analyse = _vader().polarity_scores
    return np.array([(analyse(text)["compound"] + 1.0) / 2.0 for text in texts], dtype=np.float64)
