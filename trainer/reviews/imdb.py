"""The user's files as a source: a language model, a preference set, a classifier of sentiment, and how they are read.

Made for gpt2-imdb with the IMDb preference set and a classifier such as siebert/sentiment-roberta-large-english, and
for whatever else comes in those formats. Inputs of the job: `model` and `classifier`, folders as `save_pretrained`
writes them (safetensors alone, and no code of the folder is run), and `pairs`, a preference set as the hub keeps it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from harness.core.digests import json_digest
from harness.protocol.job import Progress, StepError
from harness.trainer.hub import rows
from harness.trainer.reviews.settings import INPUTS
from harness.trainer.reviews.store import digest_file
from harness.trainer.reviews.texts import Material, Pairs, Tokens

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from harness.protocol.job import Say
    from harness.trainer.checkpoint import Pieces
    from harness.trainer.reviews.model import Model
    from harness.trainer.reviews.settings import Settings

#: Splits that are held out, by the first that a set has.
_HELD = ("test", "validation")
_ROW_REMEDY = (
    "each row needs `prompt` with `chosen` and `rejected` as texts, or `prompt` with two `responses` and `chosen`, "
    "the place of the better one (0 or 1)"
)
_LOCAL = {"local_files_only": True, "trust_remote_code": False}
_REMEDY = "give a folder as `save_pretrained` writes it: config.json, *.safetensors and the tokenizer's files"
#: Names of shares that are switched off: the reference answers the same twice, and so does a policy.
_DROPOUT = ("resid_pdrop", "embd_pdrop", "attn_pdrop", "attention_dropout", "hidden_dropout", "dropout")


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
        files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
        return {"model": json_digest([(str(file.relative_to(folder)), digest_file(file)) for file in files])}

    def reference(self) -> Model:
        """The model as it was given, in float32, dropout off."""
        from transformers import AutoModelForCausalLM  # noqa: PLC0415 - takes seconds

        model: Model = _load(AutoModelForCausalLM, self._paths["model"], "model")
        return model.to(self._device)

    def rewards(self, prompts: Tokens, completions: Tokens) -> NDArray[np.float64]:
        """The classifier's probability that prompt and completion together are positive."""
        texts = [self._text((*p, *c)) for p, c in zip(prompts, completions, strict=True)]
        return by_classifier(*self._classifier, texts)

    def grammatical(self, prompts: Sequence[Sequence[int]], completions: Sequence[Sequence[int]]) -> None:
        """Nobody can say."""

    def make(self, seed: int, say: Say, pieces: Pieces) -> Material:
        """Read the pairs, turn them into tokens, and load everything once, so that unfit files are told at once."""
        del pieces  # nothing of it takes long
        settings, path = self._settings, self._paths["pairs"]
        say(Progress(0, 3, "reads the preference set"))
        found = preferences(path, "train")
        if found is None:
            raise StepError("the preference set has no split `train`", fault="user", remedy="name one so")
        draw = np.random.Generator(np.random.PCG64([seed, 31]))
        order = [int(i) for i in draw.permutation(len(found))]
        held = next((rows for split in _HELD if (rows := preferences(path, split))), None)
        if held is None:  # as many of the one split as are asked in the evaluation
            if len(found) <= settings.questions:
                raise _too_few(len(found), settings.questions)
            held, order = [found[i] for i in order[: settings.questions]], order[settings.questions :]
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
        """The classifier of texts, its tokenizer, and the number of the label for good reviews."""
        from transformers import AutoModelForSequenceClassification  # noqa: PLC0415 - takes seconds

        folder, label = self._paths["classifier"], self._settings.positive
        model = _load(AutoModelForSequenceClassification, folder, "classifier")
        known = {str(name).casefold(): int(number) for name, number in model.config.label2id.items()}
        if label.casefold() not in known:
            said = f"the classifier has no label {label!r}, but {', '.join(sorted(map(str, model.config.label2id)))}"
            raise StepError(said, fault="user", remedy="name the label of good reviews in the setting `positive`")
        tokenizer = load_tokenizer(folder, "classifier")
        if tokenizer.pad_token_id is None:
            said = "the classifier's tokenizer has no token to fill up with"
            raise StepError(said, fault="user", remedy="set its pad_token, and save it again")
        return model.to(self._device), tokenizer, known[label.casefold()]

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


@dataclass(frozen=True)
class Preference:
    """One row, counted from 1; the texts as they stand."""

    row: int
    prompt: str
    chosen: str
    rejected: str


def preferences(path: Path, split: str) -> list[Preference] | None:
    """The rows of a split; None where the set has no such split. Raises StepError (the user's fault) for a bad row."""
    found = rows(path, split)
    if found is None:
        return None
    if not found:
        raise StepError(f"the split {split} of the preference set is empty", fault="user", remedy=_ROW_REMEDY)
    return [_preference(number, row) for number, row in enumerate(found, start=1)]


def _preference(number: int, row: dict[str, Any]) -> Preference:
    if "responses" in row:
        chosen, rejected = _of_two(number, row)
    else:
        chosen, rejected = row.get("chosen"), row.get("rejected")
    texts = {"prompt": row.get("prompt"), "chosen": chosen, "rejected": rejected}
    for name, text in texts.items():
        if not isinstance(text, str):
            what = "no" if text is None else f"a {type(text).__name__} as"
            raise StepError(f"row {number} of the preference set has {what} {name}", fault="user", remedy=_ROW_REMEDY)
        if not text.strip():
            said = f"row {number} of the preference set has an empty {name}"
            raise StepError(said, fault="user", remedy="drop such rows")
    return Preference(number, str(texts["prompt"]), str(texts["chosen"]), str(texts["rejected"]))


def _of_two(number: int, row: dict[str, Any]) -> tuple[Any, Any]:
    """Better and worse of a row that lists both and names the better one by its place."""
    both, place = row["responses"], row.get("chosen")
    if not isinstance(both, list) or len(both) != 2:
        raise StepError(f"row {number} of the preference set has no two responses", fault="user", remedy=_ROW_REMEDY)
    if not isinstance(place, int) or place not in {0, 1}:
        said = f"row {number} of the preference set names {place!r} as the better response"
        raise StepError(said, fault="user", remedy=_ROW_REMEDY)
    return both[place], both[1 - place]


def load_tokenizer(folder: Path, what: str) -> Any:
    """The tokenizer of a folder. Raises StepError (the user's fault)."""
    from transformers import AutoTokenizer  # noqa: PLC0415 - takes seconds

    try:
        found = AutoTokenizer.from_pretrained(str(folder), **_LOCAL)
    except Exception as error:  # the libraries raise whatever their parsers raise; all of it means the same
        raise _unfit(f"the tokenizer of the {what}", error) from error
    if len(found) <= len(set(found.all_special_tokens)):
        # Where its files are missing, the library makes one up that knows no words.
        raise StepError(f"the tokenizer of the {what} knows no words", fault="user", remedy=_REMEDY)
    return found


def _load(kind: Any, folder: Path, what: str) -> Any:
    if not any(folder.glob("*.safetensors")):
        pickled = any(folder.glob("*.bin")) or any(folder.glob("*.pt"))
        said = f"the {what} keeps its weights as pickles" if pickled else f"the folder of the {what} holds no weights"
        raise StepError(said, fault="user", remedy="save it anew as safetensors" if pickled else _REMEDY)
    try:
        model, info = kind.from_pretrained(
            str(folder), dtype=torch.float32, use_safetensors=True, output_loading_info=True, **_LOCAL
        )
    except Exception as error:  # as above
        raise _unfit(f"the {what}", error) from error
    absent = sorted(map(str, info["missing_keys"]))
    if absent or info["mismatched_keys"]:
        # They would be drawn at random, and everything would seem to work.
        said = f"the files of the {what} lack weights or hold others: {absent[0] if absent else 'of other shapes'}"
        raise StepError(said, fault="user", remedy=_REMEDY)
    for module in model.modules():
        if type(module).__name__ == "Dropout":
            module.p = 0.0
    for name in _DROPOUT:
        if hasattr(model.config, name):
            setattr(model.config, name, 0.0)
    return model.eval()


def _unfit(what: str, error: Exception) -> StepError:
    told = " ".join(str(error).split())[:300]
    return StepError(f"{what} cannot be loaded: {type(error).__name__}: {told}", fault="user", remedy=_REMEDY)


@torch.no_grad()
def by_classifier(
    model: Any, tokenizer: Any, label: int, texts: Sequence[str], *, chunk: int = 32
) -> NDArray[np.float64]:
    """Probability of `label` for each text, shape (N,). A text longer than the classifier reads is cut at its end."""
    out = []
    reach = min(int(tokenizer.model_max_length), int(getattr(model.config, "max_position_embeddings", 1 << 20)))
    for i in range(0, len(texts), chunk):
        batch = tokenizer(
            list(texts[i : i + chunk]), return_tensors="pt", padding=True, truncation=True, max_length=reach
        )
        logits = model(**batch.to(model.device)).logits.float()
        out.append(logits.softmax(dim=1)[:, label].double().cpu().numpy())
    found = np.concatenate(out)
    if not np.isfinite(found).all():
        raise StepError(
            "the classifier gives scores that are no numbers", fault="user", remedy="check the model in `classifier`"
        )
    return found
