"""From pairs to tokens: the tokenizer, its chat template, and the limits of length."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from transformers import AutoTokenizer

from harness.protocol.job import StepError
from harness.trainer.finetune.pairs import in_common

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from harness.trainer.finetune.pairs import Pair, Piece
    from harness.trainer.finetune.settings import Settings


@dataclass(frozen=True)
class Tokens:
    """The tokens of one pair; what goes through the model is the prompt with one completion, then with the other."""

    row: int
    prompt: tuple[int, ...]
    chosen: tuple[int, ...]
    rejected: tuple[int, ...]

    @property
    def longest(self) -> int:
        """Tokens of the prompt and the longer completion."""
        return len(self.prompt) + max(len(self.chosen), len(self.rejected))


@dataclass(frozen=True)
class Cut:
    """What the limits did to a set: how many pairs were left out, and how many were shortened."""

    dropped: int = 0
    truncated: int = 0


def load_tokenizer(model: Path, *, conversational: bool, what: str = "the preference set holds") -> Any:
    """The tokenizer of a model's folder. Raises StepError where it cannot be used for this kind of data.

    `what` begins the sentence that says where messages come from.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(model), local_files_only=True, trust_remote_code=False)
    except Exception as error:  # whatever its parsers raise means the same to the user
        said = " ".join(str(error).split())[:300]
        remedy = "the model's folder needs tokenizer.json and tokenizer_config.json, as `save_pretrained` writes them"
        raise StepError(f"the tokenizer cannot be loaded: {said}", fault="user", remedy=remedy) from error
    if tokenizer.eos_token_id is None:
        remedy = "name one as eos_token in tokenizer_config.json"
        raise StepError("the tokenizer has no token for the end of a text", fault="user", remedy=remedy)
    if conversational and not tokenizer.chat_template:
        remedy = "add chat_template.jinja to the model's folder, or give texts instead of messages"
        said = f"{what} messages, and the tokenizer has no chat template"
        raise StepError(said, fault="user", remedy=remedy)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def tokenize(found: Sequence[Pair], tokenizer: Any, settings: Settings) -> tuple[list[Tokens], Cut]:
    """All pairs that may be trained on, within the limits. Raises StepError for one that may not."""
    out, dropped, truncated = [], 0, 0
    for pair in found:
        tokens = _tokens(pair, tokenizer)
        if tokens.longest <= settings.max_length:
            out.append(tokens)
        elif settings.too_long == "refuse":
            said = f"row {pair.row} has {tokens.longest} tokens, and max_length is {settings.max_length}"
            remedy = 'raise max_length, or set too_long to "truncate" or "drop"'
            raise StepError(said, fault="user", remedy=remedy)
        elif settings.too_long == "drop":
            dropped += 1
        else:
            out.append(_shorter(tokens, settings))
            truncated += 1
    if not out:
        remedy = "raise max_length"
        raise StepError("every pair is longer than max_length: nothing is left", fault="user", remedy=remedy)
    return out, Cut(dropped, truncated)


def _tokens(pair: Pair, tokenizer: Any) -> Tokens:
    """As trl makes them: a completion starts where the tokens of the prompt alone and of the whole part."""
    try:
        prompt = ids(pair.prompt, tokenizer, asks=pair.conversational)
        whole = [ids(_ended(pair.prompt, side, tokenizer), tokenizer) for side in (pair.chosen, pair.rejected)]
    except StepError:
        raise
    except Exception as error:  # a template is a program of the user's, and may fail in any way
        said = f"row {pair.row} does not fit the chat template: {' '.join(str(error).split())[:300]}"
        raise StepError(said, fault="user", remedy="mend the roles of the row, or the template") from error
    size = min(in_common(prompt, ids) for ids in whole)
    chosen, rejected = (tuple(ids[size:]) for ids in whole)
    for name, side in (("chosen", chosen), ("rejected", rejected)):
        if not side:
            said = f"row {pair.row}: no token is left of the {name} completion"
            raise StepError(said, fault="user", remedy="drop such rows, or mend the chat template")
    if not size:
        said = f"row {pair.row}: no token stands before the completions, and the first one needs one"
        raise StepError(said, fault="user", remedy="give each row a prompt, or a tokenizer with a token for the start")
    return Tokens(pair.row, tuple(prompt[:size]), chosen, rejected)


def _ended(prompt: Piece, side: Piece, tokenizer: Any) -> Piece:
    """Prompt and completion as one; a text ends with the token for that, a template knows its own end."""
    if isinstance(prompt, str) and isinstance(side, str):
        end = tokenizer.eos_token
        return prompt + side if side.endswith(end) else prompt + side + end
    return [*prompt, *side]


def ids(piece: Piece, tokenizer: Any, *, asks: bool = False) -> list[int]:
    """The tokens of a text, or of messages by the chat template, which then asks for the next one."""
    if isinstance(piece, str):
        return list(tokenizer(text=piece)["input_ids"])
    made = tokenizer.apply_chat_template(piece, tokenize=True, return_dict=True, add_generation_prompt=asks)
    return list(made["input_ids"])


def _shorter(tokens: Tokens, settings: Settings) -> Tokens:
    """The end of the prompt, then the beginnings of the completions, as the recipes of the field cut them."""
    prompt = tokens.prompt[-settings.max_prompt :]
    room = settings.max_length - len(prompt)
    return Tokens(tokens.row, prompt, tokens.chosen[:room], tokens.rejected[:room])
