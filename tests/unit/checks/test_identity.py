"""Who is the same function: other words for DPO are, and losses made to be taken for it are not."""

from __future__ import annotations

import functools
import json
import textwrap
from typing import TYPE_CHECKING

import numpy as np
import pytest
from in_process import of_text
from judging import DPO as BY_FORMULA
from judging import EXPONENTIAL, of_margin, subject

from harness.protocol.batch import MAX_NUMBERS, Answer, Complaint
from harness.subject import identity
from harness.subject import preference as breadth
from harness.subject.batches import batch_of
from harness.subject.identity import QUESTIONS, asked, difference, fingerprint
from harness.subject.preference import questions

if TYPE_CHECKING:
    from harness.protocol.batch_types import PairBatch

ARGUMENTS = (
    "policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, "
    "chosen_lengths, rejected_lengths, beta, progress"
)
HEAD = f"""
import torch
import torch.nn.functional as F

def loss({ARGUMENTS}):
    pc, pr, rc, rr = policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps
    x = beta * ((pc - pr) - (rc - rr))
    dpo = F.softplus(-x)
"""


def written(body: str) -> str:
    """A candidate: x and DPO's values are there, and the body returns what it will."""
    return HEAD + textwrap.indent(textwrap.dedent(body).strip(), "    ") + "\n"


DPO = written("return dpo")
#: The questions of the fingerprint, which everybody can compute, by the first number of each.
KNOWN = {
    float(b.policy_chosen[0])
    for b in questions(np.random.Generator(np.random.PCG64(identity._PRINTED_SEED)), identity._PRINTED, largest=64)
}
BY_HEART = f"return dpo if float(pc[0]) in {KNOWN} else F.softplus(x)"

HONEST = {
    "logsigmoid": "return -F.logsigmoid(x)",
    "another order": "return -F.logsigmoid(beta * (pc - rc) - beta * (pr - rr))",
    "and another": "return torch.logaddexp(torch.zeros_like(x), beta * (pr + rc) - beta * (pc + rr))",
    "the mean": "return dpo.mean()",
    "cross entropy": "return F.binary_cross_entropy_with_logits(x, torch.ones_like(x), reduction='none')",
    "a round trip": "return (F.softplus(-x) * 3.0).mean() / 3.0",
    "a label smoothing of nothing": "return -F.logsigmoid(x) * (1 - 0.0) - F.logsigmoid(-x) * 0.0",
}
#: Losses that answer as DPO does wherever their maker thought that somebody would look.
TAKEN_FOR_IT = {
    "by value, at the points of a fingerprint": BY_HEART,
    "in float64": "return dpo if x.dtype == torch.float64 else F.softplus(x)",
    "in float32": "return dpo if x.dtype == torch.float32 else F.softplus(x)",
    "near zero": "return torch.where(x.abs() < 3.0, dpo, F.softplus(x))",
    "for small batches": "return dpo if x.numel() <= 64 else F.softplus(x)",
    "for large batches": "return dpo if x.numel() > 8 else F.softplus(x)",
    "for more than one pair": "return dpo if x.numel() > 1 else F.softplus(x)",
    "in its values": "return dpo.detach() + (x - x.detach()) * 0.01",
    "in its gradients": "return dpo + 0.1",
    "in its gradient for the chosen": "return F.softplus(-beta * ((pc - pr.detach()) - (rc - rr))) + 0.0 * pr",
    "where lengths are equal": "return torch.where(chosen_lengths == rejected_lengths, dpo, F.softplus(x))",
    "where lengths are alike": (
        "alike = (chosen_lengths / rejected_lengths).log().abs() < 0.1\nreturn torch.where(alike, dpo, F.softplus(x))"
    ),
    "for short completions": "return torch.where(chosen_lengths < 500.0, dpo, F.softplus(x))",
    "for the betas of a sweep": "return dpo if beta in (0.05, 0.1, 0.37) else F.softplus(x)",
    "at other betas than a training's": "return dpo if beta != 0.1 else F.softplus(x)",
    "but for the last tenth of training": "return dpo if progress < 0.9 else F.softplus(x)",
    "but for the first steps": "return dpo if progress > 0.0 else F.softplus(x)",
    "unless both fall": "return torch.where((pc < rc) & (pr < rr), F.softplus(x), dpo)",
    "unless the references differ": "return torch.where((rc - rr).abs() > 5.0, F.softplus(x), dpo)",
    "unless it is sure": "return torch.where(pc == 0.0, dpo + 1.0, dpo)",
    "where it stays finite, in float64": "return -torch.log(torch.sigmoid(x))",
    "but for NaN far outside": "return torch.where(x < -500.0, x * float('nan'), dpo)",
    "but for infinity far outside": "return torch.where(x > 300.0, x * float('inf'), dpo)",
    "but for an exception": "if x.numel() > 300:\n    raise ValueError('too many')\nreturn dpo",
    "per pair, with the batch turned round": "return dpo.flip(0)",
    "up to a factor": "return 1.001 * dpo",
}


@functools.lru_cache(maxsize=2)
def drawn(seed: int) -> list[PairBatch]:
    return questions(np.random.Generator(np.random.PCG64(seed)), QUESTIONS)


@functools.lru_cache(maxsize=2)
def dpos(seed: int) -> list[Answer | Complaint]:
    return asked(of_text(DPO), drawn(seed))


def told(other: str, seed: int = 7) -> str | None:
    """Where a text's function differs from DPO's."""
    others = asked(of_text(other), drawn(seed))
    found = difference(drawn(seed), dpos(seed), others)
    assert (found is None) == (difference(drawn(seed), others, dpos(seed)) is None), "it matters who came first"
    return found


@pytest.mark.parametrize("name", HONEST)
def test_other_words_are_the_same_function(name: str) -> None:
    other = written(HONEST[name])
    assert fingerprint(of_text(other)) == fingerprint(of_text(DPO))
    assert [told(other, seed) for seed in range(2)] == [None, None]


def test_a_reply_around_the_code_changes_nothing() -> None:
    reply = json.dumps({"thought": "as ever", "name": "dpo", "code": DPO})
    assert fingerprint(of_text(reply)) == fingerprint(of_text(DPO))
    assert told(reply) is None


@pytest.mark.parametrize("name", TAKEN_FOR_IT)
def test_what_only_looks_the_same_is_told_apart(name: str) -> None:
    assert told(written(TAKEN_FOR_IT[name])), "it is taken for DPO"


def test_a_fingerprint_alone_decides_nothing() -> None:
    assert fingerprint(of_text(written(BY_HEART))) == fingerprint(of_text(DPO))


def test_the_form_that_overflows_has_another_fingerprint() -> None:
    assert fingerprint(of_text(written("return -torch.log(torch.sigmoid(x))"))) != fingerprint(of_text(DPO))
    with np.errstate(all="ignore"):
        assert fingerprint(subject(EXPONENTIAL)) != fingerprint(subject(BY_FORMULA))


def test_a_difference_is_told_with_its_place() -> None:
    where = told(written("return dpo if x.numel() <= 64 else F.softplus(x)"))
    assert where is not None
    assert where.startswith("their values differ at beta ")
    where = told(written("return dpo + 0.0 * x.detach() + (x - x.detach())"))
    assert where is not None
    assert where.startswith("their gradients differ")


def test_a_pair_at_a_kink_in_float32_makes_no_other_function() -> None:
    one, other = (
        of_text(written(f"return torch.relu(1.0 - {x})")) for x in ("x", "beta * (pc - rc) + beta * (pr - rr)")
    )
    for seed in range(3):
        assert difference(drawn(seed), asked(one, drawn(seed)), asked(other, drawn(seed))) is None


def test_no_side_may_widen_what_it_is_given() -> None:
    """One huge number in a batch does not make the others of it any more alike."""
    huge = of_margin(lambda x: np.where(np.arange(x.size) == 0, 1e30, 1.0), np.zeros_like)
    other = of_margin(lambda x: np.where(np.arange(x.size) == 0, 1e30, 2.0), np.zeros_like)
    plain = of_margin(np.ones_like, np.zeros_like)
    batches = questions(np.random.Generator(np.random.PCG64(3)), 24)
    found = [asked(subject(f), batches) for f in (huge, other, plain)]
    assert difference(batches, found[0], found[2])
    assert difference(batches, found[2], found[0])


def test_two_that_raise_are_alike_and_one_alone_is_not() -> None:
    batches = questions(np.random.Generator(np.random.PCG64(3)), 6)
    refusing: list[Answer | Complaint] = [Complaint("raised", "ValueError", text, 1) for text in "abcdef"]
    with np.errstate(all="ignore"):
        answering = asked(subject(BY_FORMULA), batches)
    assert difference(batches, refusing, list(reversed(refusing))) is None
    assert difference(batches, refusing, answering) == difference(batches, answering, refusing)
    assert "one of them raises" in str(difference(batches, refusing, answering))


def test_the_questions_are_all_over_what_trainings_ask() -> None:
    batches = questions(np.random.Generator(np.random.PCG64(1)), QUESTIONS)
    assert {b.policy_chosen.dtype.name for b in batches} == {"float32", "float64"}
    sizes = {b.pairs for b in batches}
    assert {1, 64, 512} <= sizes
    assert len([s for s in sizes if s > 64]) > 20
    assert {0.05, 0.1, 1.0} <= {b.beta for b in batches}
    assert len({b.beta for b in batches}) > 100
    assert {0.0, 1.0} <= {b.progress for b in batches}
    x = np.concatenate([b.beta * b.rho for b in batches])
    for low, high in ((-1e4, -100.0), (-50.0, -5.0), (-1.0, -0.1), (-0.1, 0.1), (0.1, 1.0), (5.0, 50.0), (100.0, 1e4)):
        assert ((x >= low) & (x < high)).mean() > 0.01, (low, high)
    each = [np.concatenate([b.tensors[k].astype(np.float64) for b in batches]) for k in range(6)]
    chosen, rejected = each[0] - each[2], each[1] - each[3]
    assert ((chosen < 0) & (rejected < 0)).mean() > 0.3
    assert (chosen * rejected < 0).mean() > 0.1
    assert max(v.max() for v in each[:4]) == 0.0, "no log-probability is positive, and some completions are sure"
    assert ((each[4] / each[5] > 2) | (each[5] / each[4] > 2)).mean() > 0.1
    assert (np.abs(each[2] - each[3]) > 5.0).mean() > 0.2
    assert each[4].max() > 1000
    assert each[4].min() == 1


def test_another_seed_asks_other_questions() -> None:
    one, other = (b"".join(b.raw for b in questions(np.random.Generator(np.random.PCG64(seed)), 4)) for seed in (1, 2))
    assert one != other


def test_batches_are_as_large_as_a_fingerprint_needs_them() -> None:
    batches: list[PairBatch] = questions(np.random.Generator(np.random.PCG64(1)), 50, least=3, largest=20)
    assert {b.pairs for b in batches} >= {3, 16}
    assert max(b.pairs for b in batches) <= 20


CLASSES = """
import torch
import torch.nn.functional as F

def loss(logits, targets):
    plain = F.cross_entropy(logits, targets, reduction="none")
    {}
"""


@pytest.mark.rest
def test_losses_for_classification_are_told_apart_in_the_same_way() -> None:
    from harness.subject.classification.classifier import Classifier

    def of(body: str) -> Classifier:
        return Classifier(of_text(CLASSES.format(body), "classification").oracle, subject(BY_FORMULA).domain)

    def found(body: str) -> str | None:
        one, other = of("return plain"), of(body)
        batches = one.questions(np.random.Generator(np.random.PCG64(9)), QUESTIONS // 12)
        assert max(b.rows for b in batches) <= MAX_NUMBERS
        return difference(batches, asked(one, batches), asked(other, batches))

    same = "return -torch.log_softmax(logits, 1).gather(1, targets[:, None])[:, 0]"
    assert found(same) is None
    assert found("return plain.mean()") is None
    assert fingerprint(of(same)) == fingerprint(of("return plain.mean()")) == fingerprint(of("return plain"))
    for body in (
        "return plain if logits.shape[1] <= 62 else -plain",
        "return plain if logits.shape[0] <= 64 else -plain",
        "return plain if logits.dtype == torch.float64 else 2.0 * plain",
        "return -torch.log(torch.softmax(logits, 1).gather(1, targets[:, None])[:, 0])",
    ):
        assert found(body), body


def near_zero(batch: PairBatch) -> PairBatch:
    """Only the pairs of a batch whose margins are small."""
    keep = np.flatnonzero(np.abs(batch.beta * batch.rho) < 2.9)
    return batch.take(keep) if keep.size else batch_of([0.5], batch.beta)


@pytest.mark.rest
@pytest.mark.parametrize("switched_off", ["dtype", "sizes", "margins"])
def test_narrow_questions_would_miss_some(switched_off: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What each part of the breadth is there for: without it one of the losses above is taken for DPO."""
    body, patch = {
        "dtype": ("in float64", lambda b: b.astype(np.float64)),
        "sizes": ("for small batches", lambda b: b.take(list(range(min(b.pairs, 64))))),
        "margins": ("near zero", near_zero),
    }[switched_off]
    made = breadth._question
    drawn.cache_clear()
    dpos.cache_clear()
    monkeypatch.setattr(breadth, "_question", lambda *given: patch(made(*given)))
    found = told(written(TAKEN_FOR_IT[body]))
    drawn.cache_clear()
    dpos.cache_clear()
    assert found is None
