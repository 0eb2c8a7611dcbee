"""Where a training stands, and what a preparation has so far, in files that are whole or not there: to the same bits.

A killed run goes on from them. The file is safetensors: tensors as they are, everything else as JSON beside them.
Nothing is pickled, so that a file from elsewhere can do no more than be wrong. A digest over all of it tells what a
disk has spoiled.

What has to be in a training's tree for the same bits: weights, the optimizer's `state_dict()`, the place in the data,
and the state of every generator that is drawn from.

`Pieces` are those of a long preparation, each kept as soon as it is there. They lie in the folder that the preparation
fills, and are gone when it is full. A piece of other settings, or one that a disk has spoiled, is made again: what they
hold can always be made.
"""

from __future__ import annotations

import errno
import hashlib
import json
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_bytes
from safetensors.torch import save as save_bytes

from harness.core import files
from harness.protocol.job import StepError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

#: Tensors, plain values, and lists, tuples and dictionaries (keys: strings or whole numbers) of those.
Tree = Any
_FORMAT = "harness-checkpoint/1"
_LENGTH_SIZE = 8
_NAME = "piece-{}.safetensors"


def save(path: Path, tree: Tree) -> None:
    """Write a tree to `path`, whole or not at all, even where the machine loses its power.

    Raises StepError for a tree with anything else in it, and where the disk is full.
    """
    tensors: dict[str, torch.Tensor] = {}
    plain = json.dumps(_strip(tree, tensors), sort_keys=True)
    packed = {name: tensor.detach().to("cpu").contiguous() for name, tensor in tensors.items()}
    digest = _digest(plain, packed)
    write_whole(path, packed_bytes(packed, {"format": _FORMAT, "tree": plain, "sha256": digest}))


def load(path: Path) -> Tree | None:
    """Read a tree, its tensors on the CPU; None where there is no file. Raises StepError for a damaged one."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        metadata = _metadata(data)
        tensors = load_bytes(data)
        if metadata.get("format") != _FORMAT or metadata["sha256"] != _digest(metadata["tree"], tensors):
            raise ValueError("its digest is another one")
        return _fill(json.loads(metadata["tree"]), tensors)
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StepError(
            f"the checkpoint {path.name} is damaged: {error}", remedy="remove it: the training then begins anew"
        ) from error


def packed_bytes(tensors: dict[str, torch.Tensor], beside: Mapping[str, str]) -> bytes:
    """A safetensors file of the same bytes for the same content: the format's own writer orders `beside` by chance."""
    data = save_bytes(tensors, metadata=dict(beside) or None)
    begin = _LENGTH_SIZE + int.from_bytes(data[:_LENGTH_SIZE], "little")
    header = json.loads(data[_LENGTH_SIZE:begin])
    header["__metadata__"] = dict(sorted(header.get("__metadata__", {}).items()))
    if not header["__metadata__"]:
        return data
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % _LENGTH_SIZE)  # tensors begin at a multiple of that
    return len(text).to_bytes(_LENGTH_SIZE, "little") + text + data[begin:]


def write_whole(path: Path, data: bytes) -> None:
    """Write a file that is whole or not there. Raises StepError where the disk is full."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        files.write_whole(path, data)
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            raise StepError(
                f"there is no room for {path.name}: {len(data) >> 20} MiB are needed",
                fault="user",
                remedy="make room where the project keeps its data, and run it again: it goes on where it was",
            ) from error
        raise


def _strip(tree: Tree, tensors: dict[str, torch.Tensor]) -> Tree:
    """The tree in JSON's own words; tensors are moved to `tensors` and leave their name."""
    if isinstance(tree, torch.Tensor):
        name = f"t{len(tensors)}"
        # A copy where two names share memory, which the format refuses.
        tensors[name] = tree.detach().clone()
        return {"tensor": name}
    if isinstance(tree, dict):
        if not all(isinstance(key, (str, int)) and not isinstance(key, bool) for key in tree):
            raise StepError("a checkpoint takes dictionaries with keys of text or whole numbers alone")
        return {"dict": [[key, _strip(value, tensors)] for key, value in tree.items()]}
    if isinstance(tree, (list, tuple)):
        kind = "tuple" if isinstance(tree, tuple) else "list"
        return {kind: [_strip(value, tensors) for value in tree]}
    if isinstance(tree, float) or tree is None or isinstance(tree, (bool, int, str)):
        return tree
    raise StepError(f"a checkpoint does not take {type(tree).__name__}")


def _fill(plain: Tree, tensors: dict[str, torch.Tensor]) -> Tree:
    if not isinstance(plain, dict):
        return plain
    (kind, value), *more = plain.items()
    if more or kind not in {"tensor", "dict", "list", "tuple"}:
        raise ValueError("it has an entry of an unknown kind")
    if kind == "tensor":
        return tensors[value]
    if kind == "dict":
        return {key: _fill(item, tensors) for key, item in value}
    items = [_fill(item, tensors) for item in value]
    return tuple(items) if kind == "tuple" else items


def _metadata(data: bytes) -> dict[str, str]:
    """What stands beside the tensors: the format's loader for bytes does not give it."""
    size = int.from_bytes(data[:_LENGTH_SIZE], "little")
    header = json.loads(data[_LENGTH_SIZE : _LENGTH_SIZE + size])
    found: dict[str, str] = header["__metadata__"]
    return found


def _digest(plain: str, tensors: dict[str, torch.Tensor]) -> str:
    whole = hashlib.sha256(plain.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        whole.update(f"{name}\0{tensor.dtype}\0{tuple(tensor.shape)}\0".encode())
        whole.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return whole.hexdigest()


class Pieces:
    """The pieces in a folder. `purpose` says what they are for, down to the last setting that they depend on."""

    def __init__(self, folder: Path, purpose: str) -> None:
        self._folder, self._purpose = folder, purpose

    def known(self, name: str) -> Tree | None:
        """A piece, if it is there and of use."""
        path = self._folder / _NAME.format(name)
        try:
            tree = load(path)
            return tree["piece"] if tree is not None and tree["purpose"] == self._purpose else None
        except (StepError, KeyError, TypeError):
            return None

    def keep(self, name: str, piece: Tree) -> None:
        """Keep a piece; the one before of that name is gone. Raises StepError where the disk is full."""
        save(self._folder / _NAME.format(name), {"purpose": self._purpose, "piece": piece})

    def get(self, name: str, make: Callable[[], Tree]) -> Tree:
        """A piece, made where it is not known."""
        piece = self.known(name)
        if piece is None:
            piece = make()
            self.keep(name, piece)
        return piece

    def clear(self) -> None:
        """All is there: the pieces are needed no more."""
        for path in self._folder.glob(_NAME.format("*")):
            path.unlink()
