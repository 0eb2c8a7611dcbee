"""The grammar and what is done to its trees: kinds hold, gradients are right, shorter trees train the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from bred import DPO, PROBE, X, covering, draws, forest

from harness.discover.evolve import vary
from harness.discover.evolve.grammar import BY_KIND, OPS, Constant, sigmoid
from harness.discover.evolve.sense import compute
from harness.discover.evolve.tree import MOST_DEPTH, Node, node, places, read_tree, simplify, with_places
from harness.discover.evolve.vary import grow, height, shortest


@pytest.mark.parametrize("name", OPS)
def test_gradients_are_those_of_the_values(name: str) -> None:
    tree = covering(name)
    found = compute(tree, PROBE)
    way = draws(1).uniform(-1.0, 1.0, size=(2, PROBE.pairs))
    step = 1e-6
    ahead, behind = (compute(tree, PROBE.shifted(sign * step * way[0], sign * step * way[1])) for sign in (1, -1))
    slope = (ahead.values.mean() - behind.values.mean()) / (2 * step)
    assert found.grad_chosen @ way[0] + found.grad_rejected @ way[1] == pytest.approx(slope, rel=1e-5, abs=1e-9)


def test_a_known_loss_has_its_known_numbers() -> None:
    x = PROBE.beta * PROBE.rho
    found = compute(DPO, PROBE)
    np.testing.assert_allclose(found.values, np.log1p(np.exp(-x)), rtol=1e-12)
    np.testing.assert_allclose(found.grad_chosen, -PROBE.beta / (1 + np.exp(x)) / PROBE.pairs, rtol=1e-12)
    np.testing.assert_allclose(found.grad_rejected, -found.grad_chosen, rtol=1e-12)


def test_the_logistic_function_is_exact_in_its_tails_in_single_precision() -> None:
    x = np.array([-80.0, -20.0, 0.0, 20.0, 200.0], dtype=np.float32)
    found = sigmoid(x)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, 1.0 / (1.0 + np.exp(-x.astype(np.float64))), rtol=1e-5)


def test_every_kind_can_be_ended_within_its_shortest_way() -> None:
    for kind, ops in BY_KIND.items():
        assert min(height(op) for op in ops) == shortest(kind)
        assert grow(kind, 1, draws()).depth == shortest(kind)


def test_trees_keep_to_their_depth_and_are_the_same_for_a_seed() -> None:
    assert all(tree.depth <= 6 for tree in forest(100))
    assert forest(20) == forest(20)
    assert forest(20) != forest(20, seed=1)
    assert len({tree.skeleton for tree in forest(200)}) > 80


def test_variation_gives_losses_of_the_grammar_and_leaves_its_parents_alone() -> None:
    draw = draws(2)
    trees = forest(40)
    before = [tree.document() for tree in trees]
    changed = 0
    for one, other in zip(trees, reversed(trees), strict=True):
        for way in (vary.regrow, vary.change, vary.wrap, vary.hoist, vary.move, vary.mutate):
            made = way(one, draw)
            assert read_tree(made.document()) == made, "kinds and constants are those of the grammar"
            assert made.kind == "loss"
            changed += made != one
        crossed = vary.cross(one, other, draw)
        assert read_tree(crossed.document()) == crossed
    assert changed > 200
    assert [tree.document() for tree in trees] == before


def test_each_mutation_does_what_it_says() -> None:
    draw = draws(3)
    for tree in forest(30):
        assert vary.wrap(tree, draw).size > tree.size
        if "loss" in {part.kind for path, part in tree.walk() if path}:
            assert min(vary.hoist(tree, draw).size for _ in range(20)) < tree.size
        if places(tree):
            assert vary.move(tree, draw).skeleton == tree.skeleton
    hinge = node("hinge", [X], [1.0])
    heads = {vary.change(hinge, draw).name for _ in range(60)}
    assert {"logistic", "square", "exponential", "miss"} <= heads


def test_crossover_brings_a_part_of_the_other() -> None:
    one, other = DPO, node("square", [node("tanh", [X])], [2.0])
    made = {vary.cross(one, other, draws(seed)) for seed in range(20)}
    assert node("logistic", [node("tanh", [X])]) in made
    assert other in made


REDUCED = [
    (node("times", [DPO], [3.0]), DPO),
    (
        node("logistic", [node("scale", [node("scale", [X], [2.0])], [3.0])]),
        node("logistic", [node("scale", [X], [6.0])]),
    ),
    (node("logistic", [node("scale", [X], [1.0])]), DPO),
    (node("logistic", [node("shift", [X], [0.0])]), DPO),
    (node("hinge", [node("shift", [X], [-2.0])], [1.0]), node("hinge", [X], [3.0])),
    (node("logistic", [node("add", [X, X])]), node("logistic", [node("scale", [X], [2.0])])),
    (
        node("logistic", [node("subtract", [node("scaled", [node("policy")]), node("scaled", [node("reference")])])]),
        DPO,
    ),
    (node("blend", [node("sigmoid", [X]), DPO, DPO]), DPO),
    (
        node("sum", [node("miss", [X]), node("sum", [DPO, DPO])]),
        node("sum", [node("miss", [X]), node("times", [DPO], [2.0])]),
    ),
    (node("weighted", [node("constant", [], [0.5]), DPO]), DPO),
    (
        node("weighted", [node("opposite", [node("opposite", [node("sigmoid", [X])])]), DPO]),
        node("weighted", [node("sigmoid", [X]), DPO]),
    ),
    (
        node("logistic", [node("average", [node("average", [X])])]),
        node("logistic", [node("average", [X])]),
    ),
    (
        node("logistic", [node("clamp", [node("clamp", [X], [3.0])], [9.0])]),
        node("logistic", [node("clamp", [X], [3.0])]),
    ),
    (
        node("logistic", [node("gated", [node("constant", [], [0.5]), X])]),
        node("logistic", [node("scale", [X], [0.5])]),
    ),
    (
        node("weighted", [node("both", [node("constant", [], [0.5]), node("constant", [], [0.5])]), DPO]),
        DPO,
    ),
]


@pytest.mark.parametrize(("long", "short"), REDUCED)
def test_what_can_be_written_shorter_is(long: Node, short: Node) -> None:
    assert simplify(long) == short


def test_a_sum_that_leaves_its_range_is_left_as_it_is() -> None:
    tree = node("logistic", [node("scale", [node("scale", [X], [20.0])], [20.0])])
    assert simplify(tree) == tree


def test_a_shorter_tree_trains_the_same_and_is_not_longer() -> None:
    shorter, draw = 0, draws(5)
    for tree in [vary.mutate(tree, draw) for tree in forest(300, seed=4)]:
        made = simplify(tree)
        assert made.size <= tree.size
        assert simplify(made) == made
        shorter += made.size < tree.size
        one, other = (
            np.concatenate([c.grad_chosen, c.grad_rejected]) for c in (compute(t, PROBE) for t in (tree, made))
        )
        largest = np.abs(one).max(), np.abs(other).max()
        if min(largest) > 1e-12:
            np.testing.assert_allclose(one / largest[0], other / largest[1], atol=0.05)  # constants are rounded anew
    assert shorter > 15


def test_order_does_not_matter_where_it_means_nothing() -> None:
    other = node("miss", [X])
    assert simplify(node("sum", [DPO, other])) == simplify(node("sum", [other, DPO]))
    one, two = (simplify(node("logistic", [node("subtract", pair)])) for pair in ([X, X], [node("tanh", [X]), X]))
    assert one != two


def test_constants_go_to_their_places_and_back() -> None:
    for tree in forest(60):
        assert with_places(tree, places(tree)) == tree
        assert all(-1e-9 <= place <= 1 + 1e-9 for place in places(tree))
    assert Constant(0.1, 10.0, log=True).at(0.5) == 1.0
    assert Constant(0.1, 10.0, log=True).at(7.0) == 10.0
    with pytest.raises(ValueError, match="number of constants"):
        with_places(DPO, [0.5])


DEEP: list[Any] = ["rho", [], []]
for _ in range(5 * MOST_DEPTH):
    DEEP = ["tanh", [], [DEEP]]


@pytest.mark.parametrize(
    "document",
    [
        None,
        {},
        [],
        ["logistic", [], []],
        ["logistic", [], [["rho", [], []]]],
        ["exec", [], []],
        [["logistic"], [], []],
        ["hinge", [1.0], X.document()],
        ["hinge", [], [X.document()]],
        ["hinge", ["1"], [X.document()]],
        ["hinge", [True], [X.document()]],
        ["hinge", [float("nan")], [X.document()]],
        ["hinge", [1e9], [X.document()]],
        DEEP,
    ],
)
def test_what_is_no_tree_is_refused(document: object) -> None:
    with pytest.raises(ValueError, match=r"tree|operation|takes|constant"):
        read_tree(document)  # type: ignore[arg-type]


def test_a_part_only_takes_the_place_of_its_kind() -> None:
    with pytest.raises(ValueError, match="cannot stand"):
        DPO.put((0,), DPO)
