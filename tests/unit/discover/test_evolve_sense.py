"""What is not proposed: trees that the properties would refuse at once, and functions that were proposed before."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from bred import DPO, X, forest

from harness.discover.evolve import sense
from harness.discover.evolve.grammar import OPS
from harness.discover.evolve.tree import Node, node

if TYPE_CHECKING:
    from harness.discover.evolve.grammar import Array, Back

CHOSEN, REJECTED = (node("scaled", [node(name)]) for name in ("chosen", "rejected"))
LONG = DPO
for _ in range(12):
    LONG = node("damp", [LONG])

REFUSED = [
    (LONG, "size"),
    (node("logistic", [node("scaled", [node("reference")])]), "start"),
    (node("hinge", [node("shift", [X], [5.0])], [1.0]), "start"),
    (node("miss", [node("scale", [node("scaled", [node("policy")])], [0.675])]), "start"),  # flat far from zero
    (node("logistic", [CHOSEN]), "depends"),
    (node("logistic", [node("subtract", [CHOSEN, node("scale", [node("tanh", [REJECTED])], [0.05])])]), ""),
    (node("logistic", [node("subtract", [REJECTED, CHOSEN])]), "direction"),
    (node("weighted", [node("sigmoid", [X]), node("miss", [X])]), "start"),
    (node("weighted", [node("sigmoid", [node("shift", [X], [-0.5])]), node("miss", [X])]), "direction"),
    (DPO, ""),
    (node("square", [X], [0.5]), ""),
    (node("logistic", [node("add", [X, node("average", [X])])]), ""),
]


@pytest.mark.parametrize(("tree", "why"), REFUSED)
def test_each_reason_not_to_propose_a_tree(tree: Node, why: str) -> None:
    assert sense.objection(tree) == why


def test_an_operation_that_overflows_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    tree = node("exponential", [X])
    assert sense.objection(tree) == ""

    def uncapped(a: tuple[Array, ...], c: tuple[float, ...]) -> tuple[Array, Back]:
        del c
        out = np.exp(-2 * a[0])
        return out, lambda g: (-2 * g * out,)

    monkeypatch.setitem(OPS, "exponential", replace(OPS["exponential"], run=uncapped))
    assert sense.objection(tree) == "finite"


def test_every_tree_of_the_grammar_is_finite_in_the_domain() -> None:
    found = [sense.objection(tree) for tree in forest(200, seed=11, depth=9)]
    assert "finite" not in found
    assert 40 < found.count("") < 200


def test_a_mark_is_of_the_function_and_not_of_its_text_or_scale() -> None:
    assert sense.mark(node("times", [DPO], [3.0])) == sense.mark(DPO)
    sum_of_two = node("sum", [DPO, DPO])
    assert sense.mark(sum_of_two) == sense.mark(DPO)
    others = [node("hinge", [X], [1.0]), node("logistic", [node("scale", [X], [1.1])]), node("miss", [X])]
    assert len({sense.mark(tree) for tree in [DPO, *others]}) == 4
