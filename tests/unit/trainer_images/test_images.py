"""The supervised task: digits and CIFAR-10 by the same code, with any loss of logits; killed and gone on with."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - the field's spelling
from answering import Here
from cifar_files import binary, images, pickled, write

from harness.ladder.ladder import load
from harness.protocol.batch_types import LabelledBatch
from harness.protocol.job import Job, Setting, Step, StepError, silent
from harness.trainer import checkpoint
from harness.trainer.images import cifar, data, fit
from harness.trainer.images import steps as task
from harness.trainer.images.fit import network
from harness.trainer.images.settings import INPUT, Settings
from harness.trainer.torch import OracleClassLoss

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SMALL: dict[str, Setting] = {"train": 96, "held": 300, "epochs": 3, "batch": 32, "rate": 5e-3}
CIFAR: dict[str, Setting] = {
    "source": "cifar10", "network": "resnet18", "train": 8, "held": 20, "epochs": 1, "batch": 8, "augment": 1,
}  # fmt: skip


@dataclass
class Known:
    """A loss of this process; it may answer NaN from a call on, or fall over at one."""

    of_logits: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] = F.cross_entropy
    smallest: int = 1
    nan_from: int = -1
    dies_at: int = -1
    calls: int = 0

    def __call__(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        if self.calls - 1 == self.dies_at:
            raise KeyboardInterrupt
        value = self.of_logits(logits, targets)
        return value * float("nan") if 0 <= self.nan_from < self.calls else value


class Bench:
    """One seed of the task in a folder."""

    def __init__(self, folder: Path, settings: dict[str, Setting], inputs: dict[str, str], seed: int = 0) -> None:
        self.folder = folder
        for name in ("data", "out"):
            (folder / name).mkdir(parents=True)
        self._job = Job("images", Step.PREPARE, seed, settings, out=str(folder / "data"), inputs=inputs)

    def prepare(self) -> dict[str, float]:
        return dict(task.prepare(self._job, silent))

    def train(self, pairs: Known) -> dict[str, float]:
        place: dict[str, Any] = {"data": str(self.folder / "data"), "out": str(self.folder / "out")}
        return dict(task.train(replace(self._job, step=Step.TRAIN, **place), pairs, silent))

    def score(self) -> dict[str, float]:
        place: dict[str, Any] = {"data": str(self.folder / "data"), "weights": str(self.folder / "out"), "out": ""}
        return dict(task.score(replace(self._job, step=Step.SCORE, **place), silent))

    def weights(self) -> dict[str, torch.Tensor]:
        tree = checkpoint.load(self.folder / "out" / "network.safetensors")
        assert tree is not None
        return tree["network"]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    made = Bench(tmp_path, SMALL, {})
    assert made.prepare() == {"images": 1797.0, "train": 96.0, "held": 300.0}
    return made


def test_digits_are_learnt_and_unlearnt(tmp_path: Path) -> None:
    reached = {}
    for name, sign in (("right", 1.0), ("negated", -1.0)):
        made = Bench(tmp_path / name, {**SMALL, "epochs": 10}, {})
        made.prepare()
        assert made.train(Known(lambda z, t, sign=sign: sign * F.cross_entropy(z, t)))["finite"] == 1.0  # type: ignore[misc]
        reached[name] = made.score()["accuracy"]
    assert reached["right"] > 0.6
    assert reached["negated"] < 0.2


def test_a_killed_training_goes_on_to_the_same_bits(bench: Bench, tmp_path: Path) -> None:
    bench.train(Known())
    other = Bench(tmp_path / "killed", SMALL, {})
    other.prepare()
    with pytest.raises(KeyboardInterrupt):
        other.train(Known(dies_at=7))
    again = Known()
    other.train(again)
    assert again.calls == 3 * 3 - 6
    assert all(torch.equal(one, other.weights()[name]) for name, one in bench.weights().items())


def test_what_is_not_finite_ends_and_is_worth_nothing(bench: Bench) -> None:
    pairs = Known(nan_from=4)
    assert bench.train(pairs)["finite"] == 0.0
    assert pairs.calls == 5
    assert bench.score() == {"accuracy": 0.0}
    assert bench.train(Known())["finite"] == 0.0  # it is over, and stays so


def test_a_gradient_that_is_not_finite_ends_it_too(bench: Bench) -> None:
    assert bench.train(Known(lambda z, _: (z - z.detach()).abs().sqrt().sum()))["finite"] == 0.0


def test_seeds_hold_back_other_images(tmp_path: Path) -> None:
    splits: list[Any] = []
    for seed in (0, 0, 1):
        made = Bench(tmp_path / str(len(splits)), SMALL, {}, seed=seed)
        made.prepare()
        splits.append(checkpoint.load(made.folder / "data" / "split.safetensors")["split"])  # type: ignore[index]
    train, held = (set(splits[0][name].tolist()) for name in ("train", "held"))
    assert not train & held
    assert torch.equal(splits[0]["train"], splits[1]["train"])
    assert not torch.equal(splits[0]["train"], splits[2]["train"])


def test_data_of_another_seed_are_refused(bench: Bench) -> None:
    with pytest.raises(StepError, match="another seed"):
        data.opened(Job("images", Step.TRAIN, 1, SMALL, data=str(bench.folder / "data")), Settings.of(SMALL))


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"colour": 1}, "no setting 'colour'"),
        ({"source": "mnist"}, "source is one of"),
        ({"batch": 0}, "at least 1"),
        ({"batch": 2.5}, "whole number"),
        ({"rate": 0.0}, "positive"),
        ({"network": 3}, "something like"),
        ({"train": 1700, "held": 200}, "of 1797"),
        ({"train": 16, "batch": 32}, "to train with"),
    ],
)
def test_settings_that_cannot_be(tmp_path: Path, wrong: dict[str, Setting], told: str) -> None:
    with pytest.raises(StepError, match=told) as caught:
        Bench(tmp_path, {**SMALL, **wrong}, {}).prepare()
    assert caught.value.fault == "user"


@pytest.mark.parametrize("name", ["digits", "cifar10"])
def test_the_ladders_settings_are_known(name: str) -> None:
    for plan in load(name).rungs[2:]:
        own = {k: v for k, v in plan.settings if k not in {"memory_mib", "minutes"}}
        assert Settings.of(own).source == plan.name.removesuffix("-held-out")  # type: ignore[arg-type]


# --- the loss


CROSS_ENTROPY = (
    "import torch\n\n\ndef loss(logits, targets):\n"
    "    return torch.nn.functional.cross_entropy(logits, targets, reduction='none')\n"
)


def test_the_loss_over_an_oracle_is_the_loss_itself() -> None:
    logits = torch.randn(5, 3, generator=torch.Generator().manual_seed(0), requires_grad=True)
    targets = torch.tensor([0, 2, 1, 1, 0])
    here = Here(CROSS_ENTROPY, contract="classification")
    value = OracleClassLoss(here)(logits, targets)
    value.backward()
    own = logits.detach().clone().requires_grad_()
    F.cross_entropy(own, targets).backward()
    assert torch.allclose(value, F.cross_entropy(own, targets))
    assert torch.allclose(logits.grad, own.grad)
    (asked,) = here.asked
    assert isinstance(asked, LabelledBatch)
    assert asked.targets.tolist() == targets.tolist()


def test_logits_that_are_not_finite_ask_nobody() -> None:
    here = Here(CROSS_ENTROPY, contract="classification")
    logits = torch.full((2, 3), float("inf"), requires_grad=True)
    value = OracleClassLoss(here)(logits, torch.tensor([0, 1]))
    value.backward()
    assert torch.isnan(value)
    assert torch.isnan(logits.grad).all()
    assert not here.asked


def test_batches_that_cannot_be_asked() -> None:
    loss = OracleClassLoss(Here(CROSS_ENTROPY, contract="classification"), smallest=3)
    for logits, targets in ((torch.zeros(2, 4), torch.zeros(2)), (torch.zeros(4), torch.zeros(4))):
        with pytest.raises(StepError, match="no batch"):
            loss(logits, targets.long())
    with pytest.raises(StepError, match="more than") as caught:
        loss(torch.zeros(70, 1000), torch.zeros(70).long())
    assert caught.value.fault == "user"


# --- CIFAR-10


@pytest.mark.parametrize("kind", ["bin", "py"])
@pytest.mark.parametrize("inside", [True, False])
def test_real_formats_are_read(tmp_path: Path, kind: str, *, inside: bool) -> None:
    folder = write(tmp_path, kind)
    place = folder if inside else folder / f"cifar-10-batches-{kind}"
    for seed, name in enumerate((*cifar.TRAINING, cifar.TEST)):
        got, classes = cifar.read(place, name)
        pixels, labels = images(12, seed)
        assert got.shape == (12, 3, 32, 32)
        assert np.array_equal(got.reshape(12, -1), pixels)
        assert classes.tolist() == labels


def test_resnet_takes_a_step_on_files_of_the_real_format(tmp_path: Path) -> None:
    inputs = {INPUT: str(write(tmp_path / "files", "bin"))}
    made = Bench(tmp_path / "task", CIFAR, inputs)
    assert made.prepare() == {"images": 60.0, "train": 8.0, "held": 20.0}
    pairs = Known()
    told = made.train(pairs)
    assert pairs.calls == 1
    assert told["finite"] == 1.0
    assert set(made.score()) == {"accuracy", "test_accuracy"}
    assert {*told, "accuracy", "test_accuracy"} == {*Settings.of(CIFAR).declared().metrics, "seconds_per_step"}
    assert Settings.of(CIFAR).declared().inputs == tuple(inputs)
    assert set(Settings.of(SMALL).declared().metrics) == {"finite", "train_accuracy", "accuracy"}


def test_resnet18_is_resnet18() -> None:
    net = network("resnet18", 3, 32, 10)
    layers = [m for m in net.modules() if isinstance(m, (torch.nn.Conv2d, torch.nn.Linear))]
    assert sum(isinstance(m, torch.nn.Linear) or m.kernel_size == (3, 3) for m in layers) == 18
    assert sum(p.numel() for p in net.parameters()) == 11_173_962
    assert net(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


def test_other_images_than_the_prepared_ones_are_refused(tmp_path: Path) -> None:
    files = write(tmp_path / "files", "bin")
    made = Bench(tmp_path / "task", CIFAR, {INPUT: str(files)})
    made.prepare()
    place = files / "cifar-10-batches-bin" / "data_batch_3.bin"
    place.write_bytes(place.read_bytes()[:-1] + b"\x07")
    with pytest.raises(StepError, match="other images"):
        made.train(Known())


def test_nobody_said_where_it_lies(tmp_path: Path) -> None:
    with pytest.raises(StepError, match="nobody said") as caught:
        Bench(tmp_path, CIFAR, {}).prepare()
    assert "--data-dir" in caught.value.remedy
    (tmp_path / "empty").mkdir()
    with pytest.raises(StepError, match="no CIFAR-10 in"):
        Bench(tmp_path / "task", CIFAR, {INPUT: str(tmp_path / "empty")}).prepare()


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return (exec, ("raise SystemExit('it ran')",))


def _wrong_files() -> dict[str, tuple[str, bytes, str]]:
    pixels, labels = images(4, 0)
    good = pickled(pixels, labels)
    return {
        "cut": ("bin", binary(pixels, labels)[:-1], "no whole number"),
        "empty": ("bin", b"", "no whole number"),
        "class": ("bin", binary(pixels, [0, 1, 2, 10]), "class 10"),
        "program": ("py", pickle.dumps({b"data": Evil(), b"labels": labels}), "asks for builtins.exec"),
        "array": ("py", pickled(pixels, labels, array=pickle.dumps(Evil(), 2)[2:-1]), "asks for"),
        "half": ("py", good[: len(good) // 2], "cannot be unpacked"),
        "words": ("py", b"\x80\x02U\x05hello.", "no array"),
        "labels": ("py", pickled(pixels, labels[:3]), "bytes of shape"),
        "numbers": ("py", good.replace(b"U\x02u1", b"U\x02f4"), "bytes of shape"),
        "object": ("py", good.replace(b"U\x02u1", b"U\x02O8"), "bytes of shape"),
    }


@pytest.mark.parametrize("name", list(_wrong_files()))
def test_files_that_are_none(tmp_path: Path, name: str) -> None:
    kind, content, told = _wrong_files()[name]
    folder = write(tmp_path, kind, count=2)
    (folder / f"cifar-10-batches-{kind}" / ("data_batch_1.bin" if kind == "bin" else "data_batch_1")).write_bytes(
        content
    )
    with pytest.raises(StepError, match=told) as caught:
        cifar.read(folder, "data_batch_1")
    assert caught.value.fault == "user"
    assert caught.value.remedy


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    folder = write(tmp_path, "bin", count=2)
    (folder / "cifar-10-batches-bin" / "test_batch.bin").unlink()
    with pytest.raises(StepError, match="test_batch cannot be read"):
        cifar.read(folder, cifar.TEST)


def test_images_move_and_turn() -> None:
    draw = np.random.Generator(np.random.PCG64(0))
    batch = torch.arange(2 * 3 * 32 * 32, dtype=torch.float32).reshape(2, 3, 32, 32) + 1.0
    moved = [fit._augmented(batch, draw) for _ in range(8)]
    assert all(m.shape == batch.shape for m in moved)
    assert len({m.numpy().tobytes() for m in moved}) > 4
