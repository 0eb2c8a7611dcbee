"""The user's files as a source: a language model, a preference set, a classifier of sentiment.

Made for gpt2-imdb with the IMDb preference set and a classifier such as siebert/sentiment-roberta-large-english, and
for whatever else comes in those formats. Inputs of the job: `model` and `classifier`, folders as `save_pretrained`
writes them (safetensors alone), and `pairs`, a preference set as the hub keeps it.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from harness.core.digests import json_digest
from harness.protocol.job import Progress, StepError
from harness.trainer.reviews.loading import load_classifier, load_model, load_tokenizer
from harness.trainer.reviews.preferences import Preference, preferences
from harness.trainer.reviews.reward import by_classifier
from harness.trainer.reviews.settings import INPUTS
from harness.trainer.reviews.store import digest_file
from harness.trainer.reviews.texts import Pairs, Tokens
from harness.trainer.reviews.world import Material
from harness.trainer.tasks import inner_files

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from harness.protocol.job import Say
    from harness.trainer.reviews.model import Model
    from harness.trainer.reviews.settings import Settings

#: Splits that are held out, by the first that a set has.
_HELD = ("test", "validation")


class Files:
    """The user's files as a source of texts, models and rewards. Raises StepError (the user's fault) for unfit ones."""

    def __init__(self, settings: Settings, inputs: Mapping[str, str], device: str) -> None:
        self._settings, self._device = settings, torch.device(device)
        if missing := [name for name in INPUTS if not inputs.get(name)]:
            said = f"the inputs {', '.join(missing)} are not given"
            raise StepError(said, fault="user", remedy=f"name a path for each of: {', '.join(INPUTS)}")
        self._paths = {name: Path(inputs[name]) for name in INPUTS}
        for name, path in self._paths.items():
            if not path.exists():
                raise StepError(f"the input {name} is not there", fault="user", remedy="check its path")
        self._tokenizer = load_tokenizer(self._paths["model"], "model")
        if self._tokenizer.eos_token_id is None:
            said = "the model's tokenizer has no token that ends a text"
            raise StepError(said, fault="user", remedy="set its eos_token, and save it again")
        self.end = int(self._tokenizer.eos_token_id)

    @cached_property
    def digests(self) -> dict[str, str]:
        """Of every file in the model's folder, its weights and its tokenizer among them."""
        folder = self._paths["model"]
        return {"model": json_digest([(str(f.relative_to(folder)), digest_file(f)) for f in inner_files(folder)])}

    def reference(self) -> Model:
        """The model as it was given, dropout off."""
        return load_model(self._paths["model"]).to(self._device)

    def rewards(self, prompts: Tokens, completions: Tokens) -> NDArray[np.float64]:
        """The classifier's probability that prompt and completion together are positive."""
        model, tokenizer, label = self._classifier
        texts = [self._text((*p, *c)) for p, c in zip(prompts, completions, strict=True)]
        return by_classifier(model, tokenizer, label, texts)

    def grammatical(self, prompts: Sequence[Sequence[int]], completions: Sequence[Sequence[int]]) -> None:
        """Nobody can say."""

    def make(self, seed: int, say: Say) -> Material:
        """Read the pairs, turn them into tokens, and load everything once, so that unfit files are told at once."""
        settings = self._settings
        say(Progress(0, 3, "reads the preference set"))
        found = self._read("train")
        if found is None:
            raise StepError("the preference set has no split `train`", fault="user", remedy="name one so")
        draw = np.random.Generator(np.random.PCG64([seed, 31]))
        order = [int(i) for i in draw.permutation(len(found))]
        held = next((rows for split in _HELD if (rows := self._read(split))), None)
        if held is None:  # as many of the one split as are asked in the evaluation
            found, held, order = self._split(found, order)
        elif len(held) < settings.questions:
            raise _too_few(len(held), settings.questions)
        else:
            held = [held[int(i)] for i in draw.permutation(len(held))[: settings.questions]]
        train = self._pairs([found[i] for i in order][: settings.pairs or None])
        material = Material(train, kept := self._pairs(held), kept.prompts)
        say(Progress(1, 3, "loads the models"))
        self._check(material)
        say(Progress(3, 3, "loads the models"))
        return material

    def _read(self, split: str) -> list[Preference] | None:
        return preferences(self._paths["pairs"], split)

    def _split(self, found: list[Preference], order: list[int]) -> tuple[list[Preference], list[Preference], list[int]]:
        count = self._settings.questions
        if len(found) <= count:
            raise _too_few(len(found), count)
        return found, [found[i] for i in order[:count]], order[count:]

    def _pairs(self, found: list[Preference]) -> Pairs:
        """As tokens: the prompt and each completion by itself, so that a prompt has the same tokens before both."""
        out, longest, over = [], 0, 0
        for one in found:
            prompt, chosen, rejected = (self._tokens(text) for text in (one.prompt, one.chosen, one.rejected))
            if not prompt or not chosen or not rejected:
                said = f"row {one.row} of the preference set has a text without tokens"
                raise StepError(said, fault="user", remedy="drop such rows")
            length = len(prompt) + max(len(chosen), len(rejected))
            longest, over = max(longest, length), over + (length > self._settings.limit)
            if length <= self._settings.limit:
                out.append((prompt, chosen, rejected))
        if over and (self._settings.too_long == "refuse" or not out):
            said = (
                f"{over} of {len(found)} pairs are longer than {self._settings.limit} tokens, the longest has {longest}"
            )
            remedy = 'raise the setting `limit`, or leave such pairs out with too_long = "drop"'
            raise StepError(said, fault="user", remedy=remedy)
        return Pairs(*(tuple(part) for part in zip(*out, strict=True)))

    def _tokens(self, text: str) -> tuple[int, ...]:
        return tuple(int(t) for t in self._tokenizer(text, add_special_tokens=False)["input_ids"])

    def _text(self, tokens: Sequence[int]) -> str:
        kept = [t for t in tokens if t != self.end]
        return str(self._tokenizer.decode(kept, skip_special_tokens=True, clean_up_tokenization_spaces=False))

    @cached_property
    def _classifier(self) -> tuple[Any, Any, int]:
        return load_classifier(self._paths["classifier"], self._settings.positive, self._device)

    def _check(self, material: Material) -> None:
        """Refuse what would fail in the middle of a training. Raises StepError."""
        model = self.reference()
        size = int(model.get_input_embeddings().num_embeddings)
        parts = [getattr(p, n) for p in (material.train, material.held) for n in ("prompts", "chosen", "rejected")]
        highest = max(self.end, *(max(t) for part in parts for t in part))
        if highest >= size:
            said = f"the tokenizer knows a token {highest}, and the model {size} of them"
            raise StepError(said, fault="user", remedy="give the tokenizer that belongs to the model")
        room = getattr(model.config.get_text_config(), "max_position_embeddings", None)
        asked = max(len(q) for q in material.questions) + self._settings.answer
        if room is not None and max(asked, self._settings.limit) > room:
            said = f"a text may have {max(asked, self._settings.limit)} tokens, and the model takes in {room}"
            raise StepError(said, fault="user", remedy="lower the settings `limit` or `answer`")
        some = material.held
        self.rewards(some.prompts[:2], some.chosen[:2])


def _too_few(have: int, wanted: int) -> StepError:
    return StepError(
        f"the preference set holds {have} pairs where {wanted} are asked in the evaluation",
        fault="user",
        remedy="lower the setting `questions`, or give more pairs",
    )
