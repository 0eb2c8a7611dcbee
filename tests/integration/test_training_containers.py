"""A training with everything real: the candidate in its sandbox, the trainer and the scorer in containers of theirs."""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness.checks.checker import Checker
from harness.checks.options import Options
from harness.checks.static import screened_text
from harness.containers.engine import remove_labelled
from harness.core.candidate import Candidate
from harness.core.errors import CandidateFault, InfrastructureError
from harness.images.build import build
from harness.ladder.measuring import served
from harness.ladder.plan import RungPlan
from harness.protocol.job import Progress, Step
from harness.training.container import Containers
from harness.training.process import Processes
from harness.training.rung import TrainingService

if TYPE_CHECKING:
    from collections.abc import Iterator


pytestmark = [pytest.mark.container, pytest.mark.rest]

UNIT = Path(__file__).parent.parent / "unit" / "trainer"
DPO = """
import torch.nn.functional as F

def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return -F.logsigmoid(beta * rho)
"""
#: Fails at the beta of the training alone, which nobody asked before.
LATE = DPO.replace("    rho =", "    torch.zeros(16)[16 * (beta > 0.4)]\n    rho =").replace(
    "import torch.nn", "import torch\nimport torch.nn"
)


@pytest.fixture(scope="session")
def trainer_image() -> str:
    """The trainer image, built where it is missing."""
    return build("trainer-cpu").image.digest


class Place:
    """A project's folder, a checker, and trainings in containers that run the tiny task of the unit tests."""

    def __init__(self, folder: Path, checker: Checker, image: str) -> None:
        self.folder, self.checker = folder, checker
        self.labels = {"harness.run": f"test/{secrets.token_hex(4)}"}
        self.where = Containers(checker.engine, image, labels=tuple(self.labels.items()))
        self.trainings = TrainingService(folder, self.where, keep=True)
        (folder / "inputs.toml").write_text(f'tiny = "{UNIT / "tiny.py"}"\n')

    def measure(self, name: str, text: str = DPO, say: Any = None, **settings: Any) -> dict[str, float]:
        plan = RungPlan(
            "tiny", "tiny", "cpu", "dpo", tuple({"steps": 20, **settings}.items()), None, ask_a_person=False
        )
        one = screened_text(Candidate("loss.py", text.encode(), name.ljust(64, "0")))
        return self.trainings.measure(
            lambda _, seconds: served(self.checker, one, self.labels, seconds),
            plan,
            0,
            name,
            say=say or (lambda _, __: None),
        )

    def containers(self) -> list[dict[str, Any]]:
        (label,) = self.labels.items()
        found = self.checker.engine.client.containers(all=True, filters={"label": ["=".join(label)]})
        return [self.checker.engine.describe(entry["Id"]) for entry in found]

    def weights(self) -> set[bytes]:
        return {path.read_bytes() for path in self.folder.glob("training/*/weights/policy.safetensors")}


@pytest.fixture
def place(tmp_path: Path, sandbox_image: Any, trainer_image: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    del sandbox_image
    tiny = ["python3", "-s", "-P", "-B", "-u", "/inputs/0/tiny.py"]
    monkeypatch.setattr("harness.containers.trainer_request.COMMAND", tiny)
    checker = Checker.open(Options(gpu="none"))
    made = Place(tmp_path, checker, trainer_image)
    try:
        yield made
    finally:
        remove_labelled(checker.engine, next(iter(made.labels.items())))
        checker.engine.close()


def test_a_training_in_containers_killed_and_gone_on_with(place: Place) -> None:
    seen: list[tuple[Step, dict[str, Any]]] = []

    def look(step: Step, progress: Progress) -> None:
        if progress.done == 1:
            seen.extend((step, entry) for entry in place.containers())

    whole = place.measure("whole", say=look, pause=0.2)
    assert whole["finite"] == 1.0
    assert whole["accuracy"] > 0.9
    trainers = [entry for _, entry in seen if entry["Config"]["Hostname"] == "trainer"]
    assert len({entry["Id"] for entry in trainers}) == 3  # none is used twice
    for entry in trainers:
        assert entry["NetworkSettings"]["IPAddress"] == ""
        assert {m["Destination"] for m in entry["Mounts"] if m["RW"]} == {"/out"}
    # The scorer is alone: by then the candidate's sandbox is gone, and no socket is mounted.
    scorers = [entry for step, entry in seen if step is Step.SCORE]
    assert [m["Destination"] for m in scorers[0]["Mounts"] if m["Destination"] == "/oracle"] == []
    assert len(scorers) == 1
    assert not place.containers()

    def kill(step: Step, progress: Progress) -> None:
        if step is Step.TRAIN and progress.done >= 7:
            for entry in place.containers():
                if entry["Config"]["Hostname"] == "trainer":
                    place.checker.engine.remove(entry["Id"])

    with pytest.raises(InfrastructureError, match=r"from outside|exit code"):
        place.measure("killed", say=kill, pause=0.2)
    assert not place.containers()
    again = place.measure("killed", pause=0.2)
    assert again.pop("began") >= 5.0
    assert again == {k: v for k, v in whole.items() if k != "began"}
    assert len(place.weights()) == 1


def test_a_candidate_that_fails_in_training_is_at_fault(place: Place) -> None:
    with pytest.raises(CandidateFault) as raised:
        place.measure("late", LATE)
    assert raised.value.findings[0].rule == "W202"
    assert not place.containers()


def test_containers_and_a_process_of_the_host_train_to_the_same_bits(place: Place, tmp_path: Path) -> None:
    """The trainer has its instructions pinned in both, and the candidate answers from a sandbox."""
    place.measure("one")
    folder = tmp_path / "here"
    folder.mkdir()
    here = Place(folder, place.checker, "")
    here.trainings = TrainingService(folder, Processes((sys.executable, "-P", "-u", str(UNIT / "tiny.py"))), keep=True)
    here.measure("one")
    assert here.weights()
    assert place.weights() == here.weights()


def test_the_sweep_of_the_dead_takes_trainers_too(place: Place) -> None:
    from harness.containers.engine import sweep
    from harness.containers.request import OWNER_LABEL, owner
    from harness.containers.trainer_request import TrainerLimits, trainer_request

    boot = owner().partition(":")[0]
    body = trainer_request(
        place.where.identity.removeprefix("container:"),
        TrainerLimits(),
        (),
        "/job/job.json",
        user=f"{os.getuid() or 65532}",
        labels=tuple(place.labels.items()),
    )
    body["Labels"][OWNER_LABEL] = f"{boot}:1:0"  # process 1 did not start then
    container = place.checker.engine.create(body).container
    assert sweep(place.checker.engine) >= 1
    assert place.checker.engine.state(container) == {}
