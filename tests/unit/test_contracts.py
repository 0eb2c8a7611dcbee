"""The contract for classification without a sandbox: signatures, our lines behind the candidate's, labelled batches."""

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
from harness.core.contract import ARGUMENTS, CLASSIFICATION, CONTRACTS
from harness.core.domain import Domain
from harness.core.errors import CandidateFault, UserError
from harness.core.profiles import DEFAULTS, load, profile_for
from harness.property_tests.classification import PROPERTY_MODULES, PROPERTY_RULES
from harness.property_tests.classification.strategies import REACH
from harness.protocol.batch import Answer
from harness.sandbox import guards
from harness.screen import screen
from harness.screen.classification import ENTRY
from harness.subject.classification.batch import Labelled, Marks, own_shape
from harness.subject.classification.classifier import Classifier

if TYPE_CHECKING:
    from harness.core.contract import Program

BATCH = Labelled(np.array([[1.0, -2.0, 0.5], [0.25, 3.0, -1.0]], dtype=np.float32), np.array([2, 1]))
BODY = "    return torch.nn.functional.cross_entropy({logits}, {targets}, reduction='none')\n"


def screened(text: str, **options: Any) -> Program:
    data = text.encode()
    candidate = Candidate("loss.py", data, hashlib.sha256(data).hexdigest())
    return screen(candidate, contract="classification", **options)


def called(program: Program, batch: Labelled = BATCH) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """What the sandbox's worker does with a program, in this process: the output, and the vectors afterwards."""
    scope: dict[str, Any] = guards.namespace(program.guarded)
    exec(compile(program.text, "<candidate>", "exec", dont_inherit=True), scope)  # noqa: S102 - a text of this file
    vectors = [torch.from_numpy(np.array(v)) for v in batch.pairs.vectors[:4]]
    names = ("policy_chosen_logps", "policy_rejected_logps", "reference_chosen_logps", "reference_rejected_logps")
    offered = dict(zip(names, vectors, strict=True))
    return scope[program.plan.entry](*(offered[name] for name in program.plan.positional)), vectors


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
    output, _ = called(program)
    wanted = torch.nn.functional.cross_entropy(
        torch.from_numpy(BATCH.logits), torch.from_numpy(BATCH.targets), reduction="none"
    )
    assert torch.equal(output, wanted.repeat_interleave(3))


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
    assert CONTRACTS["preference"].arguments == ARGUMENTS
    data = b"def loss(logits, targets):\n    return logits\n"
    with pytest.raises(CandidateFault, match="policy_chosen_logps"):
        screen(Candidate("loss.py", data, hashlib.sha256(data).hexdigest()))


# --- our own lines


def test_scalars_and_other_shapes_are_told_apart() -> None:
    shapes = {
        "logits.sum()": (),
        "logits.sum(dim=1)": (6,),
        "logits": (1, 2, 3),
        "logits.reshape(-1)": (1, 6),
        "logits.sum(dim=1, keepdim=True)": (1, 2, 1),
        "logits.sum(dim=0)": (1, 3),
    }
    for expression, shape in shapes.items():
        output, _ = called(screened(f"def loss(logits, targets):\n    return {expression}\n"))
        assert tuple(output.shape) == shape, expression


def test_what_is_no_tensor_is_handed_on() -> None:
    assert called(screened("def loss(logits, targets):\n    return [1.0]\n"))[0] == [1.0]


@pytest.mark.parametrize(
    ("line", "place", "changed"), [("logits.mul_(2.0)", 0, True), ("targets.add_(1)", 2, True), ("pass", 2, False)]
)
def test_writes_can_be_seen(line: str, place: int, *, changed: bool) -> None:
    _, after = called(screened(f"def loss(logits, targets):\n    {line}\n    return logits.sum()\n"))
    assert (after[place].numpy().tobytes() != BATCH.pairs.vectors[place].tobytes()) is changed


@pytest.mark.parametrize("policy", [True, False])
def test_lines_stay_the_candidates_own(*, policy: bool) -> None:
    text = "\n\ndef loss(logits, targets):\n    '''Two\n    lines.'''\n    return logits.sum()"
    program = screened(text, policy=policy)
    count = program.text.count("\n") + 1
    lines = [program.line(i) for i in range(1, count + 1)]
    assert 6 in lines
    assert max(lines) <= 6
    assert lines[-1] == 0
    assert program.source == text


def test_a_candidate_may_take_any_other_name() -> None:
    text = "torch = None\ntype = int\nlen = None\n\n\ndef loss(logits, targets):\n    return logits.sum()\n"
    program = screened(text, policy=False)
    assert program.plan.entry == ENTRY
    assert float(called(program)[0]) == pytest.approx(1.75)


# --- labelled batches


def test_there_and_back() -> None:
    again = Labelled.of_pairs(BATCH.pairs)
    assert np.array_equal(again.logits, BATCH.logits)
    assert np.array_equal(again.targets, BATCH.targets)
    assert again.targets.dtype == np.int64


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
    with pytest.raises(ValueError, match="target"):
        Labelled(logits, np.array(targets))


def answer(values: list[float], shape: tuple[int, ...]) -> Answer:
    gradient = np.arange(6.0, dtype=np.float32)
    kind = np.dtype(np.float32)
    return Answer(shape, kind, np.array(values, dtype=np.float32), gradient, 0 * gradient, detached=False)


def test_reading_answers() -> None:
    marks = Marks.of_answer(answer([1.0] * 3 + [3.0] * 3, (6,)), BATCH)
    assert marks is not None
    assert marks.values.tolist() == [1.0, 3.0]
    assert marks.mean == 2.0
    assert marks.gradient.tolist() == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]
    assert Marks.of_answer(answer([1.0, 1.0, 1.5] + [3.0] * 3, (6,)), BATCH) is None
    reduced = Marks.of_answer(answer([2.0], ()), BATCH)
    assert reduced is not None
    assert reduced.reduced
    assert own_shape(answer([], (1, 2, 3))) == (2, 3)


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
            most.append(max(float(np.abs(batch.policy_chosen).max()) for batch in batches))
            return super().ask(batches, **named)

        def alone(self, batches):
            return self.ask(batches)

    text = f"import torch\n\ndef loss(logits, targets):\n{BODY.format(logits='logits', targets='targets')}"
    program = screen(Candidate("loss.py", text.encode(), "0" * 64), contract="classification")

    suite = Suite(profile, 0)
    assert not suite(Classifier(Recording(program), domain)).findings
    assert reach * 0.99 <= max(most) <= reach + 0.5
