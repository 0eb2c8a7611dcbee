"""What the documents say is still so."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.cli import cli

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text("utf-8")
sys.path.insert(0, str(ROOT / "tests"))

from doc_commands import DOCUMENTS, Command, commands, of_others, read  # noqa: E402
from doc_fates import BY_TEST, NOT_HERE, OTHERS, STORIES  # noqa: E402


def test_the_rules_page_is_the_generated_one() -> None:
    result = CliRunner().invoke(cli, ["rules", "--markdown"])
    assert result.exit_code == 0
    assert (ROOT / "docs" / "rules.md").read_text("utf-8") == result.stdout


def test_every_name_in_the_tree_exists() -> None:
    tree = re.search(r"## The tree\n\n```\n(.*?)```", README, re.DOTALL)
    assert tree is not None
    folder = ROOT
    for line in tree[1].splitlines():
        name = line.split()[0]
        if line.startswith("  "):
            path = folder / name
        else:
            path = ROOT / name
            folder = path
        assert path.exists(), name
    packages = {
        p.name for p in (ROOT / "harness").iterdir() if p.is_dir() and not p.is_symlink() and p.name != "__pycache__"
    }
    assert packages == set(re.findall(r"^  (\w+)/", tree[1], re.MULTILINE))


@pytest.mark.parametrize(
    "document",
    [*sorted((ROOT / "docs").rglob("*.md")), *sorted(ROOT.glob("*.md"))],
    ids=lambda p: str(p.relative_to(ROOT)),
)
def test_every_link_leads_somewhere(document: Path) -> None:
    text = document.read_text("utf-8")
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert (document.parent / target).exists(), target


def test_the_options_that_the_readme_uses_exist() -> None:
    result = CliRunner().invoke(cli, ["check", "--help"])
    for option in set(re.findall(r"harness check [^\n]*?(--[a-z]+)", README)):
        assert option in result.stdout


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_the_program_that_is_called_understands_every_command(document: Path) -> None:
    failed = []
    for command in commands(document):
        try:
            read(command)
        except Exception as error:  # noqa: BLE001 - whatever a parser says
            failed.append(f"{command}: {error!r}")
    assert not failed


def test_the_documents_have_their_commands() -> None:
    found = [command.text for document in DOCUMENTS for command in commands(document)]
    assert len(found) > 100
    for text in ("python -m bench.reviews measure", ".venv/bin/python -m bench.phases [LOSS]", "make redteam"):
        assert text in found


@pytest.mark.parametrize(
    "text",
    [
        "harness check --no-such-option",
        "harness chek loss.py",
        "harness check examples/no_such_loss.py",
        "harness check loss.py --contract poetry",
        "harness queue more words",
        "make tests",
        "make check FILE=examples/dpo.py",
        "python -m bench no-such-figure",
        "python -m bench.reviews mesaure",
        "python -m bench.no_such_module",
        "python -m bench.population reviews and more",
        "python3 -m harness.setup --no-such-option",
        "python tests/adversarial/no_such_script.py",
    ],
)
@pytest.mark.parametrize("whole", [True, False])
def test_a_wrong_command_is_not_understood(text: str, *, whole: bool) -> None:
    with pytest.raises(Exception):  # noqa: B017, PT011 - whatever a parser says
        read(Command("here", text, whole))


def decided() -> dict[str, object]:
    """Every command of the tables."""
    run = {step.text: step for story in STORIES.values() for step in story}
    assert not set(run) & set(BY_TEST) | set(run) & set(NOT_HERE) | set(BY_TEST) & set(NOT_HERE)
    return {**run, **BY_TEST, **NOT_HERE}


def test_every_command_of_the_documents_is_run_or_it_is_told_why_not() -> None:
    """A new one fails here until it is in a story, or named with the test that runs it, or with what it lacks."""
    known = decided()
    named = [command for document in DOCUMENTS for command in commands(document)]
    begun = {" ".join(text.split()[:n]) for text in known for n in range(1, len(text.split()) + 1)}
    missing = [str(one) for one in named if one.plain not in (known if one.whole else begun)]
    assert not missing, "see tests/doc_fates.py"
    assert not set(known) - {one.plain for one in named}, "no document has these any more"
    assert {one.plain for document in DOCUMENTS for one in of_others(document)} == set(OTHERS)


@pytest.mark.parametrize(("text", "place"), BY_TEST.items(), ids=BY_TEST)
def test_what_runs_a_command_is_a_test(text: str, place: str) -> None:
    path, _, name = place.partition("::")
    tree = ast.parse((ROOT / "tests" / path).read_text("utf-8"))
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, text
