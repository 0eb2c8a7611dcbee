"""Checkpoints: whole or not there, no pickle, and what is damaged is refused."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest
import torch

from harness.protocol.job import StepError
from harness.trainer import checkpoint

if TYPE_CHECKING:
    from pathlib import Path


def tree() -> dict[str, Any]:
    model = torch.nn.Linear(3, 2)
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    shared = torch.arange(4.0)
    return {
        "model": dict(model.state_dict()),
        "optimizer": optimizer.state_dict(),
        "shared": [shared, shared[1:3], shared.flip(0)],
        "scalar": torch.tensor(2.0),
        "empty": torch.empty(0, 3),
        "half": torch.ones(2, dtype=torch.bfloat16),
        "flags": torch.tensor([True, False]),
        "plain": (1, 2.5, float("inf"), "text", None, True, {3: "a number as key"}),
    }


def same(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[k], other[k]) for k in one)
    if isinstance(one, (list, tuple)):
        return type(one) is type(other) and len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and one == other


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    saved = tree()
    checkpoint.save(tmp_path / "c.safetensors", saved)
    assert same(saved, checkpoint.load(tmp_path / "c.safetensors"))
    assert [path.name for path in tmp_path.iterdir()] == ["c.safetensors"]


def test_nothing_there_is_none(tmp_path: Path) -> None:
    assert checkpoint.load(tmp_path / "c.safetensors") is None


def test_every_flipped_bit_and_every_cut_is_found(tmp_path: Path) -> None:
    place = tmp_path / "c.safetensors"
    checkpoint.save(place, tree())
    whole = place.read_bytes()
    chance = random.Random(0)  # noqa: S311 - no secret
    for _ in range(300):
        spoilt = bytearray(whole)
        spoilt[chance.randrange(len(whole))] ^= 1 << chance.randrange(8)
        place.write_bytes(spoilt)
        with pytest.raises(StepError, match="damaged"):
            checkpoint.load(place)
    for size in (0, 3, 8, 100, len(whole) - 1):
        place.write_bytes(whole[:size])
        with pytest.raises(StepError, match="damaged"):
            checkpoint.load(place)


@pytest.mark.parametrize("bad", [{"x": object()}, {"x": {1.5: 2}}, {"x": {1, 2}}, {"x": b"bytes"}])
def test_what_is_neither_tensor_nor_plain_is_refused(tmp_path: Path, bad: dict[str, Any]) -> None:
    with pytest.raises(StepError):
        checkpoint.save(tmp_path / "c.safetensors", bad)
    assert not list(tmp_path.iterdir())


def test_a_write_that_fails_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "c.safetensors"
    checkpoint.save(place, {"step": 1})

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StepError, match="no room") as raised:
        checkpoint.save(place, {"step": 2})
    assert raised.value.fault == "user"
    assert checkpoint.load(place) == {"step": 1}
    assert len(list(tmp_path.iterdir())) == 1


def test_a_generator_goes_on_where_it_was(tmp_path: Path) -> None:
    own = torch.Generator().manual_seed(3)
    torch.rand(5, generator=own)
    checkpoint.save(tmp_path / "c.safetensors", {"own": own.get_state()})
    first = torch.rand(1, generator=own).item()
    assert torch.rand(1, generator=own).item() != first
    kept = checkpoint.load(tmp_path / "c.safetensors")
    assert kept is not None
    own.set_state(kept["own"])
    assert torch.rand(1, generator=own).item() == first
