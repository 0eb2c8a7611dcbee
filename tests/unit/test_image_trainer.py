"""The trainer image's inputs: all that training imports, and nothing that judges."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import pytest

from harness.core.errors import UserError
from harness.core.sources import project_root
from harness.images.inputs import SANDBOX_VARIANTS, TRAINER_CODE, TRAINER_VARIANTS, VARIANTS, inputs_for, variant_for
from harness.images.wheelhouse import parse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROOT = project_root()
OURS = {"harness", "sandbox", "property_tests", "trainer"}


def imported(body: list[ast.stmt], *, everywhere: bool) -> Iterator[str]:
    """Modules of ours that code imports when it runs; those in functions too where `everywhere`."""
    for node in body:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif everywhere or not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            inner = [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt)]
            yield from imported(inner, everywhere=everywhere)


def file_of(module: str) -> Path | None:
    """The file of a module of ours, its links followed; None for a name in one, or somebody else's."""
    place = (ROOT / module.replace(".", "/")).resolve()
    if place.with_suffix(".py").is_file():
        return place.with_suffix(".py")
    return place / "__init__.py" if (place / "__init__.py").is_file() else None


def test_everything_that_training_imports_is_in_the_image() -> None:
    folders = [(ROOT / name).resolve() for name in TRAINER_CODE]
    inside = {ROOT / "harness" / "__init__.py", *(path for folder in folders for path in folder.rglob("*.py"))}
    train = set((ROOT / "trainer").rglob("*.py"))
    assert len(train) > 5
    assert train < inside
    # Only what trains is asked about imports in functions: of the rest, the host alone calls some.
    for path in sorted(inside):
        for module in imported(ast.parse(path.read_text("utf-8")).body, everywhere=path in train):
            if module.partition(".")[0] in OURS and (file := file_of(module)):
                assert file in inside, f"{path.relative_to(ROOT)} imports {module}"


def test_no_judge_no_ledger_and_no_candidate_is_in_it() -> None:
    files = inputs_for("trainer-cpu").files
    code = {name for name in files if name.startswith("code/")}
    assert {"code/harness/trainer/__main__.py", "code/harness/sandbox/wire.py"} <= code
    assert all(name.startswith("code/harness/") for name in code)
    packages = {name.split("/")[2] for name in code}
    assert packages == {"__init__.py", "core", "protocol", "sandbox", "trainer"}


def test_a_change_of_the_training_code_is_another_image_and_no_other_sandbox(tmp_path: Path) -> None:
    import shutil

    # What is a link there is a folder in the copy, as where the package is installed.
    shutil.copytree(ROOT / "harness", tmp_path / "harness", ignore=shutil.ignore_patterns("__pycache__"))
    before = {variant: inputs_for(variant, tmp_path).digest("base") for variant in ("cpu", "trainer-cpu")}
    (tmp_path / "harness" / "trainer" / "tasks.py").write_text("# changed\n")
    after = {variant: inputs_for(variant, tmp_path).digest("base") for variant in ("cpu", "trainer-cpu")}
    assert before["cpu"] == after["cpu"]
    assert before["trainer-cpu"] != after["trainer-cpu"]


def test_tags_and_variants() -> None:
    assert inputs_for("trainer-cpu").tag("base").startswith("harness-trainer:cpu-")
    assert inputs_for("cpu").tag("base").startswith("harness-sandbox:cpu-")
    assert {variant_for(p, d) for p in ("sandbox", "trainer") for d in ("cpu", "cuda")} == set(VARIANTS)
    assert not set(SANDBOX_VARIANTS) & set(TRAINER_VARIANTS)
    with pytest.raises(UserError):
        inputs_for("trainer-tpu")


def test_host_and_trainer_hold_the_same_versions_of_what_they_share() -> None:
    locks = ROOT / "dockerfiles" / "locks"
    host = {pin.name.replace("_", "-"): pin.version for pin in parse((locks / "host.txt").read_text("utf-8"))}
    trainer = {pin.name.replace("_", "-"): pin.version for pin in parse((locks / "trainer-cpu.txt").read_text("utf-8"))}
    shared = host.keys() & trainer.keys()
    assert "numpy" in shared
    assert {name: host[name] for name in shared} == {name: trainer[name] for name in shared}
