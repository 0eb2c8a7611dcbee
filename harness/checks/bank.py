"""The question banks: the examples that a profile puts to every candidate, drawn once and kept beside this.

Hypothesis draws the same examples for every candidate (property_tests/configure.py), and drawing them takes longer than
all else that a check does before its first question. So those of every profile at seed 0 are kept, under a digest of
all that decides about them. A bank of another digest, or one that is damaged, is as one that is not there: the examples
are drawn anew. `python -m harness.checks.draw_bank` makes them, for other seeds too; a test holds those that ship
against what is drawn today. They lie beside the code, and in nobody's cache: who writes them decides what is asked.

Covered: a bank that is older than the properties, the profile, Hypothesis or NumPy; bytes that changed. Not covered:
somebody who changes this installation, as that could change the properties as well.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import importlib.metadata
import json
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from harness.checks.drawn import Drawn
from harness.core.contract import CONTRACTS
from harness.core.files import MIB, read_bytes
from harness.protocol.batch import Batch
from harness.protocol.batch_types import read_batch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.core.profiles import Profile

#: For each property, by its place in the suite, the arguments of every example.
Examples: TypeAlias = "dict[str, list[dict[str, Any]]]"


@dataclass(frozen=True)
class Bank:
    """The examples, and the batches that properties draw by themselves from what stands in those."""

    examples: Examples
    drawn: Drawn


_ROOT = Path(__file__).resolve().parents[2]
#: What decides about the examples, of all that lies in this project; besides it, the profile and two packages.
_SOURCES = (
    "harness/property_tests/*.py",
    "harness/property_tests/seeds.json",
    "harness/property_tests/common/*.py",
    "harness/property_tests/{contract}/*.py",
    "harness/subject/batches.py",
    "harness/core/domain.py",
    "harness/subject/drawing.py",
    "harness/subject/realistic.py",
)
#: What lies among them and draws nothing: how often a call is timed.
_NOT_OF_THEM = "harness/property_tests/common/timing.py"
_PACKAGES = ("hypothesis", "numpy")
#: The most that a bank may have, packed or not; ours has 2 MiB.
_CAP = 16 * MIB
_TYPES = {"float32": np.float32, "float64": np.float64}


def made_of(profile: Profile, seed: int) -> str:
    """SHA-256 (hex) of what decides about the examples of a profile and a seed."""
    whole = hashlib.sha256(f"harness-bank/v1\0{profile.digest}\0{seed}\0".encode())
    for package in _PACKAGES:
        whole.update(f"{package} {importlib.metadata.version(package)}\0".encode())
    patterns = [pattern.format(contract=profile.contract) for pattern in _SOURCES]
    for path in sorted({path for pattern in patterns for path in _ROOT.glob(pattern)} - {_ROOT / _NOT_OF_THEM}):
        whole.update(f"{path.relative_to(_ROOT)}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\0".encode())
    return whole.hexdigest()


def path_of(profile: Profile, seed: int = 0) -> Path:
    """Where the bank of a profile and a seed lies."""
    return Path(__file__).with_name("banks") / f"{profile.name}{f'-seed-{seed}' if seed else ''}.json.gz"


def kept(profile: Profile, seed: int) -> Bank | None:
    """The bank as it was kept, or None where none was, or not this one, or not whole."""
    try:
        document = json.loads(_bytes_of(read_bytes(path_of(profile, seed), _CAP)))
        text = document["bank"]
        if document["made_of"] != made_of(profile, seed) or document["sha256"] != _digest(text):
            return None
        whole = json.loads(text)
        examples = {name: [_unpacked(each) for each in one] for name, one in whole["examples"].items()}
        keys = tuple(
            (name, seed, pairs, tuple(map(tuple, more)), dtype) for name, seed, pairs, more, dtype in whole["keys"]
        )
        return Bank(examples, Drawn(keys, whole["drawn"]))
    except (OSError, ValueError, KeyError, TypeError, RecursionError, zlib.error):
        return None


def keep(bank: Bank, profile: Profile, seed: int) -> Path:
    """Write the bank of a profile and a seed; says where."""
    examples = {name: [_packed(each) for each in one] for name, one in bank.examples.items()}
    whole = {"examples": examples, "keys": bank.drawn.keys, "drawn": bank.drawn.sha256}
    text = json.dumps(whole, sort_keys=True)
    document = {"made_of": made_of(profile, seed), "sha256": _digest(text), "bank": text}
    path = path_of(profile, seed)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(gzip.compress(json.dumps(document).encode(), mtime=0))
    return path


def _bytes_of(packed: bytes) -> bytes:
    """What a gzip file holds. Raises ValueError past the cap, as a few bytes may stand for any number of them."""
    reader = zlib.decompressobj(31)
    data = reader.decompress(packed, _CAP)
    if not reader.eof or reader.unused_data:
        raise ValueError("cut, longer than the cap, or with something after its end")
    return data


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _packed(example: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _plain(value) for name, value in example.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Batch):
        raw = base64.b64encode(value.raw).decode()
        return {"batch": [value.contract.name, value.dtype.name, value.sizes, value.scalars, raw]}
    if isinstance(value, type):
        return {"type": value.__name__}
    if isinstance(value, bool | int | float):
        return value
    raise TypeError(f"the bank does not know how to keep {value!r}")


def _unpacked(example: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _value(value) for name, value in example.items()}


def _value(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if "type" in value:
        return _TYPES[value["type"]]
    contract, dtype, sizes, scalars, raw = value["batch"]
    return read_batch(CONTRACTS[contract], np.dtype(dtype), sizes, scalars, base64.b64decode(raw))
