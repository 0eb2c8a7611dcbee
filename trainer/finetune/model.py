"""Loads a causal language model from a folder, as `save_pretrained` leaves it, and fits adapters to it.

Weights are read from safetensors only, and no code that lies in the folder is run.
"""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM

from harness.protocol.job import StepError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.protocol.job import Job
    from harness.trainer.finetune.settings import Settings
    from harness.trainer.finetune.tokens import Tokens

_REMEDY = "give a folder with config.json, *.safetensors and the tokenizer, as `save_pretrained` writes it"


def folder(job: Job, name: str) -> Path:
    """The user's input of that name. Raises StepError where it was not given or is not there."""
    given = job.inputs.get(name, "")
    if not given:
        raise StepError(f"this fine-tune needs the input {name!r}", fault="user", remedy=f"name a path for {name!r}")
    path = Path(given)
    if not path.exists():
        raise StepError(f"the input {name!r} is not there", fault="user", remedy="check its path")
    return path


def weight_files(model: Path) -> list[Path]:
    """The files of the model's weights. Raises StepError where there are none that may be read."""
    found = sorted(model.glob("*.safetensors"))
    if not found:
        pickled = any(model.glob("*.bin")) or any(model.glob("*.pt"))
        remedy = "save it anew with safe_serialization" if pickled else _REMEDY
        said = "keeps its weights as pickles" if pickled else "holds no weights"
        raise StepError(f"the model's folder {said}", fault="user", remedy=remedy)
    return found


def load(model: Path, settings: Settings, device: str) -> Any:
    """The model, in evaluation mode. Raises StepError where it cannot be loaded whole."""
    weight_files(model)
    kept = {"local_files_only": True, "trust_remote_code": False}
    try:
        config = AutoConfig.from_pretrained(str(model), **kept)
        held, info = AutoModelForCausalLM.from_pretrained(
            str(model),
            config=config,
            dtype=getattr(torch, settings.weights),
            attn_implementation=settings.attention,
            use_safetensors=True,
            output_loading_info=True,
            **kept,
        )
    except Exception as error:  # the libraries raise whatever their parsers raise; all of it means the same
        said = " ".join(str(error).split())[:300]
        raise StepError(
            f"the model cannot be loaded: {type(error).__name__}: {said}", fault="user", remedy=_REMEDY
        ) from error
    absent = sorted(info["missing_keys"])
    if absent or info["mismatched_keys"]:
        # Such weights would be drawn at random, and the training would seem to work.
        what = absent[0] if absent else str(min(info["mismatched_keys"]))
        raise StepError(f"the model's files lack weights or hold others: {what}", fault="user", remedy=_REMEDY)
    return held.eval().to(device)


def adapt(model: Any, settings: Settings) -> Any:
    """The model with new adapters (LoRA) in place of its own weights, where the settings ask for them."""
    if not settings.lora_rank:
        return model
    from peft import LoraConfig, get_peft_model  # noqa: PLC0415 - slow to import, and needed by few

    names = [name.strip() for name in settings.lora_targets.split(",") if name.strip()]
    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=settings.lora_rank,
        lora_alpha=settings.lora_alpha,
        lora_dropout=0.0,
        target_modules=names[0] if names == ["all-linear"] else names,
    )
    try:
        return get_peft_model(model, config)
    except ValueError as error:
        said = " ".join(str(error).split())[:300]
        remedy = 'name modules of this model in lora_targets, or "all-linear"'
        raise StepError(f"the adapters do not fit the model: {said}", fault="user", remedy=remedy) from error


def check_fit(model: Any, tokenizer: Any, pairs: Sequence[Tokens], settings: Settings) -> None:
    """Refuse data that the model cannot take in. Raises StepError."""
    size = model.get_input_embeddings().num_embeddings
    highest = max(max(*pair.prompt, *pair.chosen, *pair.rejected, tokenizer.pad_token_id) for pair in pairs)
    if highest >= size:
        said = f"the tokenizer knows a token {highest}, and the model {size} of them"
        raise StepError(said, fault="user", remedy="give the tokenizer that belongs to the model")
    room = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    longest = max(pair.longest for pair in pairs)
    answered = settings.answer + max(len(pair.prompt) for pair in pairs) if settings.samples else 0
    if room is not None and max(longest, answered) > room:
        what = "an answer" if answered > longest else "a pair"
        said = f"{what} needs {max(longest, answered)} tokens, and the model takes in {room}"
        raise StepError(said, fault="user", remedy="lower max_length, max_prompt or answer")


def check_disk(out: Path, model: Path, settings: Settings) -> None:
    """Refuse to begin what the disk cannot hold. Raises StepError.

    That is the weights, and two checkpoints with Adam's two means, of which one is being written.
    """
    size = sum(file.stat().st_size for file in weight_files(model))
    if settings.lora_rank:
        size //= 10  # adapters are a few per cent of a model
    need = size * (1 + (6 if settings.checkpoint else 0)) + (64 << 20)
    free = shutil.disk_usage(out).free
    if free < need:
        said = f"the disk has {free >> 20} MiB left, and this fine-tune needs up to {need >> 20} MiB"
        raise StepError(said, fault="user", remedy="free some space, set checkpoint to 0, or use lora_rank")


def check_memory(model: Any, settings: Settings, device: str, ranks: int) -> None:
    """Refuse weights that a GPU cannot hold together with their gradients and Adam's two means. Raises StepError."""
    if not device.startswith("cuda"):
        return
    count = sum(p.numel() for p in model.parameters())
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    need = count * (4 if settings.weights == "float32" else 2) + trained * 12
    held = torch.cuda.get_device_properties(device).total_memory * ranks
    if need > held:
        said = f"weights, gradients and optimizer need {need >> 30} GiB, and the GPUs have {held >> 30} GiB"
        raise StepError(said, fault="user", remedy="set lora_rank and bfloat16 weights, or use more GPUs")


def computing(device: str) -> Any:
    """Mixed precision on GPUs, the weights' own elsewhere: what every forward pass of a fine-tune runs in."""
    if device.startswith("cuda"):
        return torch.autocast("cuda", dtype=torch.bfloat16)
    return contextlib.nullcontext()


def without_adapters(model: Any) -> Any:
    """A context in which a model with adapters answers as the model that it was."""
    return model.disable_adapter() if hasattr(model, "disable_adapter") else contextlib.nullcontext()
