"""The oracle in a real container: right numbers, fresh forks, optional inputs, output kept apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hostile import DPO, SIGNATURE, loss
from reference_formulas import FORMULAS, Pairs, sample_pairs
from support import ROOT

from harness.core.errors import CandidateFault, SandboxLostError
from harness.losses import CATALOGUE, Entry, source_text
from harness.protocol.batch import Answer, Complaint
from harness.protocol.batch_types import PairBatch
from harness.subject.batches import batch_of, plain

if TYPE_CHECKING:
    from support import Sandboxes

pytestmark = pytest.mark.container

BETAS = (0.025, 0.1, 0.5, 1.0)


def as_batch(pairs: Pairs, dtype: type[np.floating]) -> PairBatch:
    vectors = (pairs.pc, pairs.pr, pairs.rc, pairs.rr, pairs.chosen_lengths, pairs.rejected_lengths)
    return PairBatch.of((v.astype(dtype) for v in vectors), pairs.beta)


@pytest.mark.rest
@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda e: e.name)
def test_the_catalogue_answers_as_its_formulas_say(sandboxes: Sandboxes, entry: Entry) -> None:
    draws = [sample_pairs(32, beta) for beta in BETAS]
    with sandboxes.opened(source_text(entry.name)) as oracle:
        for dtype in (np.float32, np.float64):
            answers = oracle.answers([as_batch(pairs, dtype) for pairs in draws])
            for pairs, answer in zip(draws, answers, strict=True):
                assert answer.dtype == dtype
                assert answer.shape == (32,)
                assert answer.values == pytest.approx(FORMULAS[entry.name](pairs), rel=1e-5, abs=1e-6)
                assert answer.finite_gradients


def test_gradients_are_those_of_the_weighted_sum(sandboxes: Sandboxes) -> None:
    beta, pairs = 0.3, 8
    batch = batch_of(np.linspace(-4, 4, pairs), beta, dtype=np.float64)
    x = beta * batch.rho
    slope = -beta / (1 + np.exp(x))
    parts = (1, 2, 5)
    weights = np.repeat([1.0, 1 / 2, 1 / 5], parts)
    with sandboxes.opened(DPO) as oracle:
        (even,) = oracle.answers([batch])
        (uneven,) = oracle.answers([batch], parts=[parts])
        (single,) = oracle.answers([batch.astype(np.float32)])
    assert even.values == pytest.approx(np.logaddexp(0, -x), rel=1e-12)
    assert even.grad_chosen == pytest.approx(slope / pairs, rel=1e-12)
    assert even.grad_rejected == pytest.approx(-slope / pairs, rel=1e-12)
    assert uneven.grad_chosen == pytest.approx(slope * weights, rel=1e-12)
    assert uneven.values.tobytes() == even.values.tobytes()
    assert single.grad_chosen == pytest.approx(slope / pairs, rel=1e-4)
    assert single.grad_chosen.dtype == np.float32


def test_a_scalar_is_one_value_with_the_gradients_of_the_mean(sandboxes: Sandboxes) -> None:
    batch = batch_of([1.0, -2.0, 0.5], 0.3, dtype=np.float64)
    with sandboxes.opened(DPO) as each, sandboxes.opened(DPO.replace("rho)\n", "rho).mean()\n")) as one:
        values, scalar = each.answer(batch), one.answer(batch)
    assert scalar.shape == ()
    assert scalar.values == pytest.approx([values.mean], rel=1e-12)
    assert scalar.grad_chosen == pytest.approx(values.grad_chosen, rel=1e-12)


def test_optional_inputs_really_arrive(sandboxes: Sandboxes) -> None:
    text = f"def loss({SIGNATURE}, chosen_lengths, rejected_lengths, progress):\n"
    text += "    attached = 0.0 * (policy_chosen_logps + policy_rejected_logps)\n"
    text += "    return attached + chosen_lengths + 1000.0 * rejected_lengths + 0.25 * progress + 1e7 * beta\n"
    batch = PairBatch.of(
        [*plain([1.0, 2.0], 0.5).astype(np.float64).tensors[:4], np.array([3.0, 5.0]), np.array([7.0, 11.0])],
        0.5,
        progress=1.0,
    )
    with sandboxes.opened(text) as oracle:
        assert oracle.answer(batch).values.tolist() == [5007003.25, 5011005.25]


def test_the_four_vectors_arrive_in_their_places(sandboxes: Sandboxes) -> None:
    text = f"def loss({SIGNATURE}):\n    return (policy_chosen_logps + 10 * policy_rejected_logps"
    text += " + 100 * reference_chosen_logps + 1000 * reference_rejected_logps)\n"
    vectors = [np.array([-float(k)]) for k in (1, 2, 3, 4)]
    with sandboxes.opened(text) as oracle:
        answer = oracle.answer(PairBatch.of([*vectors, np.ones(1), np.ones(1)], 0.1))
    assert answer.values.tolist() == [-4321.0]
    assert (answer.grad_chosen.tolist(), answer.grad_rejected.tolist()) == ([1.0], [10.0])


METHOD = DPO.replace("def loss(", "def loss(self, ").replace(", beta)", ")").replace("-beta", "-self.beta")
LAMBDA = (
    "import torch.nn.functional as F\nloss = lambda pc, pr, rc, rr, beta: F.softplus(-beta * ((pc - pr) - (rc - rr)))\n"
)
POSITIONS = "def loss(a, b, c, d, beta=0.1):\n    return F.softplus(-beta * ((a - b) - (c - d)))\n"
KEYWORDS = "def loss(*, beta, rr, rc, pr, pc, tau=1.0):\n    return F.softplus(-beta * tau * ((pc - pr) - (rc - rr)))\n"
ALIASES = (
    "def loss(chosen_logps, rejected_logps, ref_chosen_logps, ref_rejected_logps, beta: float):\n"
    "    margin: torch.Tensor = (chosen_logps - rejected_logps) - (ref_chosen_logps - ref_rejected_logps)\n"
    "    return -F.logsigmoid(beta * margin)\n"
)
REPLY = (
    '```json\n{"thought": "raw\nnewlines and \\sigma", "name": "mine", "code": "'
    + METHOD.replace('"', '\\"')
    + '"}\n```\n'
)
PROSE = f"Here is my loss, which should do well:\n\n```python\n{DPO}```\n\nIt is DPO.\n"
HELPERS = (
    "import math\nSCALE: float = math.exp(0)\n\ndef margin(pc, pr, rc, rr):\n    return (pc - pr) - (rc - rr)\n\n"
    "def _outer(z):\n    match z.dim():\n        case 1:\n            return F.softplus(-z)\n"
    "        case _:\n            return z\n\n"
    "def loss(pc, pr, rc, rr, beta):\n    return _outer(SCALE * beta * margin(pc, pr, rc, rr))\n"
)
DIALECTS = {
    "function": DPO,
    "method": METHOD,
    "lambda": LAMBDA,
    "positions": POSITIONS,
    "keywords": KEYWORDS,
    "aliases": ALIASES,
    "reply": REPLY,
    "prose": PROSE,
    "helpers": HELPERS,
}


@pytest.mark.rest
@pytest.mark.parametrize("name", DIALECTS)
def test_every_dialect_is_called_with_what_it_names(sandboxes: Sandboxes, name: str) -> None:
    batch = batch_of([1.0, -2.5, 8.0], 0.37, dtype=np.float64)
    with sandboxes.opened(DIALECTS[name]) as oracle:
        answer = oracle.answer(batch)
    assert answer.values == pytest.approx(np.logaddexp(0, -0.37 * batch.rho), rel=1e-12)
    assert answer.grad_chosen == pytest.approx(-0.37 / (1 + np.exp(0.37 * batch.rho)) / 3, rel=1e-12)


def test_an_entry_can_be_chosen(sandboxes: Sandboxes) -> None:
    text = DPO + DPO.replace("def loss", "def other").replace("-beta", "-2 * beta")
    with pytest.raises(CandidateFault) as caught, sandboxes.opened(text):
        pass
    assert caught.value.findings[0].rule == "S108"
    batch = plain([1.0], 0.5, dtype=np.float64)
    with sandboxes.opened(text, entry="other") as oracle:
        assert oracle.answer(batch).values == pytest.approx(np.logaddexp(0, -batch.rho), rel=1e-12)


COUNTING = loss(
    "CALLS.append(1)\nprint(len(CALLS))", top="CALLS = []", ending="return F.softplus(-beta * rho) + len(CALLS)"
)


def test_a_fresh_fork_shares_nothing_with_the_one_before(sandboxes: Sandboxes) -> None:
    batch = plain([0.0], 0.1, dtype=np.float64)
    with sandboxes.opened(COUNTING, policy=False) as oracle:
        first = [oracle.answer(batch).mean for _ in range(3)]
        oracle.fresh()
        second = [oracle.answer(batch).mean for _ in range(2)]
        (third,) = oracle.answers([batch])
    assert np.diff(first).tolist() == [1.0, 1.0]
    assert second == first[:2]
    assert third.mean == first[2]


def test_a_fork_undoes_what_its_candidate_did_to_the_process(sandboxes: Sandboxes) -> None:
    body = """
    torch.set_default_dtype(torch.float64)
    torch.nn.functional.softplus = lambda x: x * 0
    """
    batch = plain([0.0], 0.1)
    with sandboxes.opened(
        loss(body, ending="return torch.nn.functional.softplus(-beta * rho)"), policy=False
    ) as oracle:
        assert oracle.answer(batch).mean == 0.0
    with sandboxes.opened(loss("", ending="return torch.nn.functional.softplus(-beta * rho)"), policy=False) as oracle:
        assert oracle.answer(batch).mean == pytest.approx(np.log(2.0))


def test_what_it_prints_is_kept_apart_and_capped(sandboxes: Sandboxes) -> None:
    text = loss('print("on stdout", beta)\nprint("on stderr", file=sys.stderr)\nos.write(1, b"raw" + bytes(3))')
    with sandboxes.opened(text, policy=False) as oracle:
        answer = oracle.answer(plain([1.0], 0.25, dtype=np.float64))
        for _ in range(400):
            oracle.answer(plain([1.0], 0.25))
        oracle.finish()
        printed = oracle.output
    assert answer.mean == pytest.approx(np.log1p(np.exp(-0.25)))
    assert {"on stdout 0.25", "on stderr"} <= set(printed.replace("raw\0\0\0", "\n").split("\n"))
    assert len(printed.encode()) == 4096


def test_an_exception_is_a_complaint_with_its_line_and_the_fork_lives_on(sandboxes: Sandboxes) -> None:
    text = loss("if beta > 0.5:\n    raise ValueError('too warm \\x1b[31m')")
    with sandboxes.opened(text, policy=False) as oracle:
        bad, good = oracle.ask([plain([1.0], 0.9), plain([1.0], 0.1)])
    assert isinstance(bad, Complaint)
    assert (bad.status, bad.type) == ("raised", "ValueError")
    assert text.splitlines()[bad.line - 1].strip().startswith("raise ValueError")
    assert isinstance(good, Answer)


def test_the_echo_shows_what_was_written_behind_autograds_back(sandboxes: Sandboxes) -> None:
    text = loss("reference_chosen_logps.data.fill_(-7.0)\npolicy_rejected_logps.data[0] = -9.0")
    batch = plain([1.0, 2.0], 0.1)
    with sandboxes.opened(text, policy=False) as oracle:
        (answer,) = oracle.answers([batch], echo=True)
    assert answer.echo is not None
    assert answer.echo[2].tolist() == [-7.0, -7.0]
    assert answer.echo[1][0] == -9.0
    assert answer.echo[0].tobytes() == batch.policy_chosen.tobytes()


@pytest.mark.parametrize(
    ("ending", "shape"),
    [("return rho[:, None]", (2, 1)), ("return rho[None] + rho[:, None]", (2, 2)), ("return rho[:0]", (0,))],
)
def test_other_shapes_are_told_without_their_numbers(sandboxes: Sandboxes, ending: str, shape: tuple[int, ...]) -> None:
    with sandboxes.opened(loss(ending=ending), policy=False) as oracle:
        answer = oracle.answer(plain([1.0, 2.0], 0.1))
    assert (answer.shape, answer.values.size) == (shape, 0)


@pytest.mark.rest
@pytest.mark.parametrize("name", ["dpo.py", "discopop_method.py", "reply.json"])
def test_the_same_question_gets_the_same_bits_in_another_container(sandboxes: Sandboxes, name: str) -> None:
    text = (ROOT / "examples" / name).read_text("utf-8")
    batch = batch_of(np.linspace(-40, 40, 64), 0.05)
    answers = []
    for _ in range(2):
        with sandboxes.opened(text) as oracle:
            answers.append(oracle.answer(batch))
    assert answers[0].values.tobytes() == answers[1].values.tobytes()
    assert answers[0].grad_chosen.tobytes() == answers[1].grad_chosen.tobytes()


def test_an_oracle_that_was_closed_is_no_candidates_fault(sandboxes: Sandboxes) -> None:
    with sandboxes.opened(DPO) as oracle:
        oracle.close()
        with pytest.raises(SandboxLostError):
            oracle.answer(plain([1.0], 0.1))


def test_a_container_that_somebody_removed_is_a_fault_of_ours(sandboxes: Sandboxes) -> None:
    with sandboxes.opened(DPO) as oracle:
        sandboxes.engine.remove(sandboxes.containers[-1])
        with pytest.raises(SandboxLostError, match="from outside"):
            oracle.answer(plain([1.0], 0.1))
