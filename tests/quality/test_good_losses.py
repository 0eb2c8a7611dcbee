"""What must be accepted: the whole catalogue and every example, with the documented warnings and no others."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support import decided

from harness.judge.options import Options
from harness.losses import CATALOGUE, path_of
from harness.verdict import Accepted, Rejected, Severity

if TYPE_CHECKING:
    from harness.result import CheckResult

pytestmark = [pytest.mark.container, pytest.mark.long]

ROOT = Path(__file__).parent.parent.parent
EXAMPLES = sorted(p for p in (ROOT / "examples").iterdir() if p.suffix in {".py", ".json"})
BROKEN = sorted((ROOT / "examples/broken").glob("*.py"))
#: Right, as people write them, and each at the edge of some rule: they were once refused.
HONEST = sorted((Path(__file__).parent / "honest").glob("*.py"))
#: The one rule that each of these is warned about: the smallest batch, or a finite jump.
WARNINGS = {"dbaql": "P317", "aqfl": "P317", "padll": "P304", "pfl": "P304", "pfl_refactored": "P304"}


@pytest.fixture(scope="module")
def results(sandbox_image: object) -> dict[Path, CheckResult]:
    """All of them, checked once, two at a time."""
    del sandbox_image
    paths = [*(path_of(e.name) for e in CATALOGUE), *EXAMPLES, *BROKEN, *HONEST]
    return dict(zip(paths, decided(paths, Options(jobs=2)), strict=True))


def check_accepted(result: CheckResult, stem: str) -> None:
    assert isinstance(result.verdict, Accepted), result.verdict
    told = {f.rule: f for f in result.verdict.findings if f.severity is not Severity.NOTE}
    assert set(told) == ({WARNINGS[stem]} if stem in WARNINGS else set())
    assert all(f.severity is Severity.WARNING for f in told.values())
    assert len(result.facts["fingerprint"]) == 64


@pytest.mark.parametrize("name", [e.name for e in CATALOGUE])
def test_the_catalogue_is_accepted(results: dict[Path, CheckResult], name: str) -> None:
    check_accepted(results[path_of(name)], name)


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda e: e.name)
def test_the_facts_are_those_of_the_catalogue(results: dict[Path, CheckResult], entry: object) -> None:
    facts = results[path_of(entry.name)].facts
    assert facts["reference_free"] == entry.reference_free
    assert facts["smallest_batch"] == entry.smallest_batch
    # A batch statistic may be invisible where it is saturated, and never the other way round.
    assert facts["statistic"] == entry.kind


@pytest.mark.parametrize("name", ["dbaql", "aqfl"])
def test_the_warning_states_the_smallest_batch(results: dict[Path, CheckResult], name: str) -> None:
    (warning,) = [f for f in results[path_of(name)].verdict.findings if f.rule == "P317"]
    assert "2 pairs" in warning.message
    assert warning.counterexample is not None
    assert warning.counterexample["smallest_batch"] == 2
    assert {"progress", "chosen_lengths", "rejected_lengths"} <= set(warning.counterexample)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.name)
def test_the_examples_are_accepted(results: dict[Path, CheckResult], path: Path) -> None:
    check_accepted(results[path], path.stem)


@pytest.mark.parametrize("path", HONEST, ids=lambda p: p.stem)
def test_what_is_right_in_another_way_is_accepted(results: dict[Path, CheckResult], path: Path) -> None:
    verdict = results[path].verdict
    assert isinstance(verdict, Accepted), verdict
    assert not any(f.severity is Severity.ERROR for f in verdict.findings)


def test_the_same_function_in_other_words_has_the_same_fingerprint(results: dict[Path, CheckResult]) -> None:
    prints = {p: r.facts.get("fingerprint") for p, r in results.items()}
    examples = ROOT / "examples"
    assert prints[examples / "discopop.py"] == prints[examples / "discopop_method.py"] == prints[path_of("lrml")]
    assert prints[examples / "dpo.py"] == prints[path_of("dpo")]
    catalogue = [prints[path_of(e.name)] for e in CATALOGUE]
    assert len(set(catalogue)) == len(catalogue)


@pytest.mark.parametrize("path", BROKEN, ids=lambda p: p.name)
def test_the_broken_examples_are_rejected_as_their_page_says(results: dict[Path, CheckResult], path: Path) -> None:
    page = (ROOT / "examples/README.md").read_text("utf-8")
    said = re.search(rf"`broken/{path.name}` \| `([a-z-]+)`", page)
    assert said is not None
    verdict = results[path].verdict
    assert isinstance(verdict, Rejected)
    assert said[1] in {f.name for f in verdict.findings if f.severity is Severity.ERROR}
