"""The trained numbers of a model and its optimizer as plain tensors by name: the same for files and checkpoints.

With sharded models (FSDP2) each rank holds a part of a tensor; all ranks have to call these together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.distributed.tensor import DTensor, distribute_tensor

from harness.protocol.job import StepError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torch import Tensor

_MEANS = ("exp_avg", "exp_avg_sq")


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
