"""The contract of lists without a sandbox: signatures, batches, answers; and that the wire knows no contract."""

from __future__ import annotations

import pickle
import re
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from in_process import InProcess

from harness.core.candidate import Candidate
from harness.core.contract import CONTRACTS, LISTS
from harness.core.errors import CandidateFault
from harness.protocol import relay, wire
from harness.protocol.batch import Answer
from harness.protocol.batch_types import LabelledBatch, ListBatch, PairBatch, read_batch
from harness.protocol.frames import WireError
from harness.sandbox import wire as layout
from harness.screen import screen
from harness.subject.batches import plain
from harness.subject.lists.drawing import lists_of, ordered

if TYPE_CHECKING:
    from harness.core.program import Program

ROOT = Path(__file__).parents[2]
CATALOGUE = ROOT / "harness" / "losses" / "lists"
DRAW = np.random.Generator(np.random.PCG64(7))
BATCH = lists_of(DRAW, 3, 4, 0.1, reach=4.0)
LABELLED = LabelledBatch(np.array([[1.0, -2.0, 0.5], [0.25, 3.0, -1.0]], dtype=np.float32), np.array([2, 1]))
ALL = (plain([1.0, -2.0, 0.5], 0.1), LABELLED, BATCH)


def screened(text: str, **options: Any) -> Program:
    return screen(Candidate("loss.py", text.encode(), "0" * 64), contract="lists", **options)


def answered(name: str, batch: ListBatch) -> Answer:
    (answer,) = InProcess(screened((CATALOGUE / f"{name}.py").read_text("utf-8"))).ask([batch], echo=True)
    assert isinstance(answer, Answer)
    return answer


# --- signatures


@pytest.mark.parametrize(
    "signature",
    [
        "policy_logps, reference_logps, scores, beta",
        "logps, ref_logps, rewards, beta",
        "scores, policy_logps, reference_logps",
        "pi_logprobs, sft_logprobs, ratings, beta=0.1",
        "policy, reference, score, *, progress",
        "a, b, c",
        "policy_logps, scores",
    ],
)
def test_ways_to_take_them(signature: str) -> None:
    first = signature.split(",", maxsplit=1)[0].strip()
    program = screened(f"def loss({signature}):\n    return ({first} * 0 + 1).sum(dim=1)\n")
    (answer,) = InProcess(program).ask([BATCH])
    assert isinstance(answer, Answer)
    assert answer.values.tolist() == [4.0] * 3
    assert {"policy_logps", "scores"} <= {*program.plan.positional, *(a for _, a in program.plan.keyword)}


def test_each_is_given_what_its_name_says() -> None:
    body = "    return (logps - 2 * ref_logps + 3 * rewards).sum(dim=1) * beta\n"
    text = f"def loss(rewards, ref_logps, logps, beta):\n{body}"
    (answer,) = InProcess(screened(text)).ask([BATCH])
    assert isinstance(answer, Answer)
    wanted = (BATCH.policy_logps - 2 * BATCH.reference_logps + 3 * BATCH.scores).sum(axis=1) * 0.1
    assert np.allclose(answer.values, wanted, rtol=1e-5)


@pytest.mark.parametrize(
    ("signature", "told"),
    [
        ("policy_logps, reference_logps", "does not take scores"),
        ("reference_logps, scores", "does not take policy_logps"),
        ("policy_logps, scores, rewards", "both mean scores"),
        ("policy_logps, scores, temperature", "offers policy_logps, reference_logps, scores, beta, progress"),
        ("policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps", ""),
        ("logits, targets", ""),
    ],
)
def test_ways_that_are_none(signature: str, told: str) -> None:
    with pytest.raises(CandidateFault) as caught:
        screened(f"def loss({signature}):\n    return 1\n")
    (finding,) = caught.value.findings
    assert finding.rule == "S109"
    assert told in finding.message


# --- batches


@pytest.mark.parametrize(
    "change",
    [
        lambda v: [v[0][:, :1], v[1][:, :1], v[2][:, :1]],
        lambda v: [v[0], v[1][:2], v[2]],
        lambda v: [v[0], v[1][:, :3], v[2]],
        lambda v: [v[0], v[1].astype(np.float64), v[2]],
        lambda v: [v[0][0], v[1][0], v[2][0]],
        lambda v: [each.astype(np.int64) for each in v],
        lambda v: [each[:0] for each in v],
        lambda v: [np.resize(each, (3, 1 << 15)) for each in v],
    ],
    ids=range(8),
)
def test_what_are_no_lists(change: Any) -> None:
    policy, reference, scores = change(BATCH.tensors)
    with pytest.raises(ValueError, match=r"list|shape|same|holds"):
        ListBatch(policy, reference, scores, 0.1)


def test_what_is_moved_and_taken_stays_a_list() -> None:
    way = np.ones((3, 4))
    moved = BATCH.along([way], 0.5)
    assert np.allclose(moved.policy_logps - BATCH.policy_logps, 0.5)
    assert moved.reference_logps is BATCH.reference_logps
    assert BATCH.take([2, 0]).scores.tolist() == BATCH.scores[[2, 0]].tolist()
    assert (BATCH.sizes, BATCH.rows, BATCH.numbers) == ((3, 4), 3, 12)
    assert BATCH.dtype == np.float32
    turned = BATCH.reordered(np.array([3, 2, 1, 0]))
    assert turned.scores[:, 0].tolist() == BATCH.scores[:, 3].tolist()
    assert turned.policy_logps[:, 0].tolist() == BATCH.policy_logps[:, 3].tolist()
    assert "log-ratios" in BATCH.take([0]).spot
    assert BATCH.spot == BATCH.where


@pytest.mark.parametrize("answers", [2, 3, 8])
def test_ordered_lists_are_in_the_order_of_their_scores(answers: int) -> None:
    right, wrong = ordered(np.random.Generator(np.random.PCG64(answers)), 5, answers, 0.1, spread=3.0)
    for row in range(5):
        order = right.scores[row].argsort()
        assert (np.diff(right.logratios[row][order]) > 0).all()
        assert (np.diff(wrong.logratios[row][order]) < 0).all()
    assert np.allclose(0.1 * np.ptp(right.logratios, axis=1), 3.0, atol=1e-3)
    assert right.reference_logps.tolist() == wrong.reference_logps.tolist()
    assert max(right.policy_logps.max(), wrong.policy_logps.max()) <= 0.0


# --- losses


def test_multiway_dpo_of_two_answers_is_dpo() -> None:
    two = lists_of(np.random.Generator(np.random.PCG64(3)), 6, 2, 0.2, reach=6.0, grid=False, dtype=np.float64)
    answer = answered("multiway_dpo", two)
    sign = np.sign(two.scores[:, 0] - two.scores[:, 1])
    margin = 0.2 * sign * (two.logratios[:, 0] - two.logratios[:, 1])
    assert np.allclose(answer.values, np.logaddexp(0.0, -margin))


def test_exo_is_the_divergence_from_the_scores_choice() -> None:
    answer = answered("exo_k", BATCH)
    rewards, scores = torch.tensor(0.1 * BATCH.logratios), torch.tensor(BATCH.scores.astype(np.float64))
    p, q = torch.softmax(rewards, 1), torch.softmax(scores, 1)
    assert np.allclose(answer.values, (p * (p / q).log()).sum(1).numpy(), rtol=1e-4)
    level = ListBatch(*(np.array([[-9.0, -8.0]], np.float32),) * 2, np.array([[1.0, 1.0]], np.float32), 0.1)
    assert answered("exo_k", level).values.tolist() == pytest.approx([0.0], abs=1e-6)


def test_equal_scores_cost_nothing_in_multiway_dpo() -> None:
    level = ListBatch(*(np.full((2, 3), -9.0, np.float32),) * 2, np.ones((2, 3), np.float32), 0.1)
    answer = answered("multiway_dpo", level)
    assert answer.values.tolist() == [0.0, 0.0]
    assert not answer.gradient.any()


# --- the wire


@pytest.mark.parametrize("batch", ALL, ids=lambda b: b.contract.name)
def test_a_batch_crosses_to_the_bit(batch: PairBatch | LabelledBatch | ListBatch) -> None:
    again = read_batch(batch.contract, batch.dtype, batch.sizes, batch.scalars, batch.raw)
    asked = relay.parse_ask(relay.pack_ask(batch), batch.contract)
    for other in (again, asked):
        assert type(other) is type(batch)
        assert other.scalars == batch.scalars
        for one, two in zip(batch.tensors, other.tensors, strict=True):
            assert (one.dtype, one.shape) == (two.dtype, two.shape)
            assert one.tobytes() == two.tobytes()


@pytest.mark.parametrize("batch", ALL, ids=lambda b: b.contract.name)
def test_what_was_packed_for_one_contract_is_none_of_another(batch: PairBatch | LabelledBatch | ListBatch) -> None:
    payload = relay.pack_ask(batch)
    for contract in CONTRACTS.values():
        if contract is not batch.contract:
            with pytest.raises(WireError):
                relay.parse_ask(payload, contract)
    for size in range(len(payload)):
        with pytest.raises(WireError):
            relay.parse_ask(payload[:size], batch.contract)


def test_targets_that_are_no_classes_are_refused_on_the_trainers_wire() -> None:
    payload = bytearray(relay.pack_ask(LABELLED))
    payload[-8:] = (3).to_bytes(8, "little")
    with pytest.raises(WireError, match="whole numbers"):
        relay.parse_ask(bytes(payload), LABELLED.contract)


def test_an_answer_with_a_gradient_of_another_shape_is_refused() -> None:
    program = screened((CATALOGUE / "exo_k.py").read_text("utf-8"))
    honest = InProcess(program)
    more = BATCH.take([0, 1, 2, 0])
    reply = honest._answered([more])  # a gradient for each of four lists
    with pytest.raises(WireError):
        wire.parse_answers(reply, [BATCH])
    assert wire.parse_answers(reply, [more])
    assert len(reply) <= wire.answer_cap([more], echo=False)
    with pytest.raises(WireError):
        wire.parse_answers(reply, [more], echo=True)


@settings(max_examples=300, derandomize=True, database=None, deadline=None)
@given(place=st.integers(0, len(ALL) - 1), echo=st.booleans(), cuts=st.lists(st.tuples(st.integers(0), st.binary())))
def test_a_spoilt_answer_is_refused_or_says_its_bytes(place: int, echo: bool, cuts: list[tuple[int, bytes]]) -> None:  # noqa: FBT001 - drawn
    """Bytes of an honest answer overwritten, put in or taken away: nothing but WireError, and nothing made up."""
    batch = ALL[place]
    data = bytearray(honest(batch, echo=echo))
    for number, piece in cuts:
        at = number % (len(data) + 1)
        data[at : at + at % 3 * len(piece) // 2] = piece
    try:
        (answer,) = wire.parse_answers(bytes(data), [batch], echo=echo)
    except WireError:
        assert cuts
        return
    if isinstance(answer, Answer):
        kept = answer.shape in {(), (batch.rows,)}
        shapes = [t.shape if kept else (0,) for t in batch.differentiated()]
        assert [g.shape for g in answer.gradients] == shapes
        parts = (answer.values, *answer.gradients, *(answer.echo or ()))
        told = b"".join(part.tobytes() for part in parts)
        assert bytes(data[len(data) - len(told) :]) == told
        assert [t.dtype for t in answer.echo or ()] == [t.dtype for t in batch.tensors if echo]


def honest(batch: PairBatch | LabelledBatch | ListBatch, *, echo: bool) -> bytes:
    """What a sandbox says whose values are the sums of its first tensor's rows."""
    values = batch.tensors[0].reshape(batch.rows, -1).sum(axis=1).astype(batch.dtype)
    head = layout.RESULT.pack(layout.OK, 1, layout.F32, layout.HAS_ECHO if echo else 0, batch.rows)
    gradients = b"".join(np.full_like(tensor, 0.5).tobytes() for tensor in batch.differentiated())
    return head + struct.pack("<I", batch.rows) + values.tobytes() + gradients + (batch.raw if echo else b"")


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=list(CONTRACTS))
def test_another_process_has_the_same_contract(contract: Any) -> None:
    assert pickle.loads(pickle.dumps(contract)) is contract  # noqa: S301 - our own


def test_neither_sandbox_nor_oracle_names_an_argument_of_any_contract() -> None:
    """But beta, which the method dialect gives as self.beta."""
    names = {argument for contract in CONTRACTS.values() for argument in contract.arguments} - {"beta"}
    words = re.compile("|".join(rf"\b{name}\b" for name in sorted(names)))
    # The list of what candidates may use has torch's own names, `logits` of a distribution among them.
    files = [p for folder in ("sandbox", "harness/oracle") for p in (ROOT / folder).glob("*.py")]
    files = [path for path in files if path.name != "allowlist.py"]
    assert len(files) > 10
    told = {path.name: words.findall(path.read_text("utf-8")) for path in files}
    assert {name: found for name, found in told.items() if found} == {}
    assert LISTS.dimensions == ("B", "K")


def test_a_request_holds_batches_of_one_contract() -> None:
    pair = PairBatch(*(np.zeros(2),) * 6, beta=0.1)
    lists = ListBatch(*(np.zeros((2, 2)),) * 3, beta=0.1)
    with pytest.raises(ValueError, match="one contract"):
        wire.pack_batches([pair, lists])


def test_an_answer_that_has_no_gradient_carries_none() -> None:
    batch = ListBatch(*(np.zeros((1, 2)),) * 3, beta=0.1)

    def reply(flags: int, gradient: float, shape: int = 1) -> bytes:
        count = 0 if flags & layout.OMITTED else 1
        head = layout.RESULT.pack(layout.OK, 1, layout.F64, flags, count) + shape.to_bytes(4, "little")
        return head + (np.zeros(1).tobytes() + np.full((1, 2), gradient).tobytes() if count else b"")

    (answer,) = wire.parse_answers(reply(layout.NO_GRADIENT, 0.0), [batch])
    assert isinstance(answer, Answer)
    assert answer.detached
    for forged in (reply(layout.NO_GRADIENT, 1.0), reply(layout.NO_GRADIENT | layout.OMITTED, 0.0, 7)):
        with pytest.raises(WireError, match="no gradient"):
            wire.parse_answers(forged, [batch])
