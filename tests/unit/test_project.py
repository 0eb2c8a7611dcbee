"""What stands in several files about the project itself is the same in each."""

from __future__ import annotations

import re
import tomllib

from support import ROOT

from harness.core.version import __version__


def test_the_version_stands_in_one_place() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert "version" not in project["project"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "harness.core.version.__version__"}
    newest = re.search(r"^## \[([\d.]+)\]", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert newest is not None
    assert newest[1] == __version__


def test_the_hooks_are_the_linters() -> None:
    hooks = re.findall(r"entry: \.venv/bin/(.+)", (ROOT / ".pre-commit-config.yaml").read_text("utf-8"))
    rule = re.search(r"^lint:\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert rule is not None
    assert hooks == re.findall(r"\$\(BIN\)/(.+)", rule[1])


def test_all_tests_are_type_checked() -> None:
    """What the first call of mypy leaves out is broken on purpose, or named in the second; no folder is forgotten."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["mypy"]
    broken, again = settings["exclude"][:2], settings["exclude"][2:]
    assert broken == ["^tests/adversarial/(corpus|found)/", "^tests/quality/(losses|honest|classification|lists)/"]
    files = [path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("*.py")]
    second = re.search(r"/mypy (-m .+)", (ROOT / "Makefile").read_text("utf-8"))
    assert second is not None
    named = [f"tests/{name.replace('.', '/')}.py" for name in re.findall(r"-m (\S+)", second[1])]
    assert sorted(named) == sorted(name for name in files if any(re.match(one, name) for one in again))
    folders = {name.rpartition("/")[0] for name in files if not any(re.match(one, name) for one in broken)}
    assert settings["mypy_path"][1:] == [f"$MYPY_CONFIG_FILE_DIR/{folder}" for folder in sorted(folders)]


def test_every_record_is_in_the_list() -> None:
    folder = ROOT / "docs" / "decisions"
    records = sorted(path.name for path in folder.glob("0*.md"))
    assert records == re.findall(r"\]\((0\d+-[\w-]+\.md)\)", (folder / "README.md").read_text("utf-8"))
    assert [name[:4] for name in records] == [f"{number:04}" for number in range(1, len(records) + 1)]
    for name in records:
        text = (folder / name).read_text("utf-8")
        assert re.findall(r"^#+ (.*)$", text, re.MULTILINE)[1:] == ["Context", "Decision", "Consequences"], name
        assert text.startswith(f"# {name[:4]}: "), name
