"""What evolve hands in: text that computes what the tree does, reads well, and passes the screen like anybody's."""

from __future__ import annotations

import ast
import json

import numpy as np
import pytest
from bred import DPO, PROBE, X, covering, draws, forest, run_text

from harness.core.contract import VECTORS
from harness.discover.evolve import printing, vary
from harness.discover.evolve.grammar import OPS
from harness.discover.evolve.sense import compute
from harness.discover.evolve.tree import Node, node, simplify
from harness.discover.proposers import Proposal
from harness.discover.reading import read
from harness.llm import quoting as fencing


def same(tree: Node) -> None:
    values = run_text(printing.code(tree), PROBE)
    np.testing.assert_allclose(values, compute(tree, PROBE).values, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", OPS)
def test_each_operation_is_written_as_it_is_computed(name: str) -> None:
    same(covering(name))


def test_whole_trees_are_written_as_they_are_computed() -> None:
    draw = draws(7)
    for tree in forest(150, seed=7, depth=7):
        same(tree)
        same(simplify(vary.mutate(tree, draw)))


def test_brackets_stand_where_they_have_to() -> None:
    tail = node("subtract", [X, node("add", [X, node("tanh", [X])])])
    same(node("logistic", [tail]))
    same(node("exponential", [node("scale", [node("shift", [X], [-2.0])], [0.5])]))
    same(node("logistic", [node("average", [node("subtract", [X, node("tanh", [X])])])]))
    same(node("weighted", [node("opposite", [node("opposite", [node("constant", [], [0.3])])]), DPO]))
    assert " - 2.0" in printing.code(node("logistic", [node("shift", [X], [-2.0])]))


def test_dpo_reads_as_a_person_writes_it() -> None:
    code = printing.code(DPO)
    assert code.endswith("    x = beta * rho\n    return F.softplus(-x)\n")
    assert [arg.arg for arg in ast.parse(code).body[-1].args.args] == [*VECTORS, "beta"]  # type: ignore[attr-defined]
    assert "functional" not in printing.code(node("miss", [X])), "what is not used is not imported"


def test_what_stands_twice_is_computed_once_and_no_line_is_too_long() -> None:
    gate = node("sigmoid", [node("scale", [X], [3.0])])
    code = printing.code(node("blend", [gate, DPO, node("weighted", [gate, DPO])]))
    assert code.count("torch.sigmoid") == 1
    assert code.count("F.softplus") == 1
    for tree in forest(100, seed=8, depth=9):
        assert max(map(len, printing.code(tree).splitlines())) <= 120


def test_names_are_short_words() -> None:
    for tree in forest(100, seed=9, depth=8):
        name = printing.name_of(tree)
        assert fencing.name(name) == name, "the loop shows it as it is"
        assert f"def {name}_loss(" in printing.code(tree)


def test_replies_are_read_and_pass_the_screen() -> None:
    whole = ["average", "clamp", "square", "hinge", "exponential", "damp", "blend", "tanh"]
    trees = [covering(name) for name in whole] + forest(8, seed=10, depth=8)
    for tree in trees:
        text = printing.reply(tree, "A formula drawn at random.")
        reading = read(Proposal(text))
        assert (reading.kind, reading.findings) == ("json", ()), printing.code(tree)
        assert reading.program is not None
        assert reading.program.source == json.loads(text)["code"]
        assert reading.name == printing.name_of(tree)
