"""The trained numbers of a model and its optimizer as plain tensors by name: the same for files and checkpoints.

With sharded models (FSDP2) each rank holds a part of a tensor; all ranks have to call these together.

After a kill a training goes on to the same bits. The library's own checkpoints hold pickles and are not written in one
stroke, so they are not used. Here a checkpoint is one file of tensors (trained weights, Adam's means) with a few
numbers in its header. Nothing in a step is drawn by chance (the order of pairs is made beforehand, dropout is off), so
no generator's state belongs to it.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch.distributed.tensor import DTensor, distribute_tensor
from transformers import TrainerCallback

from harness.core.files import replacing
from harness.protocol.job import Progress, StepError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torch import Tensor

    from harness.protocol.job import Say
    from harness.trainer.finetune.trainer import OracleTrainer, Plan

_MEANS = ("exp_avg", "exp_avg_sq")
CHECKPOINT, WEIGHTS = "checkpoint.safetensors", "weights.safetensors"


def trained(model: Any) -> dict[str, Tensor]:
    """Copies of all trained parameters on the CPU, whole. Tied ones stand in it once."""
    return {name: _whole(parameter) for name, parameter in _parameters(model)}


def put(model: Any, tensors: Mapping[str, Tensor]) -> None:
    """Give a model's trained parameters these values. Raises StepError where they belong to another model."""
    mine = dict(_parameters(model))
    strange = sorted(set(mine) ^ set(tensors))
    strange += sorted(n for n in set(mine) & set(tensors) if mine[n].shape != tensors[n].shape)
    if strange:
        said = f"the weights belong to another model: {strange[0]}"
        raise StepError(said, fault="user", remedy="give the model that the training began with")
    with torch.no_grad():
        for name, parameter in mine.items():
            _fill(parameter, tensors[name])


def optimizer_tensors(model: Any, optimizer: Any) -> dict[str, Tensor]:
    """Adam's two means of each parameter, and its count of steps."""
    out: dict[str, Tensor] = {}
    for name, parameter in _parameters(model):
        held = optimizer.state[parameter]
        out |= {f"{mean}.{name}": _whole(held[mean]) for mean in _MEANS}
        out[f"step.{name}"] = _whole(torch.as_tensor(held["step"])).reshape(1)
    return out


def put_optimizer(model: Any, optimizer: Any, tensors: Mapping[str, Tensor]) -> None:
    """Give an optimizer that has taken no step yet what `optimizer_tensors` kept."""
    for name, parameter in _parameters(model):
        held: dict[str, Tensor] = {"step": tensors[f"step.{name}"].reshape(()).clone()}
        for mean in _MEANS:
            held[mean] = torch.zeros_like(parameter)
            with torch.no_grad():
                _fill(held[mean], tensors[f"{mean}.{name}"])
        optimizer.state[parameter] = held


def _parameters(model: Any) -> Iterator[tuple[str, Any]]:
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            yield name.removeprefix("module."), parameter


def _whole(tensor: Tensor) -> Tensor:
    held = tensor.detach()
    if isinstance(held, DTensor):
        held = held.full_tensor()
    return held.to("cpu", copy=True).contiguous()


def _fill(target: Tensor, source: Tensor) -> None:
    if isinstance(target, DTensor):
        moved = source.to(target.device_mesh.device_type, target.dtype)
        target.copy_(distribute_tensor(moved, target.device_mesh, target.placements))
    else:
        target.copy_(source)


def write(path: Path, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
    """Write a file whole or not at all, from where the tensors lie. Raises StepError where the disk is full.

    `harness.trainer.checkpoint` puts a file together in memory first, for which a large model leaves no room.
    """
    told = json.dumps({**state, "sha256": _digest(tensors)}, sort_keys=True)
    try:
        with replacing(path) as file:
            save_file(dict(tensors), Path(file.name), metadata={"state": told})
    except (OSError, SafetensorError) as error:
        said = f"{path.name} cannot be written: {error}"
        raise StepError(
            said, fault="user", remedy="free some space; the training goes on from its checkpoint"
        ) from error


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """What `write` wrote; None where there is nothing, or something that is damaged."""
    try:
        with safe_open(path, "pt") as file:
            state = dict(json.loads(file.metadata()["state"]))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
    except (OSError, SafetensorError, KeyError, ValueError, TypeError):
        return None
    return (tensors, state) if state.pop("sha256", "") == _digest(tensors) else None


def _digest(tensors: Mapping[str, Tensor]) -> str:
    out = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].contiguous()
        out.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)};".encode())
        out.update(tensor.reshape(-1).view(torch.uint8).numpy())
    return out.hexdigest()


class Keeper(TrainerCallback):
    """Puts a checkpoint back when the training begins, writes one every so often, and tells how far it is."""

    def __init__(self, path: Path, plan: Plan, *, identity: str, every: int, say: Say) -> None:
        self._path, self._plan, self._identity, self._every, self._say = path, plan, identity, every, say
        self._tensors: dict[str, Tensor] = {}
        self._state: dict[str, Any] = {}
        self._trainer: Any = None

    def attach(self, trainer: OracleTrainer, found: tuple[dict[str, Tensor], dict[str, Any]] | None) -> None:
        """Name the trainer, and the checkpoint from which it goes on."""
        self._trainer = trainer
        self._tensors, self._state = found or ({}, {})

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        """Everything is in its place by now, also where it is spread over several devices."""
        if not self._tensors:
            return
        model, optimizer = self._trainer.model, self._trainer.optimizer
        kept = {n.removeprefix("weights."): t for n, t in self._tensors.items() if n.startswith("weights.")}
        put(model, kept)
        put_optimizer(model, _inner(optimizer), self._tensors)
        schedule = self._trainer.lr_scheduler
        schedule.load_state_dict({**schedule.state_dict(), **self._state["schedule"]})
        for group, rate in zip(optimizer.param_groups, self._state["schedule"]["_last_lr"], strict=True):
            group["lr"] = rate
        self._tensors = {}

    def on_pre_optimizer_step(self, *_: Any, **__: Any) -> None:
        """The last moment at which a step can be refused."""
        self._trainer.agree()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Keep a checkpoint where one is due; the last step leaves weights instead."""
        del args, control
        done = self._plan.begun + state.global_step
        if not self._every or done % self._every or done == self._plan.steps:
            return
        model, optimizer = self._trainer.model, _inner(self._trainer.optimizer)
        tensors = {f"weights.{name}": tensor for name, tensor in trained(model).items()}
        tensors |= optimizer_tensors(model, optimizer)
        schedule = self._trainer.lr_scheduler.state_dict()
        plain = {name: schedule[name] for name in ("last_epoch", "_step_count", "_last_lr")}
        if self._trainer.accelerator.is_main_process:
            write(self._path, tensors, {"identity": self._identity, "done": done, "schedule": plain})

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
        """Tell where the training is, with what was measured since the last time."""
        del args, control
        shown: dict[str, float] = {name: float(logs[name]) for name in ("loss", "grad_norm") if logs and name in logs}
        if shown and self._trainer.accelerator.is_main_process:
            done = self._plan.begun + state.global_step
            self._say(Progress(done, self._plan.steps, "training", {**shown, **self._trainer.curve()}))


def steps_done(found: tuple[dict[str, Tensor], dict[str, Any]] | None, identity: str, steps: int) -> int:
    """How many steps a checkpoint holds of this very training; 0 for none, or for one of another."""
    if found is None or found[1].get("identity") != identity:
        return 0
    done = found[1].get("done", 0)
    return done if isinstance(done, int) and 0 < done < steps else 0


def _inner(optimizer: Any) -> Any:
    """The optimizer itself, out of accelerate's wrapper."""
    return getattr(optimizer, "optimizer", optimizer)
