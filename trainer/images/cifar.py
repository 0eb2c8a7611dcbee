"""CIFAR-10 as its authors give it out: `cifar-10-batches-bin` (plain bytes) or `cifar-10-batches-py` (pickled).

A pickle is a program. The second format is read by an unpickler that knows the four names of the real files and puts
harmless stand-ins for all of them: nothing is called but code of this module, and what is no array of bytes is refused.
"""

from __future__ import annotations

import io
import pickle
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from harness.protocol.job import StepError

if TYPE_CHECKING:
    from pathlib import Path

TRAINING = tuple(f"data_batch_{i}" for i in range(1, 6))
TEST = "test_batch"
#: Colours, rows and columns of an image; classes.
SHAPE, CLASSES = (3, 32, 32), 10
_BYTES = 3 * 32 * 32
#: The real files have 10,000 images each; a file with many more is none of them.
_MOST = 100_000
_REMEDY = "unpack cifar-10-binary.tar.gz or cifar-10-python.tar.gz there, and name the folder that holds data_batch_1"


def read(folder: Path, name: str) -> tuple[np.ndarray, np.ndarray]:
    """One file: images, uint8, shape (N, 3, 32, 32), and classes, int64, shape (N,). Raises StepError (the user's)."""
    place = place_of(folder)
    binary = place / f"{name}.bin"
    path = binary if binary.is_file() else place / name
    try:
        if path.exists() and not path.is_file():
            _refuse(path, "it is no regular file")
        if path.stat().st_size > _MOST * (_BYTES + 1):
            _refuse(path, "it is too large")
        data = path.read_bytes()
    except OSError as error:
        raise StepError(f"{path} cannot be read: {error.strerror}", fault="user", remedy=_REMEDY) from error
    images, classes = _of_bytes(path, data) if path == binary else _of_pickle(path, data)
    if classes.min() < 0 or classes.max() >= CLASSES:
        _refuse(path, f"it names the class {classes.max()}, and there are {CLASSES}")
    return images.reshape(-1, *SHAPE), classes


def place_of(folder: Path) -> Path:
    """The folder itself, or one of the two that the archives unpack to."""
    for place in (folder, folder / "cifar-10-batches-bin", folder / "cifar-10-batches-py"):
        if (place / f"{TRAINING[0]}.bin").is_file() or (place / TRAINING[0]).is_file():
            return place
    raise StepError(f"there is no CIFAR-10 in {folder}", fault="user", remedy=_REMEDY)


def _refuse(path: Path, why: str) -> NoReturn:
    raise StepError(f"{path.name} is no file of CIFAR-10: {why}", fault="user", remedy=_REMEDY)


def _of_bytes(path: Path, data: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Records of one byte for the class and 3072 for the image."""
    if not data or len(data) % (_BYTES + 1):
        _refuse(path, f"its {len(data)} bytes are no whole number of images")
    table = np.frombuffer(data, np.uint8).reshape(-1, _BYTES + 1)
    return table[:, 1:].copy(), table[:, 0].astype(np.int64)


@dataclass
class _Kind:
    """Stands for `numpy.dtype`: its name."""

    name: object = None

    def __setstate__(self, state: object) -> None:
        """What else a dtype tells, which for bytes is nothing."""


class _Rows:
    """Stands for an array: what it would be made of."""

    shape: object = None
    kind: object = None
    data: object = None

    def __setstate__(self, state: object) -> None:
        """Keep it; it is looked at afterwards."""
        if isinstance(state, tuple) and len(state) == 5:
            _, self.shape, self.kind, _, self.data = state


def _dtype(name: object = None, *_: object) -> _Kind:
    return _Kind(name)


def _reconstruct(*_: object) -> _Rows:
    return _Rows()


_NAMES = {
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy", "ndarray"): _Rows,
    ("numpy", "dtype"): _dtype,
}


class _Unpickler(pickle.Unpickler):
    """Knows no other names."""

    def find_class(self, module: str, name: str) -> Any:
        """A stand-in, or a refusal."""
        if (module, name) not in _NAMES:
            raise pickle.UnpicklingError(f"it asks for {module[:60]}.{name[:60]}")
        return _NAMES[module, name]


def _of_pickle(path: Path, data: bytes) -> tuple[np.ndarray, np.ndarray]:
    """A dictionary with `data`, an array of bytes of shape (N, 3072), and `labels`, a list of N numbers."""
    try:
        content = _Unpickler(io.BytesIO(data), encoding="bytes").load()
    except Exception as error:  # noqa: BLE001 - a broken pickle may raise anything
        _refuse(path, f"it cannot be unpacked ({type(error).__name__}: {error})")
    rows, labels = (content.get(b"data"), content.get(b"labels")) if isinstance(content, dict) else (None, None)
    if not isinstance(rows, _Rows) or not isinstance(labels, list) or not labels:
        _refuse(path, "it holds no array of images with a list of labels")
    name = rows.kind.name if isinstance(rows.kind, _Kind) else None
    if name not in (b"u1", "u1") or rows.shape != (len(labels), _BYTES) or not isinstance(rows.data, bytes):
        _refuse(path, f"its images are no bytes of shape ({len(labels)}, {_BYTES})")
    if len(rows.data) != len(labels) * _BYTES or not all(type(label) is int and 0 <= label < 256 for label in labels):
        _refuse(path, "its images or labels are cut")
    return np.frombuffer(rows.data, np.uint8).reshape(-1, _BYTES).copy(), np.array(labels, dtype=np.int64)
