"""Images by seed: which ones are trained with, and which ones are held back to score by.

Images of the user's are read where they lie and not copied; the prepared data say which ones, and hold their digest.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from harness.protocol.job import Progress, StepError
from harness.trainer.checkpoint import load, save
from harness.trainer.images import cifar
from harness.trainer.images.settings import INPUT, Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.protocol.job import Job, Say

_FILE = "split.safetensors"


@dataclass(frozen=True)
class Part:
    """Images, float32, shape (N, K, H, W), of mean 0 and variance 1 over the images to train with; classes (N,)."""

    images: torch.Tensor
    targets: torch.Tensor


@dataclass(frozen=True)
class Data:
    """The parts of one seed; `test` is empty where the source has no test images of its own. `digest` names it all."""

    train: Part
    held: Part
    test: Part | None
    classes: int
    digest: str


@dataclass(frozen=True)
class _Source:
    """Images as they come, uint8 or counts up to 16, (N, K, H, W), and classes; the same of test images, if any."""

    images: np.ndarray
    targets: np.ndarray
    test: tuple[np.ndarray, np.ndarray] | None
    classes: int

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of all of them."""
        whole = hashlib.sha256()
        for array in (self.images, self.targets, *(self.test or ())):
            whole.update(f"{array.shape} {array.dtype}\0".encode() + np.ascontiguousarray(array).tobytes())
        return whole.hexdigest()


def prepare(job: Job, say: Say) -> Mapping[str, float]:
    """Draw the images of `job.seed` to train with and to hold back.

    Raises StepError (the user's) where there are too few, or none.
    """
    settings = Settings.of(job.settings)
    source = _read(job, settings)
    count = len(source.targets)
    train = settings.train or count - settings.held
    if train < settings.batch or train + settings.held > count:
        raise StepError(
            f"{train} images to train with and {settings.held} to hold back, of {count}",
            fault="user",
            remedy="lower the settings train, held or batch",
        )
    order = np.random.Generator(np.random.PCG64([job.seed, 91])).permutation(count)
    split = {"train": torch.from_numpy(order[:train]), "held": torch.from_numpy(order[train : train + settings.held])}
    about = {"digest": source.digest, "seed": job.seed, "source": settings.source}
    save(Path(job.out) / _FILE, {"split": split, "about": about})
    say(Progress(1, 1, "images"))
    return {"images": float(count), "train": float(train), "held": float(settings.held)}


def opened(job: Job, settings: Settings) -> Data:
    """The data of a job. Raises StepError where they are damaged, or the user's images are others by now."""
    tree = load(Path(job.data) / _FILE)
    source = _read(job, settings)
    if tree is None or tree["about"] != {"digest": source.digest, "seed": job.seed, "source": settings.source}:
        raise StepError("these data were prepared for other images or another seed", remedy="prepare them again")
    train, held = (tree["split"][name].numpy() for name in ("train", "held"))
    chosen = source.images[train].astype(np.float32)
    mean, scale = (f(chosen, axis=(0, 2, 3), keepdims=True) for f in (np.mean, np.std))

    def part(images: np.ndarray, targets: np.ndarray) -> Part:
        scaled = (images.astype(np.float32) - mean) / np.maximum(scale, 1e-6)
        return Part(torch.from_numpy(scaled).to(job.device), torch.from_numpy(targets).to(job.device))

    return Data(
        train=part(source.images[train], source.targets[train]),
        held=part(source.images[held], source.targets[held]),
        test=part(*source.test) if source.test is not None else None,
        classes=source.classes,
        digest=hashlib.sha256(f"{source.digest} {train.tobytes()!r} {held.tobytes()!r}".encode()).hexdigest(),
    )


def _read(job: Job, settings: Settings) -> _Source:
    if settings.source == "cifar10":
        return _cifar10(job)
    from sklearn.datasets import load_digits  # noqa: PLC0415 - the other source does without

    images, targets = load_digits(return_X_y=True)
    return _Source(images.reshape(-1, 1, 8, 8).astype(np.uint8), targets.astype(np.int64), None, 10)


def _cifar10(job: Job) -> _Source:
    if INPUT not in job.inputs:
        raise StepError(
            "this ladder trains on CIFAR-10, and nobody said where it lies",
            fault="user",
            remedy=f'name its folder with --data-dir, or write {INPUT} = "/a/folder" into .harness/inputs.toml',
        )
    folder = Path(job.inputs[INPUT])
    parts = [cifar.read(folder, name) for name in cifar.TRAINING]
    images, targets = (np.concatenate([part[i] for part in parts]) for i in (0, 1))
    return _Source(images, targets, cifar.read(folder, cifar.TEST), cifar.CLASSES)
