"""Training and scoring: one network, the candidate's gradients, and the accuracy on images that were held back.

The networks are two layers of convolutions for digits, one hidden layer for the same, and ResNet-18 as it is used on
images of 32 x 32.
"""

from __future__ import annotations

import dataclasses
import math
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from harness.core.digests import json_digest
from harness.protocol.job import Progress, StepError
from harness.trainer import checkpoint
from harness.trainer.images.data import opened
from harness.trainer.images.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.protocol.job import Job, Say
    from harness.trainer.images.data import Data, Part
    from harness.trainer.tasks import ClassLoss

_FILE = "network.safetensors"
_TOLD_EVERY = 10
#: Images at a time where nothing is learnt.
_AT_ONCE = 512
#: Units of the hidden layer of `mlp`.
_HIDDEN = 256
#: Channels of ResNet-18's four stages.
_WIDTHS = (64, 128, 256, 512)


def train(job: Job, loss: ClassLoss, say: Say) -> Mapping[str, float]:
    """Train from a fresh network of `job.seed`; a killed training goes on with the last whole epoch, to the same bits.

    Gives `finite` (1, or 0 where a loss or a gradient was not: then it ends), `train_accuracy` and, where something
    was trained now, `seconds_per_step`. Raises StepError.
    """
    settings = Settings.of(job.settings)
    data, size = opened(job, settings), max(settings.batch, loss.smallest)
    steps = len(data.train.targets) // size
    if not steps:
        raise StepError(f"the loss needs {loss.smallest} examples at once, and there are fewer", fault="user")
    torch.manual_seed(job.seed)
    net = _network(settings, data).to(job.device)
    optimizer = torch.optim.AdamW(net.parameters(), lr=settings.rate, weight_decay=settings.decay)
    path, mark = Path(job.out) / _FILE, _mark(job, settings, data, size)
    epoch, finite = _resume(path, mark, net, optimizer)
    seconds, done = 0.0, 0
    while epoch < settings.epochs and finite:
        order = np.random.Generator(np.random.PCG64([job.seed, epoch, 92])).permutation(len(data.train.targets))
        shift = np.random.Generator(np.random.PCG64([job.seed, epoch, 93]))
        net.train()
        for step in range(steps):
            began = time.perf_counter()
            index = torch.from_numpy(order[step * size : (step + 1) * size]).to(job.device)
            progress = (epoch * steps + step) / (settings.epochs * steps)
            images = data.train.images[index]
            images = _augmented(images, shift) if settings.augment else images
            value = _step(net, optimizer, loss, images, data.train.targets[index], progress, settings.rate)
            finite = math.isfinite(value)
            if not finite:
                break
            seconds, done = seconds + time.perf_counter() - began, done + 1
            at = epoch * steps + step + 1
            if at % _TOLD_EVERY == 0 or at == settings.epochs * steps:
                say(Progress(at, settings.epochs * steps, f"epoch {epoch + 1}", {"loss": value}))
        epoch += 1
        _keep(path, mark, net, optimizer, epoch if finite else settings.epochs, finite=finite)
    speed = {"seconds_per_step": seconds / done} if done else {}
    return {"finite": float(finite), "train_accuracy": _accuracy(net, data.train) if finite else 0.0, **speed}


def score(job: Job, say: Say) -> Mapping[str, float]:
    """`accuracy` on held images, and `test_accuracy` where there are test images; 0 for what was not finite."""
    settings = Settings.of(job.settings)
    data, tree = opened(job, settings), checkpoint.load(Path(job.weights) / _FILE)
    if tree is None:
        raise StepError(f"the training left no {_FILE}")
    parts = {"accuracy": data.held} | ({"test_accuracy": data.test} if data.test is not None else {})
    if not tree["finite"]:
        return dict.fromkeys(parts, 0.0)
    net = _network(settings, data)
    try:
        net.load_state_dict(tree["network"])
    except (RuntimeError, KeyError, TypeError) as error:
        raise StepError(f"these weights are of another network: {error}") from error
    net.to(job.device)
    found = {name: _accuracy(net, part) for name, part in parts.items()}
    say(Progress(1, 1, "scored"))
    return found


def _network(settings: Settings, data: Data) -> nn.Module:
    _, channels, size, _ = data.train.images.shape
    return network(settings.network, channels, size, data.classes)


def _step(
    net: nn.Module,
    optimizer: torch.optim.Optimizer,
    loss: ClassLoss,
    images: torch.Tensor,
    targets: torch.Tensor,
    progress: float,
    rate: float,
) -> float:
    """One step down the gradient; gives the loss before it, NaN where the loss or a gradient is not finite."""
    for group in optimizer.param_groups:
        group["lr"] = rate * 0.5 * (1.0 + math.cos(math.pi * progress))
    value = loss(net(images), targets)
    optimizer.zero_grad()
    value.backward()
    norm = torch.nn.utils.get_total_norm([p.grad for p in net.parameters() if p.grad is not None])
    if not bool(value.isfinite() & norm.isfinite()):
        return math.nan
    optimizer.step()
    return float(value.detach())


def _augmented(images: torch.Tensor, draw: np.random.Generator) -> torch.Tensor:
    """Each image mirrored or not, and all of a batch moved by the same few pixels, black where nothing was."""
    flip = torch.from_numpy(draw.uniform(size=len(images)) < 0.5).to(images.device)
    turned = torch.where(flip[:, None, None, None], images.flip(3), images)
    most = images.shape[3] // 8
    down, right = (int(n) for n in draw.integers(0, 2 * most + 1, size=2))
    padded = torch.nn.functional.pad(turned, (most, most, most, most))
    return padded[:, :, down : down + images.shape[2], right : right + images.shape[3]]


@torch.no_grad()
def _accuracy(net: nn.Module, part: Part) -> float:
    net.eval()
    pieces = zip(part.images.split(_AT_ONCE), part.targets.split(_AT_ONCE), strict=True)
    right = sum(int((net(images).argmax(dim=1) == targets).sum()) for images, targets in pieces)
    return right / len(part.targets)


def _mark(job: Job, settings: Settings, data: Data, size: int) -> str:
    """Digest of what a training depends on besides the loss: one with another mark is not gone on from."""
    what = {"settings": dataclasses.asdict(settings), "seed": job.seed, "data": data.digest, "size": size}
    return json_digest(what)


def _keep(path: Path, mark: str, net: nn.Module, optimizer: torch.optim.Optimizer, epoch: int, *, finite: bool) -> None:
    tree = {"mark": mark, "epoch": epoch, "finite": finite, "network": dict(net.state_dict())}
    checkpoint.save(path, {**tree, "optimizer": optimizer.state_dict()})


def _resume(path: Path, mark: str, net: nn.Module, optimizer: torch.optim.Optimizer) -> tuple[int, bool]:
    """The number of whole epochs that were done before, and whether all was finite; what they left is loaded."""
    tree = checkpoint.load(path)
    if tree is None or tree["mark"] != mark:
        return 0, True
    net.load_state_dict(tree["network"])
    optimizer.load_state_dict(tree["optimizer"])
    return tree["epoch"], tree["finite"]


def network(name: str, channels: int, size: int, classes: int) -> nn.Module:
    """A fresh network for images (N, channels, size, size); its logits have the shape (N, classes)."""
    if name == "resnet18":
        return ResNet18(channels, classes)
    if name == "mlp":
        wide = nn.Linear(channels * size**2, _HIDDEN)
        return nn.Sequential(nn.Flatten(), wide, nn.ReLU(), nn.Linear(_HIDDEN, classes))
    return nn.Sequential(
        nn.Conv2d(channels, 16, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(32 * (size // 2) ** 2, classes),
    )


class ResNet18(nn.Module):
    """Residual network of 18 layers (arXiv 1512.03385); a first layer of 3 x 3 with no pooling, for small images."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.first = nn.Sequential(_convolution(channels, _WIDTHS[0], 1), nn.ReLU())
        blocks: list[nn.Module] = []
        before = _WIDTHS[0]
        for width in _WIDTHS:
            blocks += [_Block(before, width, 1 if width == before else 2), _Block(width, width, 1)]
            before = width
        self.blocks = nn.Sequential(*blocks)
        self.last = nn.Linear(before, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits, shape (N, classes)."""
        features = self.blocks(self.first(images)).mean(dim=(2, 3))
        logits: torch.Tensor = self.last(features)
        return logits


class _Block(nn.Module):
    """Two convolutions beside a short cut."""

    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__()
        self.way = nn.Sequential(_convolution(before, width, stride), nn.ReLU(), _convolution(width, width, 1))
        same = before == width and stride == 1
        self.cut: nn.Module = nn.Identity() if same else _convolution(before, width, stride, reach=1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return (self.way(images) + self.cut(images)).relu()


def _convolution(before: int, width: int, stride: int, reach: int = 3) -> nn.Module:
    """A convolution and a normalisation over the batch, which makes its bias superfluous."""
    return nn.Sequential(
        nn.Conv2d(before, width, reach, stride=stride, padding=reach // 2, bias=False), nn.BatchNorm2d(width)
    )
