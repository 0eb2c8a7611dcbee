"""No module of bench/ is left out of the tests without a word: each is run, is a part of one that is, or is told of."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from bench_runs import AT_ONCE, LAST, LATER, LONG_SCRIPTS, NOT_RUN, SCRIPTS
from doc_fates import STORIES

from bench.__main__ import FIGURES, OPTIONAL, SMALL

ROOT = Path(__file__).resolve().parents[2]
BENCH = ROOT / "bench"
MODULES = {
    ".".join(path.relative_to(BENCH).with_suffix("").parts): path
    for path in BENCH.rglob("*.py")
    if path.name != "__init__.py"
}
_NAMED = re.compile(r"python -m bench\.([\w.]+)")


def parts_of(path: Path) -> set[str]:
    """The modules of bench/ that one imports, or starts by its name."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "bench":
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("bench."):
            found.add((node.module or "").removeprefix("bench."))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("bench."):
            found.add(node.value.removeprefix("bench."))
    return found & set(MODULES)


def with_parts(begun: set[str]) -> set[str]:
    """These modules and all that they are made of."""
    found, waiting = set[str](), set(begun)
    while waiting:
        name = waiting.pop()
        found.add(name)
        waiting |= parts_of(MODULES[name]) - found
    return found


def begun() -> set[str]:
    """The modules that a test starts."""
    in_stories = {
        name for story in STORIES.values() for step in story for name in _NAMED.findall(step.does or step.text)
    }
    return {"__main__", *in_stories, *(words.split()[0].removeprefix("bench.") for words in (*SCRIPTS, *LONG_SCRIPTS))}


def test_every_figure_is_run_once() -> None:
    assert sorted((*AT_ONCE, *LATER, *LAST)) == sorted(FIGURES)
    assert set(SMALL) <= set(FIGURES)
    assert set(OPTIONAL) <= set(FIGURES)


def test_every_module_is_run_or_it_is_told_why_not() -> None:
    """A new one fails here until `bench_runs.py` or a story has it."""
    assert set(MODULES) - with_parts(begun()) == set(NOT_RUN)


@pytest.mark.parametrize("name", NOT_RUN)
def test_what_is_not_run_has_a_reason_and_a_test_of_what_lies_beneath(name: str) -> None:
    why, place = NOT_RUN[name]
    assert len(why.split()) > 3
    path, _, test = place.partition("::")
    tree = ast.parse((ROOT / "tests" / path).read_text("utf-8"))
    assert test in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert name in parts_of(ROOT / "tests" / path)


def test_a_module_that_nobody_starts_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MODULES, "forgotten", BENCH / "scale.py")
    assert set(MODULES) - with_parts(begun()) == {*NOT_RUN, "forgotten"}
