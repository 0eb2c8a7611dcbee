"""Ladders are frozen files, and nothing in one is ignored."""

from __future__ import annotations

import importlib.resources

import pytest

from harness.core.errors import UserError
from harness.ladder.ladder import load, names, parse
from harness.ladder.rungs import evaluation_digest

#: A change of a ladder is a new file; this is what the old ones have to stay.
DIGESTS = {
    "bandit-2026.1": "5cda20c380cd40717e436305e5e43169beb5a85dbbe69d3433264cd120cf0d0e",
    "cifar10-2026.1": "e97e2797cbd2e1d367288bc710fdbd8b6b449a06b1ee3b7be2fbe63131b9fbd1",
    "digits-2026.1": "1981c3c2209a9daeed3569514b99549867f52b140e0ab5a31be2ce95c25ef08a",
    "control-2026.1": "ada33a8326265ffabb87e083d59fbffe043aca16068669a873be16d2cfed3ae5",
    "control-2026.2": "65731090fd922ec5cfc8e2c99e005c64479c6c2900cb631d995a2568a56e19f1",
    "imdb-2026.1": "48a01f3b290f50245f5926474aa5fb2c1a0e9228fb7fa4c294d8fcb93036477b",
    "reviews-2026.1": "baedd998373020426861d18b064ed6685d429e49a4ca14de72d940c2364259da",
    "zephyr-7b-gemma-2026.1": "ee93fa3fd1591152660f4bd06e8fb4b6388b8fd73170f0fa37198f45cc81f922",
    "bandit-2026.2": "fefa7d230bd4fc0aa3b163fe61a9cc801925bfe8733c0363699ac4a40db10eb9",
    "cifar10-2026.2": "92610e2ba4d7f7573f4c9e633e665fbc49992eaa66a4129e1cbcc73aab653c59",
    "control-2026.3": "4ae8609bfaa783ed37dbb65d3055433346524b7ec7796a02db9e63a431f6296b",
    "digits-2026.2": "ca24724ab9ffedcd8bc409ee8f37a76c083b44fb8419009d575ee74470c9c5cf",
    "digits-2026.3": "2368b9cf50c94496211de80f045bc1063f4d800830c20d2c19a92d08ee2fb5ac",
    "imdb-2026.2": "b87b9f71d23082c520291efbd26271ebace0cc8bfdd54d535347db4f9fc1b1b7",
    "iterate-2026.1": "fdbba276cfd2e295c88d44419ffc7e6518abc9c11e34f96116d901360dd5d170",
    "reviews-2026.2": "d601e384aec7dc2e892903f8ae2cabd545f7ae8ac43b6be50b1ea4e152d5d56f",
    "alpaca-eval-2-2026.1": "b7e7dd97dbbcf1f01ecd4db2643fef7694612b060e58be5a5be6d532616c0462",
    "arena-hard-2026.1": "8b27c403c4aa6fedbb138ba680b66f6cb5f4e0680ba13b356969388ba72e872c",
    "mt-bench-2026.1": "f0d51a54c09c1559fcef621a0bdc6dee7442854a075d457440023e3cbf014e17",
    "tldr-2026.1": "93b77a9aaef62c4a658311e275a8e1a1f6904c8b9c864ce399d6e4bebbf6ddca",
    "zephyr-7b-gemma-2026.2": "4a45bab07ccb3278f57923522a6f2e913a51ef3f851cdd994bf84ed9e3a043a8",
}
TEXT = importlib.resources.files("harness.ladder.profiles").joinpath("bandit-2026.1.toml").read_text("utf-8")


def test_the_ladders_are_the_ones_that_were_frozen() -> None:
    assert {name: load(name).digest for name in DIGESTS} == DIGESTS
    assert set(names()) == set(DIGESTS)


def test_a_name_without_a_date_is_the_newest() -> None:
    for name in names():
        family = name.rpartition("-")[0]
        assert load(family).name == [other for other in names() if other.rpartition("-")[0] == family][-1]


def test_a_gate_knows_whom_it_compares_with() -> None:
    gates = [plan.gate for plan in load("bandit").rungs if plan.gate is not None]
    assert [gate.against for gate in gates] == ["dpo"]


@pytest.mark.parametrize("name", ["", "band", "bandit-1999.1", "../profile", "bandit-2026"])
def test_an_unknown_ladder_is_the_users_mistake(name: str) -> None:
    with pytest.raises(UserError, match="no ladder"):
        load(name)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('name = "bandit-2026.1"', 'name = "bandit-2026.1"\nsurprise = 1'),
        ("alpha = 0.05", "alpha = 1.5"),
        ('needs = "cpu"', 'needs = "tpu"'),
        ('undecided = "promote"', 'undecided = "maybe"'),
        ("looks = [2, 4, 8]", "looks = []"),
        ("date = 2026-11-21", "date = soon"),
    ],
)
def test_what_is_no_ladder_is_refused(old: str, new: str) -> None:
    assert old in TEXT
    with pytest.raises(UserError, match="no ladder"):
        parse(TEXT.replace(old, new, 1).encode())


def test_the_file_is_told_with_the_line_of_what_is_wrong() -> None:
    with pytest.raises(UserError, match=r"^mine.toml:8: .*kind.*; line 37: .*alpha"):
        parse(
            TEXT.replace('kind = "screen"', "kind = 7", 1).replace("alpha = 0.05", "alpha = 0.0").encode(), "mine.toml"
        )


def test_the_evaluation_covers_whatever_decides() -> None:
    ladder = load()
    plan = ladder.rungs[2]
    first = evaluation_digest(ladder, plan, "sha256:1")
    others = {evaluation_digest(ladder, plan, "sha256:2"), evaluation_digest(ladder, ladder.rungs[1], "sha256:1")}
    for old, new in (("steps = 150", "steps = 151"), ("margin = 0.55", "margin = 0.5"), ("least = 1.0", "least = 0.5")):
        changed = parse(TEXT.replace(old, new, 1).encode())
        others.add(evaluation_digest(changed, changed.rungs[2], "sha256:1"))
    assert len(others | {first}) == 6
    assert evaluation_digest(load(), plan, "sha256:1") == first
