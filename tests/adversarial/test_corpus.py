"""A case of each class with the screen on and off, one of every sixth class under gVisor, the ground truth.

All cases in all modes are `make redteam`.
"""

from __future__ import annotations

import pytest
from attack import Attack, run
from cases import FOLDER, LAYERS, MODES, Case, load, titles
from inputs import MAKERS

pytestmark = [pytest.mark.container, pytest.mark.long]

CASES = load()


#: Cases of a class that are run here, and classes of which one is run under gVisor, where a check takes far longer.
OF_A_CLASS, UNDER_GVISOR = 1, slice(0, None, 6)


def chosen(mode: str) -> list[Case]:
    """The cases that are run here: the first ones of each class."""
    kinds: dict[int, list[Case]] = {}
    for case in CASES:
        if mode in case.expected:
            kinds.setdefault(case.kind, []).append(case)
    if mode == "gVisor":
        return [group[0] for group in list(kinds.values())[UNDER_GVISOR]]
    return [case for group in kinds.values() for case in group[:OF_A_CLASS]]


EACH = [pytest.param(mode, case, id=f"{case.name}-{mode}") for mode in MODES for case in chosen(mode)]
_attacks: dict[str, Attack] = {}


@pytest.fixture
def attack(request: pytest.FixtureRequest, sandbox_image: object) -> Attack:
    """The run of one mode: made by the first test that wants it."""
    del sandbox_image
    mode = request.param
    if mode == "gVisor":
        request.getfixturevalue("runsc")
    if mode not in _attacks:
        _attacks[mode] = run(mode, chosen(mode))
    return _attacks[mode]


@pytest.mark.parametrize(("attack", "case"), EACH, indirect=["attack"])
def test_a_case_ends_as_it_must(attack: Attack, case: Case) -> None:
    assert not attack.verdict_on(case)


@pytest.mark.parametrize("attack", MODES, indirect=True)
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
