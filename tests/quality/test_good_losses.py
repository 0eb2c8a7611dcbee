"""What must be accepted: the whole catalogue and every example, with the documented warnings and no others.

One of each kind in `make test`, one in three in `make test-rest`, all of them in `make test-all`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support import decided

from harness.checks.options import Options
from harness.core.verdict import Accepted, Rejected, Severity
from harness.losses import CATALOGUE, path_of

if TYPE_CHECKING:
    from harness.core.result import CheckResult
    from harness.losses import Entry

pytestmark = pytest.mark.container

ROOT = Path(__file__).parent.parent.parent
EXAMPLES = sorted(p for p in (ROOT / "examples").iterdir() if p.suffix in {".py", ".json"})
BROKEN = sorted((ROOT / "examples/broken").glob("*.py"))
#: Right, as people write them, and each at the edge of some rule: they were once refused.
HONEST = sorted((Path(__file__).parent / "honest").glob("*.py"))
#: The one rule that each of these is warned about: the smallest batch, or a finite jump.
WARNINGS = {"dbaql": "P317", "aqfl": "P317", "padll": "P304", "pfl": "P304", "pfl_refactored": "P304"}


#: Of each kind, those that come first: plain, without a reference, by a statistic of the batch; a function and a reply.
SOON = {"dpo", "simpo", "dbaql", "discopop.py", "reply.json", "inverted.py", "per_token_squared.py"}

#: One in so many of the others before `make test-all`.
ONE_IN = 3


def when(name: str, place: int) -> list[pytest.MarkDecorator]:
    return [] if name in SOON else [pytest.mark.whole if place % ONE_IN else pytest.mark.rest]


def each(paths: list[Path]) -> list[object]:
    return [pytest.param(path, marks=when(path.name, at), id=path.name) for at, path in enumerate(paths)]


ENTRIES = [pytest.param(entry, marks=when(entry.name, at), id=entry.name) for at, entry in enumerate(CATALOGUE)]


@pytest.fixture(scope="module")
def results(request: pytest.FixtureRequest, sandbox_image: object) -> dict[Path, CheckResult]:
    """All that are asked for, checked once, two at a time."""
    del sandbox_image
    here = [item for item in request.session.items if item.path == request.path]
    asked = [value for item in here if hasattr(item, "callspec") for value in item.callspec.params.values()]
    paths = {value if isinstance(value, Path) else path_of(getattr(value, "name", value)) for value in asked}
    if any(not hasattr(item, "callspec") for item in here):  # they compare what they like
        paths |= {*(path_of(e.name) for e in CATALOGUE), *EXAMPLES}
    each = sorted(paths)
    return dict(zip(each, decided(each, Options(jobs=2)), strict=True))


def check_accepted(result: CheckResult, stem: str) -> None:
    assert isinstance(result.verdict, Accepted), result.verdict
    told = {f.rule: f for f in result.verdict.findings if f.severity is not Severity.NOTE}
    assert set(told) == ({WARNINGS[stem]} if stem in WARNINGS else set())
    assert all(f.severity is Severity.WARNING for f in told.values())
    assert len(result.loss_facts.fingerprint) == 64


@pytest.mark.parametrize("entry", ENTRIES)
def test_the_catalogue_is_accepted(results: dict[Path, CheckResult], entry: Entry) -> None:
    check_accepted(results[path_of(entry.name)], entry.name)


@pytest.mark.parametrize("entry", ENTRIES)
def test_the_facts_are_those_of_the_catalogue(results: dict[Path, CheckResult], entry: Entry) -> None:
    facts = results[path_of(entry.name)].facts
    assert facts["reference_free"] == entry.reference_free
    assert facts["smallest_batch"] == entry.smallest_batch
    # A batch statistic may be invisible where it is saturated, and never the other way round.
    assert facts["statistic"] == entry.kind


@pytest.mark.parametrize("name", ["dbaql", pytest.param("aqfl", marks=pytest.mark.whole)])
def test_the_warning_states_the_smallest_batch(results: dict[Path, CheckResult], name: str) -> None:
    (warning,) = [f for f in results[path_of(name)].verdict.findings if f.rule == "P317"]
    assert "2 pairs" in warning.message
    assert warning.counterexample is not None
    assert warning.counterexample["smallest_batch"] == 2
    assert {"progress", "chosen_lengths", "rejected_lengths"} <= set(warning.counterexample)


@pytest.mark.parametrize("path", each(EXAMPLES))
def test_the_examples_are_accepted(results: dict[Path, CheckResult], path: Path) -> None:
    check_accepted(results[path], path.stem)


@pytest.mark.parametrize("path", each(HONEST))
def test_what_is_right_in_another_way_is_accepted(results: dict[Path, CheckResult], path: Path) -> None:
    verdict = results[path].verdict
    assert isinstance(verdict, Accepted), verdict
    assert not any(f.severity is Severity.ERROR for f in verdict.findings)


@pytest.mark.whole
def test_the_same_function_in_other_words_has_the_same_fingerprint(results: dict[Path, CheckResult]) -> None:
    prints = {p: r.facts.get("fingerprint") for p, r in results.items()}
    examples = ROOT / "examples"
    assert prints[examples / "discopop.py"] == prints[examples / "discopop_method.py"] == prints[path_of("lrml")]
    assert prints[examples / "dpo.py"] == prints[path_of("dpo")]
    catalogue = [prints[path_of(e.name)] for e in CATALOGUE]
    assert len(set(catalogue)) == len(catalogue)


@pytest.mark.parametrize("path", each(BROKEN))
def test_the_broken_examples_are_rejected_as_their_page_says(results: dict[Path, CheckResult], path: Path) -> None:
    page = (ROOT / "examples/README.md").read_text("utf-8")
    said = re.search(rf"`broken/{path.name}` \| `([a-z-]+)`", page)
    assert said is not None
    verdict = results[path].verdict
    assert isinstance(verdict, Rejected)
    assert said[1] in {f.name for f in verdict.findings if f.severity is Severity.ERROR}
