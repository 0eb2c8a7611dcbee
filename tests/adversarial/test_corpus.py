"""A case of each class with the screen on and off, by a short check; one of every sixth class under gVisor.

All cases in all modes, by whole checks, are in `make test-all`; `make redteam` shows them as a table.
"""

from __future__ import annotations

from typing import Any

import pytest
from attack import Attack, run
from cases import FOLDER, LAYERS, MODES, Case, load, titles
from inputs import MAKERS

pytestmark = pytest.mark.container

CASES = load()
#: Classes of which one case is run under gVisor before `make test-all`: a check takes far longer there.
UNDER_GVISOR = slice(0, None, 6)
SOME, ALL = "one of a class", "all"


def chosen(mode: str, how_many: str) -> list[Case]:
    """The cases that are run: all of a mode, or the first one of each class."""
    kinds: dict[int, list[Case]] = {}
    for case in CASES:
        if mode in case.expected:
            kinds.setdefault(case.kind, []).append(case)
    if how_many == ALL:
        return [case for group in kinds.values() for case in group]
    firsts = [group[0] for group in kinds.values()]
    return firsts[UNDER_GVISOR] if mode == "gVisor" else firsts


def attacks(how_many: str, mode: str) -> Any:
    marks = [pytest.mark.whole] if how_many == ALL else [pytest.mark.rest] if mode == "gVisor" else []
    return pytest.param((mode, how_many), id=f"{mode}-{how_many}", marks=marks)


RUNS = [attacks(how_many, mode) for how_many in (SOME, ALL) for mode in MODES]
EACH = [
    pytest.param(one.values[0], case, id=f"{case.name}-{one.id}", marks=one.marks)
    for one in RUNS
    for case in chosen(*one.values[0])
]
_attacks: dict[tuple[str, str], Attack] = {}


@pytest.fixture
def attack(request: pytest.FixtureRequest, sandbox_image: object) -> Attack:
    """The run of one mode: made by the first test that wants it."""
    del sandbox_image
    mode, how_many = request.param
    if mode == "gVisor":
        request.getfixturevalue("runsc")
    if request.param not in _attacks:
        _attacks[request.param] = run(mode, chosen(mode, how_many), short=how_many == SOME)
    return _attacks[request.param]


@pytest.mark.parametrize(("attack", "case"), EACH, indirect=["attack"])
def test_a_case_ends_as_it_must(attack: Attack, case: Case) -> None:
    assert not attack.verdict_on(case)


@pytest.mark.parametrize("attack", RUNS, indirect=True)
def test_the_ground_truth_holds(attack: Attack) -> None:
    assert attack.wrong == []


def test_no_class_is_missing() -> None:
    assert {case.kind for case in CASES} == set(titles())


def test_there_are_enough_of_them() -> None:
    assert len(CASES) >= 120


def test_every_file_is_a_case_and_every_case_is_there() -> None:
    files = {path.stem for path in FOLDER.glob("*.py")}
    assert files | set(MAKERS) == {case.name for case in CASES}
    assert not files & set(MAKERS)


def test_every_case_names_a_layer_and_runs_with_the_screen_on_and_off() -> None:
    for case in CASES:
        assert case.layer in LAYERS, case.name
        assert {"screen on", "screen off"} <= set(case.expected), case.name


def test_what_is_accepted_shows_that_its_attack_was_made() -> None:
    for case in CASES:
        for mode, expected in case.expected.items():
            assert expected.says or "accepted" not in expected.verdict, (case.name, mode)
