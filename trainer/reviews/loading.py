"""Models and tokenizers from the user's folders: weights from safetensors alone, no code of the folder is run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.protocol.job import StepError

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from harness.trainer.reviews.model import Model

_LOCAL = {"local_files_only": True, "trust_remote_code": False}
_REMEDY = "give a folder as `save_pretrained` writes it: config.json, *.safetensors and the tokenizer's files"
#: Names of shares that are switched off: the reference answers the same twice, and so does a policy.
_DROPOUT = ("resid_pdrop", "embd_pdrop", "attn_pdrop", "attention_dropout", "hidden_dropout", "dropout")


def load_model(folder: Path) -> Model:
    """A causal language model in float32, in evaluation mode, without dropout. Raises StepError (the user's fault)."""
    from transformers import AutoModelForCausalLM  # noqa: PLC0415 - takes seconds

    return _load(AutoModelForCausalLM, folder, "model")


def load_classifier(folder: Path, label: str, device: torch.device) -> tuple[Any, Any, int]:
    """A classifier of texts, its tokenizer, and the number of the label of that name. Raises StepError."""
    from transformers import AutoModelForSequenceClassification  # noqa: PLC0415 - takes seconds

    model = _load(AutoModelForSequenceClassification, folder, "classifier")
    known = {str(name).casefold(): int(number) for name, number in model.config.label2id.items()}
    if label.casefold() not in known:
        said = f"the classifier has no label {label!r}, but {', '.join(sorted(map(str, model.config.label2id)))}"
        raise StepError(said, fault="user", remedy="name the label of good reviews in the setting `positive`")
    tokenizer = load_tokenizer(folder, "classifier")
    if tokenizer.pad_token_id is None:
        said = "the classifier's tokenizer has no token to fill up with"
        raise StepError(said, fault="user", remedy="set its pad_token, and save it again")
    return model.to(device), tokenizer, known[label.casefold()]


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
    import torch  # noqa: PLC0415 - after what needs no torch

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
