"""What the documents say is still so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.cli import cli

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text("utf-8")


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
    packages = {p.name for p in (ROOT / "harness").iterdir() if p.is_dir() and p.name != "__pycache__"}
    assert packages == set(re.findall(r"^  (\w+)/", tree[1], re.MULTILINE))


@pytest.mark.parametrize("document", [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md"], ids=lambda p: p.name)
def test_every_link_leads_somewhere(document: Path) -> None:
    text = document.read_text("utf-8")
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert (document.parent / target).exists(), target


def test_the_options_that_the_readme_uses_exist() -> None:
    result = CliRunner().invoke(cli, ["check", "--help"])
    for option in set(re.findall(r"harness check [^\n]*?(--[a-z]+)", README)):
        assert option in result.stdout
