"""The simulation at scale, held against what can be worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest

from bench.scale import Site, costs_of, in_code, on_paper

TABLE = {
    "ladder": "made up",
    "candidates": [
        {"name": "a", "kind": "bad", "rungs": [{"rung": "properties", "seconds": 2.0, "passed": False}]},
        {
            "name": "b",
            "kind": "mediocre",
            "rungs": [
                {"rung": "properties", "seconds": 3.0, "passed": True},
                {"rung": "bandit", "seconds": 8.0, "a_seed": 2.0, "seeds": 4, "all_seeds": 8, "passed": False},
            ],
        },
        {
            "name": "c",
            "kind": "good",
            "rungs": [
                {"rung": "properties", "seconds": 4.0, "passed": True},
                {"rung": "bandit", "seconds": 6.0, "a_seed": 3.0, "seeds": 2, "all_seeds": 8, "passed": True},
            ],
        },
    ],
}


def site(**more):
    words: dict[str, Any] = {
        "gpus": 2,
        "cores": 8,
        "mix": {"bad": 0.5, "mediocre": 0.25, "good": 0.25},
        "ledger": 0.001,
    }
    return Site(**(words | {"costs": costs_of(TABLE, 0.01)} | more))


def test_a_candidate_pays_for_what_it_came_to_and_without_the_ladder_for_all():
    bad, mediocre, good = costs_of(TABLE, 0.5)
    assert (bad.cpu, mediocre.cpu, good.cpu) == (2.0, 11.0, 10.0)
    assert (bad.gpu, mediocre.gpu, good.gpu) == (0.0, 0.0, 1800.0)
    # A seed of those that never came to it costs what it cost the others at the median.
    assert (bad.cpu_without, mediocre.cpu_without, good.cpu_without) == (2.0 + 8 * 2.5, 3.0 + 16.0, 4.0 + 24.0)
    assert bad.gpu_without == good.gpu_without == 1800.0


@pytest.mark.parametrize("ladder", [True, False])
@pytest.mark.parametrize(
    "more", [{}, {"cores": 1}, {"gpus": 64, "cores": 512, "ledger": 0.5}, {"gpus": 1, "cores": 64}], ids=str
)
def test_paper_and_code_agree_whatever_is_scarce(ladder, more):
    there = site(**more)
    assert in_code(there, ladder=ladder) == pytest.approx(on_paper(there, ladder=ladder), rel=0.03)


def test_what_is_scarce_decides():
    cpu = (0.5 * 2.0 + 0.25 * 11.0 + 0.25 * 10.0) / 1.0
    assert on_paper(site(cores=1), ladder=True) == pytest.approx(86_400 / cpu)
    assert on_paper(site(gpus=1, cores=4096), ladder=True) == pytest.approx(86_400 / (0.25 * 36.0))
    assert on_paper(site(gpus=1, cores=4096), ladder=False) == pytest.approx(86_400 / 36.0)
    assert on_paper(site(gpus=999, cores=99999, ledger=0.5), ladder=True) == pytest.approx(86_400 / 0.5)
