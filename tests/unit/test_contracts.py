"""The contract for classification without a sandbox: signatures, answers, labelled batches."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from in_process import InProcess

from harness.checks.suite import Suite
from harness.cli.check import check_command
from harness.core.candidate import Candidate
from harness.core.contract import CLASSIFICATION, CONTRACTS, PREFERENCE
from harness.core.domain import Domain
from harness.core.errors import CandidateFault, UserError
from harness.core.profiles import DEFAULTS, load, profile_for
from harness.property_tests.classification import PROPERTY_MODULES, PROPERTY_RULES
from harness.property_tests.classification.strategies import REACH
from harness.protocol.batch import Answer, Complaint
from harness.protocol.batch_types import LabelledBatch, read_batch
from harness.screen import screen
from harness.subject.classification.classifier import Classifier

if TYPE_CHECKING:
    from harness.core.program import Program

BATCH = LabelledBatch(np.array([[1.0, -2.0, 0.5], [0.25, 3.0, -1.0]], dtype=np.float32), np.array([2, 1]))
BODY = "    return torch.nn.functional.cross_entropy({logits}, {targets}, reduction='none')\n"


def screened(text: str, **options: Any) -> Program:
    data = text.encode()
    candidate = Candidate("loss.py", data, hashlib.sha256(data).hexdigest())
    return screen(candidate, contract="classification", **options)


def called(program: Program, batch: LabelledBatch = BATCH, *, echo: bool = False) -> Answer | Complaint:
    """What the sandbox's worker answers to a batch, in this process."""
    return InProcess(program).ask([batch], echo=echo)[0]


# --- signatures


@pytest.mark.parametrize(
    "signature",
    [
        "logits, targets",
        "outputs, labels",
        "y_pred, y_true",
        "a, b",
        "logits, y",
        "*, targets, logits",
        "targets, logits",
        "logits, targets, weight=None",
    ],
)
@pytest.mark.parametrize("policy", [True, False])
def test_ways_to_take_them(signature: str, *, policy: bool) -> None:
    names = [n.strip() for n in signature.replace("*,", "").split(",")][:2]
    logits, targets = names if names[0] != "targets" else names[::-1]
    program = screened(f"def loss({signature}):\n" + BODY.format(logits=logits, targets=targets), policy=policy)
    answer = called(program)
    assert isinstance(answer, Answer)
    wanted = torch.nn.functional.cross_entropy(
        torch.from_numpy(BATCH.logits), torch.from_numpy(BATCH.targets), reduction="none"
    )
    assert answer.shape == (2,)
    assert answer.values.tolist() == wanted.tolist()


@pytest.mark.parametrize(
    ("signature", "rule", "told"),
    [
        ("logits", "S109", "does not take targets"),
        ("logits, targets, weight", "S109", "offers logits, targets"),
        ("logits, output, targets", "S109", "both mean logits"),
        ("self, logits, targets", "S109", "self"),
        ("policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps", "S109", ""),
    ],
)
def test_ways_that_are_none(signature: str, rule: str, told: str) -> None:
    with pytest.raises(CandidateFault) as caught:
        screened(f"def loss({signature}):\n    return 1\n")
    (finding,) = caught.value.findings
    assert finding.rule == rule
    assert told in finding.message


def test_a_loss_is_found_among_helpers() -> None:
    text = (
        "def helper(logits):\n    return logits\n\n\ndef my_loss(logits, targets):\n    return helper(logits).sum()\n"
    )
    assert screened(text).name == "my_loss"
    with pytest.raises(CandidateFault, match="logits and targets"):
        screened("def one():\n    return 1\n\n\ndef two():\n    return 2\n")


def test_the_other_contract_is_as_it_was() -> None:
    assert CONTRACTS["preference"].arguments == PREFERENCE.arguments
    data = b"def loss(logits, targets):\n    return logits\n"
    with pytest.raises(CandidateFault, match="policy_chosen_logps"):
        screen(Candidate("loss.py", data, hashlib.sha256(data).hexdigest()))


# --- answers


def test_the_shape_is_the_losses_own() -> None:
    shapes = {
        "logits.sum()": (),
        "logits.sum(dim=1)": (2,),
        "logits": (2, 3),
        "logits.reshape(-1)": (6,),
        "logits.sum(dim=1, keepdim=True)": (2, 1),
        "logits.sum(dim=0)": (3,),
    }
    for expression, shape in shapes.items():
        answer = called(screened(f"def loss(logits, targets):\n    return {expression}\n"))
        assert isinstance(answer, Answer)
        assert answer.shape == shape, expression
        assert answer.gradient.shape == (BATCH.logits.shape if shape in {(), (2,)} else (0,)), expression


def test_the_gradient_is_that_of_the_mean_over_examples() -> None:
    answer = called(screened("def loss(logits, targets):\n" + BODY.format(logits="logits", targets="targets")))
    assert isinstance(answer, Answer)
    logits = torch.from_numpy(BATCH.logits).requires_grad_()
    torch.nn.functional.cross_entropy(logits, torch.from_numpy(BATCH.targets)).backward()
    assert logits.grad is not None
    assert np.allclose(answer.gradient, logits.grad.numpy(), rtol=1e-6)


def test_what_is_no_tensor_is_complained_of() -> None:
    answer = called(screened("def loss(logits, targets):\n    return [1.0]\n"))
    assert isinstance(answer, Complaint)
    assert answer.status == "wrong-output"


@pytest.mark.parametrize(
    ("line", "place", "changed"), [("logits.mul_(2.0)", 0, True), ("targets.add_(1)", 1, True), ("pass", 1, False)]
)
def test_writes_can_be_seen(line: str, place: int, *, changed: bool) -> None:
    program = screened(f"def loss(logits, targets):\n    {line}\n    return logits.sum()\n")
    answer = called(program, echo=True)
    assert isinstance(answer, Answer)
    assert answer.echo is not None
    assert (answer.echo[place].tobytes() != BATCH.tensors[place].tobytes()) is changed


def test_a_candidate_may_take_any_other_name() -> None:
    text = "torch = None\ntype = int\nlen = None\n\n\ndef loss(logits, targets):\n    return logits.sum()\n"
    answer = called(screened(text, policy=False))
    assert isinstance(answer, Answer)
    assert answer.mean == pytest.approx(1.75)


# --- labelled batches


def test_there_and_back() -> None:
    sizes = BATCH.sizes
    assert sizes == (2, 3)
    again = read_batch(CLASSIFICATION, BATCH.dtype, sizes, BATCH.scalars, BATCH.raw)
    assert isinstance(again, LabelledBatch)
    assert np.array_equal(again.logits, BATCH.logits)
    assert np.array_equal(again.targets, BATCH.targets)
    assert again.targets.dtype == np.int64
    for raw in (BATCH.raw[:-1], BATCH.raw + b"0"):
        with pytest.raises(ValueError, match=r"bytes|buffer"):
            read_batch(CLASSIFICATION, BATCH.dtype, sizes, BATCH.scalars, raw)


def test_classes_by_other_names() -> None:
    other = BATCH.renamed(np.array([2, 0, 1]))
    rows = np.arange(2)
    assert np.array_equal(other.logits[rows, other.targets], BATCH.logits[rows, BATCH.targets])
    assert sorted(other.logits[0]) == sorted(BATCH.logits[0])


@pytest.mark.parametrize(
    ("logits", "targets"),
    [(np.zeros((2, 1)), [0, 0]), (np.zeros(3), [0]), (np.zeros((2, 3)), [0]), (np.zeros((1, 3)), [3])],
)
def test_what_is_no_labelled_batch(logits: np.ndarray, targets: list[int]) -> None:
    with pytest.raises(ValueError, match=r"shape|same N|two classes|whole numbers"):
        LabelledBatch(logits, np.array(targets))


# --- profiles and the command


def test_its_profile() -> None:
    profile = load(DEFAULTS["classification"])
    assert profile.contract == CLASSIFICATION.name
    assert set(profile.properties) == {rule.id for rule in PROPERTY_RULES}
    assert len(profile.properties) == len(PROPERTY_MODULES)
    assert profile.domain.reach == REACH


def test_a_profile_and_a_contract_go_together() -> None:
    assert profile_for(None, None) == DEFAULTS["preference"]
    assert profile_for("classification", None) == DEFAULTS["classification"]
    assert profile_for(None, "classification-2026.1") == "classification-2026.1"
    with pytest.raises(UserError, match="is for the contract preference"):
        profile_for("classification", "2026.1")


def test_the_command(tmp_path: Any) -> None:
    file = tmp_path / "loss.py"
    file.write_text("def loss(logits, targets):\n    return logits.sum()\n", "utf-8")
    runner = CliRunner()
    for named in (["--contract", "classification"], ["--profile", "classification-2026.1"]):
        assert runner.invoke(check_command, ["--static", "--screened-ok", *named, str(file)]).exit_code == 0
    assert runner.invoke(check_command, ["--static", "--screened-ok", str(file)]).exit_code == 1


def test_it_has_no_parameters_that_are_tuned() -> None:
    text = 'PARAMS = {"tau": (0.1, 1.0)}\n\n\ndef loss(logits, targets, tau=0.5):\n'
    with pytest.raises(CandidateFault) as raised:
        screened(text + BODY.format(logits="logits / tau", targets="targets"))
    (finding,) = raised.value.findings
    assert finding.rule == "S117"
    assert "classification" in finding.message


@pytest.mark.whole
@pytest.mark.parametrize("reach", [100.0, 20.0])
def test_a_narrower_domain_narrows_the_logits_that_are_asked(monkeypatch: pytest.MonkeyPatch, reach: float) -> None:
    profile, domain, most = load(DEFAULTS["classification"]), Domain(reach=reach), [0.0]
    monkeypatch.setattr(type(profile), "domain", property(lambda _: domain))

    class Recording(InProcess):
        def ask(self, batches, **named):
            most.append(max(float(np.abs(batch.logits).max()) for batch in batches))
            return super().ask(batches, **named)

        def alone(self, batches):
            return self.ask(batches)

    text = f"import torch\n\ndef loss(logits, targets):\n{BODY.format(logits='logits', targets='targets')}"
    program = screen(Candidate("loss.py", text.encode(), "0" * 64), contract="classification")

    suite = Suite(profile, 0)
    assert not suite(Classifier(Recording(program), domain)).findings
    assert reach * 0.99 <= max(most) <= reach + 0.5
