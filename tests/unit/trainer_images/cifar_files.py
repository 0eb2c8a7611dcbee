"""Tiny files in the two formats that CIFAR-10 comes in, written as their authors' programs wrote them."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

from harness.trainer.images.cifar import TEST, TRAINING

if TYPE_CHECKING:
    from pathlib import Path


def images(count: int, seed: int) -> tuple[np.ndarray, list[int]]:
    """Images that can be learnt: each class is bright in a row of its own."""
    draw = np.random.Generator(np.random.PCG64([seed, 5]))
    labels = [i % 10 for i in range(count)]
    pixels = draw.integers(0, 80, size=(count, 3, 32, 32))
    for i, label in enumerate(labels):
        pixels[i, :, 3 * label : 3 * label + 3] += 150
    return pixels.reshape(count, -1).astype(np.uint8), labels


def binary(pixels: np.ndarray, labels: list[int]) -> bytes:
    return b"".join(bytes([label]) + row.tobytes() for label, row in zip(labels, pixels, strict=True))


def _text(value: bytes) -> bytes:
    return b"U" + bytes([len(value)]) + value if len(value) < 256 else b"T" + struct.pack("<i", len(value)) + value


def _number(value: int) -> bytes:
    return b"K" + bytes([value]) if 0 <= value < 256 else b"J" + struct.pack("<i", value)


def _array(pixels: np.ndarray) -> bytes:
    """An array as Python 2 pickles it: numpy's `_reconstruct`, then the state of the array."""
    count, width = pixels.shape
    empty = (
        b"cnumpy.core.multiarray\n_reconstruct\n" + b"cnumpy\nndarray\n" + _number(0) + b"\x85" + _text(b"b") + b"\x87R"
    )
    kind = b"cnumpy\ndtype\n" + _text(b"u1") + _number(0) + _number(1) + b"\x87R"
    kind += b"(" + _number(3) + _text(b"|") + b"NNN" + _number(-1) + _number(-1) + _number(0) + b"tb"
    shape = _number(count) + _number(width) + b"\x86"
    return empty + b"(" + _number(1) + shape + kind + b"\x89" + _text(pixels.tobytes()) + b"tb"


def pickled(pixels: np.ndarray, labels: list[int], array: bytes | None = None) -> bytes:
    """A dictionary in pickle's protocol 2, byte strings and all."""
    entries = _text(b"batch_label") + _text(b"training batch 1 of 5")
    entries += _text(b"labels") + b"](" + b"".join(map(_number, labels)) + b"e"
    entries += _text(b"data") + (_array(pixels) if array is None else array)
    entries += (
        _text(b"filenames")
        + b"]("
        + b"".join(_text(b"leptodactylus_pentadactylus_s_000004.png") for _ in labels)
        + b"e"
    )
    return b"\x80\x02}(" + entries + b"u."


def write(folder: Path, kind: str, count: int = 12) -> Path:
    """All six files of a kind, "bin" or "py", with `count` images each."""
    place = folder / f"cifar-10-batches-{kind}"
    place.mkdir(parents=True)
    for seed, name in enumerate((*TRAINING, TEST)):
        pixels, labels = images(count, seed)
        if kind == "bin":
            (place / f"{name}.bin").write_bytes(binary(pixels, labels))
        else:
            (place / name).write_bytes(pickled(pixels, labels))
    return folder
