"""The archive, the bandit over instructions, lineage, and the pictures."""

from __future__ import annotations

from typing import Any

import pytest

from harness.discover import lineage, templates
from harness.discover.archive import Archive, cell
from harness.discover.proposers import Failure, Known
from harness.discover.templates import Pull, choose, table
from harness.discover.track import Row
from harness.ladder.curves import curves, means


def loss(name: str, gain: float | None, *, place: int = 3, **facts: Any) -> Known:
    facts = {"function": name, "convex": True, "statistic": "pointwise", "slope_at_zero": -0.02, **facts}
    return Known(name, name, "", 0.6, 0.5, 0.7, facts=facts, gain=gain, place=place)


def archive(*losses: Known) -> Archive:
    out = Archive()
    for one in losses:
        out.add(one)
    return out


def test_one_function_is_kept_once_and_the_first_stands() -> None:
    kept = archive(loss("a", 0.1), loss("b", 0.2, function="a"), loss("a", 0.3, function="c"))
    assert [one.name for one in kept.known] == ["a"]
    top = kept.top()
    assert top is not None
    assert top.gain == 0.1


def test_kinds_are_told_apart_by_facts() -> None:
    kinds: list[dict[str, Any]] = [
        {},
        {"convex": False},
        {"statistic": "batch"},
        {"slope_at_zero": 0.02},
        {"slope_at_zero": 0.0001},
        {"slope_at_zero": "NaN"},
        {"reference_free": True},
    ]
    assert len({cell(loss("x", 0.0, **facts).facts) for facts in kinds}) == len(kinds)
    assert cell({}) == cell({"slope_at_zero": None})


def test_the_best_of_each_kind_come_before_more_of_one_kind() -> None:
    crowd = [loss(f"c{n}", 0.5 + n / 100) for n in range(6)]
    other = loss("other", 0.1, convex=False)
    assert [one.name for one in archive(*crowd, other).best(4)] == ["c5", "other", "c4", "c3"]
    assert len(archive(*crowd, other).best(99)) == 7


def test_a_higher_rung_beats_a_larger_gain_and_no_gain_is_the_least() -> None:
    kept = archive(loss("rail", None), loss("low", 0.9, place=2), loss("high", 0.1))
    top = kept.top()
    assert top is not None
    assert top.name == "high"
    assert [one.name for one in sorted(kept.known, key=lambda one: one.rank)] == ["low", "rail", "high"]


def test_being_better_than_ones_kind_is_told() -> None:
    kept, told = Archive(), []
    for one in (loss(n, g) for n, g in (("a", 0.1), ("b", 0.05), ("c", 0.2))):
        kept.add(one)
        told.append(one in kept.cells().values())
    assert told == [True, False, True]


def test_lessons_are_the_newest_and_differ() -> None:
    kept = Archive()
    for number in range(60):
        kept.fail(Failure(f"n{number}", "", "properties", "P302 finite" if number % 2 else "P308 direction"))
    kept.fail(Failure("gate", "", "bandit", "worse"))
    assert [failure.name for failure in kept.instructive(5)] == ["gate", "n59", "n58"]
    assert len(kept.failures) <= 40


def test_the_digest_tells_one_archive_from_another() -> None:
    same = [archive(loss("a", 0.1)).digest for _ in range(2)]
    assert same[0] == same[1]
    assert archive(loss("a", 0.2)).digest != same[0]
    archive(loss("a", float("nan"))).digest  # noqa: B018 - numbers that JSON lacks do not stop it


def test_the_instruction_that_pays_is_asked_with_more_and_the_choice_is_the_same_again() -> None:
    pulls: list[Pull] = []
    for generation in range(60):
        arm = choose(pulls, 3, generation, tune=True)
        assert arm == choose(list(pulls), 3, generation, tune=True)
        good = arm == "combine"
        pulls.append(Pull(arm, accepted=good, gained=good))
    found = table(pulls)
    assert found["combine"]["asks"] > 30
    assert found["combine"]["pay"] == 1.0
    assert sum(row["asks"] for row in found.values()) == 60
    assert {choose(pulls, 3, g, tune=False) for g in range(9)} == {next(iter(templates.TEMPLATES))}


def row(name: str, generation: int, gain: float | None, *parents: str, **more: object) -> Row:
    values: dict[str, object] = {"attempt": 0, "template": "", "reply": "json", "fate": "measured", "rung": "bandit"}
    values |= {"name": name, "id": name, "gain": gain, "place": 3, "seconds": {"check": 1.0, "bandit": 2.0}}
    return Row(generation=generation, parents=parents, **{**values, **more})  # type: ignore[arg-type]


ROWS = [
    row("dpo", -1, 0.0),
    row("a", 0, 0.1, "dpo"),
    row("bad", 1, None, "a", fate="rejected"),
    row("b", 1, 0.05, "a", "dpo"),
    row("c", 2, 0.3, "nobody", "b"),
    row("loop", 2, 0.2, "loop"),
]


def test_losses_stand_below_their_first_known_parent() -> None:
    (dpo, loop) = lineage.forest(ROWS)
    assert (dpo.row.name, loop.row.name) == ("dpo", "loop")
    (a,) = dpo.children
    assert [child.row.name for child in a.children] == ["b"]
    assert [child.row.name for child in a.children[0].children] == ["c"]


def test_the_best_rises_and_compute_is_added_up() -> None:
    steps = lineage.progress(ROWS)
    assert [step.best for step in steps] == [0.0, 0.1, 0.1, 0.1, 0.3, 0.3]
    assert [step.seconds for step in steps] == [3.0, 6.0, 9.0, 12.0, 15.0, 18.0]


def test_rows_come_back_from_json_as_they_were() -> None:
    import json

    from harness.ledger.records import plain

    whole = row("x", 1, 0.5, "p", score=0.6, low=float("-inf"), high=float("inf"), metrics={"kl": float("inf")})
    assert Row.read(json.loads(json.dumps(plain(whole.entry())))) == whole


def test_pictures_are_drawn_and_the_same_again() -> None:
    drawn = [lineage.draw_progress(lineage.progress(ROWS), "score", "dpo") for _ in range(2)]
    assert drawn[0] == drawn[1]
    assert drawn[0]["png"].startswith(b"\x89PNG")
    assert b"best so far" in drawn[0]["svg"]
    curves = [Known("a", "a <b>", "", 1, 1, 1, learning=((0, 0.1), (10, 0.5)))]
    assert lineage.learning_curves(curves, "score").startswith(b"\x89PNG")


def test_learning_curves_are_metrics_with_a_step() -> None:
    metrics = means(
        [("score", 0.5), ("score", 0.7), ("score@20", 0.4), ("score@5", 0.1), ("kl@5", 3.0), ("score@x", 1.0)]
    )
    assert metrics["score"] == pytest.approx(0.6)
    assert curves(metrics)["score"] == ((5, 0.1), (20, 0.4))
