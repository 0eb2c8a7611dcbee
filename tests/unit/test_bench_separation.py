"""The page of what the training rungs make of known losses is what was measured, and every broken loss is stopped."""

from __future__ import annotations

import json

import pytest

from bench import control, separation
from harness.losses import CATALOGUE

pytestmark = pytest.mark.rest


def rows() -> list[list[str]]:
    return [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in separation.page().splitlines() if "| `" in line
    ]


def test_the_page_is_what_was_measured() -> None:
    assert separation.PAGE.read_text("utf-8") == separation.page(), "run `python -m bench.separation`"


def test_the_whole_catalogue_and_more_than_ten_broken_losses_are_in_both_tables() -> None:
    names = [row[0].strip("`") for row in rows()]
    good = [entry.name for entry in CATALOGUE]
    assert all(names.count(name) == 2 for name in good)
    assert len([name for name in names if name not in good]) == len(control.BROKEN) + 17


def test_every_broken_loss_is_stopped_by_a_gate_or_by_a_property() -> None:
    good = {entry.name for entry in CATALOGUE}
    for name, *_, gate, rule in (row for row in rows() if row[0].strip("`") not in good):
        assert gate.startswith("reject") or rule.startswith("P3"), name


def test_of_the_catalogue_only_rails_stop_any_and_no_property_does() -> None:
    fell = json.loads(separation.CHECKED.read_text("utf-8"))["fell_by"]
    assert {fell[entry.name] for entry in CATALOGUE} == {""}
    for name, *_, gate in (row for row in rows() if row[0].strip("`") in {entry.name for entry in CATALOGUE}):
        assert not gate.startswith("reject: worse"), name


def test_what_has_to_stand_in_order_does_so_in_generation() -> None:
    second = [row for row in rows() if row[0] in {"`negated`", "`constant`", "`lrml`", "`dpo`"} and len(row) != 5][-4:]
    reward = {row[0].strip("`"): float(row[1]) for row in second}
    assert reward["negated"] < reward["constant"] < reward["lrml"] < reward["dpo"]
