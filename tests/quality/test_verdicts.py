"""Verdict, rules and counterexamples of every candidate are as `tests/verdicts.json` has them.

What the screen refuses is put to the screen alone, in `make test-rest`, beside one in `ONE_IN` of the others, whole;
`make test-all` puts all of them.
"""

from __future__ import annotations

import pytest
import verdicts

from harness.core.profiles import DEFAULT

ONE_IN = 40
TABLE = verdicts.recorded()
PROFILES = {name: profile for profile, names in verdicts.candidates().items() for name in names}


def refused_by_the_screen(row: verdicts.Row) -> bool:
    return row["verdict"] == "rejected" and all(rule.startswith("S") for rule, _ in row["findings"])


STATIC = [name for name, row in TABLE.items() if refused_by_the_screen(row)]
JUDGED = [name for name in TABLE if name not in STATIC]


def test_a_row_that_differs_is_seen() -> None:
    row = {"verdict": "rejected", "findings": [["P308", {"rho": [1.0, -2.5], "pairs": 2}]]}
    assert verdicts.alike(row, {"verdict": "rejected", "findings": [["P308", {"rho": [1.0 + 1e-9, -2.5], "pairs": 2}]]})
    others: list[object] = [["P308", {"rho": [1.001, -2.5], "pairs": 2}], ["P308", {"rho": [1.0], "pairs": 2}]]
    others += [["P308", {"rho": [1.0, -2.5], "pairs": 3}], ["P309", {"rho": [1.0, -2.5], "pairs": 2}], ["P308", None]]
    for other in others:
        assert not verdicts.alike(row, {"verdict": "rejected", "findings": [other]})
    assert not verdicts.alike(row, {**row, "verdict": "accepted"})


def test_every_candidate_is_in_the_table() -> None:
    assert set(TABLE) == set(PROFILES)
    assert len(STATIC) > 200
    assert len(JUDGED) > 300


@pytest.mark.rest
@pytest.mark.parametrize("profile", verdicts.candidates())
def test_what_the_screen_refuses_is_refused_as_before(profile: str) -> None:
    names = [name for name in STATIC if PROFILES[name] == profile]
    now = verdicts.rows_of(names, profile, static=True)
    assert not verdicts.differing(now, names)


def portions() -> list[object]:
    """Names of one profile in lots of a process's size; the first of each `ONE_IN` come before the rest."""
    some = JUDGED[::ONE_IN]
    others = [name for name in JUDGED if name not in some]
    lots = [[n for n in names if PROFILES[n] == p] for names in (some, others) for p in verdicts.candidates()]
    cut = [lot[at : at + ONE_IN] for lot in lots for at in range(0, len(lot), ONE_IN)]
    return [
        pytest.param(lot, id=lot[0], marks=pytest.mark.rest if lot[0] in some else pytest.mark.whole) for lot in cut
    ]


@pytest.mark.container
@pytest.mark.parametrize("names", portions())
def test_the_verdict_is_as_before(names: list[str], sandbox_image: object) -> None:
    del sandbox_image
    now = verdicts.rows_of(names, PROFILES.get(names[0], DEFAULT))
    assert not verdicts.differing(now, names)
