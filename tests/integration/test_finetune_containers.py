"""The fine-tune with everything real: trl in the trainer's container, alone and as two ranks with a sandbox each."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING, Any

import pytest
from finetune_project import SETTINGS, write_inputs

from harness.checks.checker import Checker
from harness.checks.options import Options
from harness.checks.static import screened_text
from harness.containers.engine import remove_labelled
from harness.core.candidate import Candidate
from harness.core.errors import CandidateFault, InfrastructureError
from harness.images.build import build
from harness.ladder.measuring import served
from harness.ladder.plan import RungPlan
from harness.losses import source_text
from harness.protocol.job import Progress, Step
from harness.training.container import Containers
from harness.training.rung import TrainingService

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


pytestmark = [pytest.mark.container, pytest.mark.rest]

#: Fails at a margin that only a training reaches.
LATE = source_text("dpo").replace("    return", "    torch.zeros(4)[4 * int(rho.max() > 1e-4)]\n    return")


class Place:
    """A project whose inputs are a model and a preference set in the hub's formats, made here."""

    def __init__(self, folder: Path, checker: Checker, image: str) -> None:
        self.checker, self.folder, self.settings = checker, folder, SETTINGS
        write_inputs(folder, 56)
        self.labels = {"harness.run": f"test/{secrets.token_hex(4)}"}
        self.trainings = TrainingService(
            folder, Containers(checker.engine, image, labels=tuple(self.labels.items())), keep=True
        )
        self.samples = b""

    def measure(self, text: str, say: Any = lambda _, __: None, **settings: Any) -> dict[str, float]:
        told = tuple({**self.settings, **settings}.items())
        plan = RungPlan("finetune", "finetune", "cpu", "dpo", told, None, ask_a_person=False)
        one = screened_text(Candidate("loss.py", text.encode(), secrets.token_hex(32)))

        def sampled(data: bytes) -> None:
            self.samples = data

        return self.trainings.measure(
            lambda _, seconds: served(self.checker, one, self.labels, seconds),
            plan,
            3,
            secrets.token_hex(8),
            say=say,
            sampled=sampled,
        )

    def containers(self) -> list[str]:
        (label,) = self.labels.items()
        found = self.checker.engine.client.containers(all=True, filters={"label": ["=".join(label)]})
        return [self.checker.engine.describe(entry["Id"])["Config"]["Hostname"] for entry in found]

    def weights(self) -> list[Path]:
        return sorted(self.folder.glob("training/*/weights/*.safetensors"))


@pytest.fixture
def place(tmp_path: Path, sandbox_image: Any) -> Iterator[Place]:
    del sandbox_image
    checker = Checker.open(Options(gpu="none"))
    made = Place(tmp_path, checker, build("trainer-cpu").image.digest)
    try:
        yield made
    finally:
        remove_labelled(checker.engine, next(iter(made.labels.items())))
        checker.engine.close()


def test_two_ranks_in_a_container_ask_a_sandbox_each_and_come_to_what_one_comes_to(place: Place) -> None:
    from safetensors.torch import load_file

    seen: list[list[str]] = []

    def look(step: Step, progress: Progress) -> None:
        if step is Step.TRAIN and 0 < progress.done < progress.total:
            seen.append(place.containers())

    text = source_text("dpo")
    alone = place.measure(text, look, batch=4)
    (one,) = place.weights()
    assert max(len(names) for names in seen) == 2
    assert alone["finite"] == 1.0
    assert len([json.loads(line) for line in place.samples.splitlines()]) > 0
    seen.clear()
    both = place.measure(text, look, batch=2, processes=2)
    assert max(len(names) for names in seen) == 3, "a trainer, and a sandbox for each rank"
    assert max(names.count("trainer") for names in seen) == 1
    (two,) = [path for path in place.weights() if path != one]
    first, second = load_file(one), load_file(two)
    assert max(float((first[name] - second[name]).abs().max()) for name in first) < 1e-4
    assert both["accuracy"] == pytest.approx(alone["accuracy"], abs=0.1)
    assert not place.containers()


def test_a_candidate_that_fails_at_one_of_two_ranks_is_at_fault(place: Place) -> None:
    with pytest.raises(CandidateFault) as raised:
        place.measure(LATE, batch=2, processes=2)
    assert raised.value.findings[0].rule == "W202"
    assert not place.containers()


def test_a_sandbox_that_is_killed_is_nobodys_fault_but_ours(place: Place) -> None:
    def kill(step: Step, progress: Progress) -> None:
        if step is Step.TRAIN and progress.done >= 1:
            (label,) = place.labels.items()
            for entry in place.checker.engine.client.containers(filters={"label": ["=".join(label)]}):
                if place.checker.engine.describe(entry["Id"])["Config"]["Hostname"] != "trainer":
                    place.checker.engine.remove(entry["Id"])
                    return

    with pytest.raises(InfrastructureError, match=r"outside|sandbox|ended"):
        place.measure(source_text("dpo"), kill, batch=2, processes=2, epochs=12.0)
    assert not place.containers()
