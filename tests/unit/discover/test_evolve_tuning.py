"""CMA-ES over what the loop feeds back: it finds constants, ends, and goes on to the bit after it was saved."""

from __future__ import annotations

import math

import pytest
from bred import DPO, X

from harness.discover.evolve.tree import Node, node, places
from harness.discover.evolve.tuning import REFUSED, Task, tunable, value_of
from harness.discover.proposers import Outcome

TREE = node("sum", [node("hinge", [node("scale", [X], [1.0])], [8.0]), node("square", [X], [0.2])])


def far(tree: Node) -> float:
    """Squared distance of a tree's constants from the middle of their ranges."""
    return sum((place - 0.5) ** 2 for place in places(tree))


def drawn(task: Task, most: int = 1000) -> list[Node]:
    """All draws of a task, each told how far it is."""
    out: list[Node] = []
    while (tree := task.next()) is not None and len(out) < most:
        out.append(tree)
        task.told(far(tree))
    return out


def task(tree: Node = TREE, seed: int = 1) -> Task:
    return Task(tree=list(tree.document()), parent="p", seed=seed)


def test_constants_move_to_where_the_scores_are_better() -> None:
    draws = drawn(task())
    assert 16 <= len(draws) <= 60
    assert min(map(far, draws)) < 0.25 * far(TREE)
    seeds = [drawn(task(seed=seed)) for seed in range(8)]
    first, last = (sum(far(tree) for draws in seeds for tree in draws[part]) for part in (slice(7), slice(-7, None)))
    assert last < 0.6 * first
    assert {tree.skeleton for tree in draws} == {TREE.skeleton}


def test_scores_that_say_the_opposite_lead_elsewhere() -> None:
    one = task()
    while (tree := one.next()) is not None:
        one.told(-far(tree))
        last = tree
    assert far(last) > far(drawn(task())[-1])


def test_the_same_seed_draws_the_same_and_another_does_not() -> None:
    assert drawn(task()) == drawn(task())
    assert drawn(task()) != drawn(task(seed=2))


@pytest.mark.parametrize("cut", [0, 1, 6, 7, 8, 20])
def test_saved_and_restored_it_goes_on_to_the_bit(cut: int) -> None:
    whole = drawn(task())
    first = task()
    before = drawn(first, cut)[:cut]
    first.values = first.values[:cut]
    again = Task.model_validate_json(first.model_dump_json())
    assert before + drawn(again) == whole


def test_a_draw_that_says_nothing_is_no_score_and_does_not_keep_it_going_for_ever() -> None:
    one = task()
    count = 0
    while one.next() is not None:
        one.told(None)
        count += 1
    assert 10 < count < 200
    mixed = task()
    first = mixed.next()
    mixed.told(None)
    assert mixed.next() != first


@pytest.mark.parametrize("tree", [node("hinge", [X], [0.1]), node("hinge", [X], [10.0])])
def test_one_constant_at_the_edge_of_its_range_is_tuned_too(tree: Node) -> None:
    assert min(map(far, drawn(task(tree)))) < far(tree)


def test_only_trees_with_a_few_constants_are_tuned() -> None:
    assert tunable(TREE)
    assert not tunable(DPO)
    many = DPO
    for _ in range(9):
        many = node("times", [many], [2.0])
    assert not tunable(many)


def outcome(fate: str, place: int = 0, gain: float | None = None) -> Outcome:
    score = None if gain is None and fate != "stopped" else 0.5
    return Outcome(0, 0, fate, "", score=score, gain=gain, place=place)


def test_outcomes_are_ordered_as_the_loop_orders_them() -> None:
    order = [
        value_of(outcome("measured", 3, 0.04)),
        value_of(outcome("measured", 3, -0.3)),
        value_of(outcome("known", 3, -0.4)),
        value_of(outcome("stopped", 2, 0.9)),
        value_of(outcome("stopped", 2)),
        value_of(outcome("rejected")),
        REFUSED,
    ]
    assert order == sorted(order)  # type: ignore[type-var]
    assert len(set(order)) == len(order)
    assert value_of(outcome("undecided")) is None
    assert math.isfinite(value_of(outcome("stopped", 2, -math.inf)))  # type: ignore[arg-type]
