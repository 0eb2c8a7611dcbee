"""Arrows between the rooms go down, and no files import one another in a circle; and what says so sees it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grimp
import pytest
from support import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: By a contract's id: a file and an import that break it, and it alone or with others.
BROKEN = {
    "layers": ("harness/ledger/records.py", "from harness.ladder.plan import Ladder"),
    "sandbox": ("sandbox/wire.py", "from harness.core import version"),
    "trainer": ("trainer/hub.py", "from harness.oracle.oracle import Oracle"),
    "trainer-by-protocol": ("trainer/hub.py", "from harness.sandbox import wire"),
    "core": ("harness/core/text.py", "from harness.protocol.batch import Batch"),
    "circles": ("harness/ledger/records.py", "from harness.ledger.queue import LEASE_SECONDS"),
}


def settings() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package, its links as links, with the contracts."""
    root = tmp_path_factory.mktemp("layers")
    unwanted = shutil.ignore_patterns("__pycache__")
    for name in ("harness", "sandbox", "property_tests", "trainer", "dockerfiles"):
        shutil.copytree(ROOT / name, root / name, symlinks=True, ignore=unwanted)
    shutil.copy(ROOT / "pyproject.toml", root)
    return root


def lint(root: Path, contract: str | None = None) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache", "--no-logo"]
    command += [f"--contract={contract}"] if contract else []
    environment = {**os.environ, "PYTHONPATH": str(root)}
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)


def test_every_contract_has_what_breaks_it() -> None:
    assert [contract["id"] for contract in settings()["contracts"]] == list(BROKEN)


def test_the_contracts_hold(checkout: Path) -> None:
    done = lint(checkout)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("contract", BROKEN)
def test_a_contract_that_is_broken_says_so(contract: str, checkout: Path) -> None:
    name, line = BROKEN[contract]
    path = checkout / name
    before = path.read_text("utf-8")
    path.write_text(f"{before}\n\nif False:\n    {line}\n", "utf-8")
    try:
        done = lint(checkout, contract)
    finally:
        path.write_text(before, "utf-8")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "BROKEN" in done.stdout


def test_an_import_for_the_type_checker_counts(checkout: Path) -> None:
    path = checkout / "harness/ledger/records.py"
    before = path.read_text("utf-8")
    path.write_text(
        f"{before}\nfrom typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    {BROKEN['layers'][1]}\n", "utf-8"
    )
    try:
        assert lint(checkout, "layers").returncode == 1
    finally:
        path.write_text(before, "utf-8")


@pytest.mark.parametrize(
    ("contract", "allowed"),
    [("sandbox", {"sandbox"}), ("trainer", {"trainer", "protocol", "sandbox", "core"}), ("core", {"core"})],
)
def test_what_is_forbidden_is_every_other_room(contract: str, allowed: set[str]) -> None:
    """The tool knows no "all but these", so a room that is new would be missing."""
    contracts = {each["id"]: each for each in settings()["contracts"]}
    rooms = {name for layer in contracts["layers"]["layers"] for name in layer.split(" | ")}
    assert set(contracts[contract]["forbidden_modules"]) == {f"harness.{room}" for room in rooms - allowed}


def circles(imports: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """Files that come back to themselves by what they import: the strongly connected ones, in groups."""
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    path: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        order[name] = lowest[name] = len(order)
        path.append(name)
        for other in imports.get(name, ()):
            if other not in order:
                visit(other)
                lowest[name] = min(lowest[name], lowest[other])
            elif other in path:
                lowest[name] = min(lowest[name], order[other])
        if lowest[name] == order[name]:
            at = path.index(name)
            if len(path) - at > 1 or name in imports.get(name, ()):
                found.append(sorted(path[at:]))
            del path[at:]

    for name in imports:
        if name not in order:
            visit(name)
    return found


def test_no_files_import_one_another_in_a_circle() -> None:
    """A package's own file (`__init__`) too, where a file in it asks it for something: the linter does not see that."""
    graph = grimp.build_graph("harness", cache_dir=None)
    imports = {name: graph.find_modules_directly_imported_by(name) for name in sorted(graph.modules)}
    assert len(imports) > 400
    assert "harness.sandbox.wire" in imports["harness.protocol.wire"]
    assert circles(imports) == []


@pytest.mark.parametrize(
    ("imports", "expected"),
    [
        ({"a": ["b"], "b": ["a"]}, [["a", "b"]]),
        ({"a": ["a"]}, [["a"]]),
        ({"p": ["p.x"], "p.x": ["p"], "q": ["p"]}, [["p", "p.x"]]),
        ({"a": ["b"], "b": ["c"], "c": ["d", "a"], "d": []}, [["a", "b", "c"]]),
        ({"a": ["b", "c"], "b": ["d"], "c": ["d"], "d": []}, []),
    ],
)
def test_the_search_sees_circles(imports: dict[str, list[str]], expected: list[list[str]]) -> None:
    assert circles(imports) == expected


def test_a_circle_of_a_package_and_its_file_is_seen(checkout: Path) -> None:
    path = checkout / "harness/ledger/records.py"
    before = path.read_text("utf-8")
    program = (
        "import sys; sys.path[:0] = ['.', sys.argv[1]]; import grimp; from test_layers import circles\n"
        "graph = grimp.build_graph('harness', cache_dir=None)\n"
        "print(circles({m: graph.find_modules_directly_imported_by(m) for m in sorted(graph.modules)}))\n"
    )
    path.write_text(f"{before}\n\nif False:\n    from harness.ledger import Ledger\n", "utf-8")
    try:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(checkout), str(ROOT / "tests")])}
        done = subprocess.run(
            [sys.executable, "-c", program, str(ROOT / "tests/unit")],
            cwd=checkout, env=environment, capture_output=True, text=True, check=True,
        )  # fmt: skip
    finally:
        path.write_text(before, "utf-8")
    assert "'harness.ledger', " in done.stdout
    assert "'harness.ledger.records'" in done.stdout
