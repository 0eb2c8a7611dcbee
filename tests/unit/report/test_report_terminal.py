"""Text that others wrote, on its way to a terminal: from every field of a ladder, a ledger, a journal.

A judge's files: `tests/unit/llm_judge/test_judge_terminal.py`.
"""

from __future__ import annotations

import ast
import importlib.resources
import io
import json
import re
import sys
import tomllib
from typing import TYPE_CHECKING, Any

import pytest
from ledger_samples import checkpoint, claim, submit
from rich.console import Group
from rich.panel import Panel
from rich.progress import Progress
from rich.table import Table
from rich.text import Text
from rich.tree import Tree
from sqlalchemy import JSON, String, update
from support import ROOT
from text_judges import judge_log

from harness.api import text_candidate
from harness.cli import main
from harness.cli.progress import say, tell
from harness.ladder import ladder as ladders
from harness.ledger import Ledger
from harness.ledger.progress import Underway
from harness.ledger.records import Score
from harness.ledger.tables import metadata
from harness.report.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

ATTACKS = {
    "clears the screen": "\x1b[2J\x1b[H",
    "a link": "\x1b]8;;https://evil.example\x1b\\here\x1b]8;;\x1b\\",
    "a title": "\x1b]0;owned\x07",
    "one character begins it": "\x9b2Jx\x9d0;y\x9c",
    "overwrites": "rejected\rACCEPTED",
    "rings": "\x07\x08\x08",
    "backwards": "\u202egnp.exe\u2066",
    "new lines of other kinds": "a\u2028b\u0085c\x0bd",
    "commands a log's reader": "::error::owned\u2028 ::error::b ##vso[x]y ##[error]z",
    "markup": "[link=https://evil.example]x[/link][bold]",
}
ALL = "x" + "".join(ATTACKS.values())
#: What is left of Rich's own: colours.
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def harmless(text: str) -> None:
    """Nothing in it but printable text, line ends, and colours."""
    plain = _COLOUR.sub("", text)
    odd = sorted({f"U+{ord(c):04X}" for c in plain if c != "\n" and not c.isprintable()})
    assert not odd, (odd, text[:400])
    assert "\x1b]8" not in text
    judge_log(plain)


SHAPES: dict[str, Callable[[str], Any]] = {
    "a string": lambda text: text,
    "text": Text,
    "a cell": lambda text: _table(text, "y"),
    "a heading": lambda text: _table("y", text),
    "a title": lambda text: Table("a", title=text),
    "a tree": lambda text: _tree(f"{text}"),
    "a panel": lambda text: Panel(Text(text), title=Text(text)),
    "a group": lambda text: Group(Text(text), _table(text, text)),
}


def _table(cell: str, heading: str) -> Table:
    table = Table(heading, "other")
    table.add_row(cell, Text(cell))
    return table


def _tree(label: str) -> Tree:
    tree = Tree(Text(label))
    tree.add(label)
    return tree


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("width", [20, 120])
def test_whatever_is_printed_is_text(shape: str, attack: str, width: int) -> None:
    stream = io.StringIO()
    console = Terminal(file=stream, force_terminal=True, width=width)
    console.print(SHAPES[shape](ATTACKS[attack]))
    harmless(stream.getvalue())
    if attack == "markup" and shape == "a string" and width == 120:
        assert ATTACKS[attack] in stream.getvalue()


def test_what_moves_is_still_moved_by_rich_alone() -> None:
    stream = io.StringIO()
    with Progress(console=Terminal(file=stream, force_terminal=True, width=80)) as progress:
        progress.add_task(ATTACKS["a title"] + ATTACKS["a link"], total=1)
        progress.refresh()
    assert "owned" in stream.getvalue()  # as text: the commands before and behind it are gone
    assert not any(mark in stream.getvalue() for mark in ("\x1b]", "\x07", "evil"))


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("how", [say, tell])
def test_a_line_is_one_line(how: Callable[[str], None], attack: str, capfd: pytest.CaptureFixture[str]) -> None:
    how(f"  before {ATTACKS[attack]} after")
    told = "".join(capfd.readouterr())
    harmless(told)
    assert told.count("\n") == 1
    assert told.startswith("  before" if how is tell else "before")


def command(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: object) -> str:
    """What the command says, on either stream; it ends by itself, and not by a fault of the harness."""
    monkeypatch.setattr(sys, "argv", ["harness", *map(str, words)])
    monkeypatch.setenv("COLUMNS", "400")
    with pytest.raises(SystemExit):
        main()
    out, err = capfd.readouterr()
    return out + err


def _strings(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where the texts are in a document."""
    if isinstance(value, str):
        yield place
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from _strings(one, (*place, key))
    elif isinstance(value, list):
        for number, one in enumerate(value):
            yield from _strings(one, (*place, number))


def _put(document: Any, place: tuple[Any, ...], text: str) -> None:
    for step in place[:-1]:
        document = document[step]
    document[place[-1]] = text


LADDER = importlib.resources.files("harness.ladder.profiles").joinpath("bandit-2026.1.toml").read_text("utf-8")
LADDER_TEXTS = sorted({place[-1] for place in _strings(tomllib.loads(LADDER)) if isinstance(place[-1], str)})


@pytest.mark.parametrize("field", LADDER_TEXTS)
@pytest.mark.parametrize("attack", sorted(set(ATTACKS) - {"markup"}))
def test_a_ladder_with_such_a_text_is_refused(
    field: str, attack: str, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "mine.toml"
    written = json.dumps(ATTACKS[attack])
    path.write_text(re.sub(rf'^{field} = ".*"', lambda _: f"{field} = {written}", LADDER, count=1, flags=re.MULTILINE))
    for words in (("profiles", path), ("profiles", path, "--json"), ("leaderboard", "--profile", path)):
        told = command(capfd, monkeypatch, *words, *(("--folder", tmp_path) if words[0] == "leaderboard" else ()))
        harmless(told)
        # What is wrong with it besides is told first, with its line.
        assert "holds U+" in told or "this is no ladder" in told or words[0] == "leaderboard", told


def filled(folder: Path) -> None:
    """A ledger with something in each of its tables that commands show."""
    with Ledger(folder) as ledger:
        submit(ledger, (1, 2, 3))
        held = claim(ledger)
        ledger.tell(
            held, Underway("candidate", "one", 1, "train", "trains", 3, 12, 1.0, {"loss": ((1, 0.5), (2, 0.4))})
        )
        checkpoint(ledger, held, 0, scores=(Score(0, "score", 0.5), Score(1, "score", 0.6)))
        ledger.cancel(2, "not wanted")


SHOWN = {"candidates", "runs", "results", "decisions", "attachments", "underway", "events", "slots", "fingerprints"}
COLUMNS = [
    (table.name, column.name)
    for table in metadata.sorted_tables
    if table.name in SHOWN
    for column in table.columns
    if isinstance(column.type, String) and not column.foreign_keys
]
LEDGER_COMMANDS = (
    ("queue",),
    ("queue", "--json"),
    ("show", 1),
    ("show", 2),
    ("show", 1, "--json"),
    ("leaderboard", "--profile", "test-1"),
    ("cancel", 3),
    ("retry", 2),
)


@pytest.mark.parametrize(("table", "column"), COLUMNS, ids=[".".join(one) for one in COLUMNS])
def test_no_field_of_a_ledger_reaches_a_terminal(
    table: str, column: str, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(tmp_path)
    changed = metadata.tables[table]
    kind = changed.columns[column].type
    value: object = {ALL: ALL} if isinstance(kind, JSON) else ALL
    try:
        with Ledger(tmp_path) as ledger, ledger.database.writing() as connection:
            connection.execute(update(changed).values({column: value}))
    except Exception as error:  # noqa: BLE001 - a key that two rows would share, or a word that the database checks
        assert "constraint" in str(error).lower() or "UNIQUE" in str(error)  # noqa: PT017 - then nobody can write it
        return
    for words in LEDGER_COMMANDS:
        harmless(command(capfd, monkeypatch, *words, "--folder", tmp_path))


def test_no_field_of_a_journal_reaches_a_terminal(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "discover" / "run-1"
    place.mkdir(parents=True)
    entries: list[dict[str, Any]] = [
        {"kind": "head", "schema": "harness.discover/v1", "metric": "score", "baseline": "dpo", "proposer": "x"},
        {
            "kind": "judged", "id": "a" * 64, "name": "one", "fate": "rejected", "rung": "screen", "told": "why",
            "generation": 1, "reply": 1, "parents": [], "identity": "a" * 64, "findings": ["S113"], "text": "x = 1",
        },
    ]  # fmt: skip
    from harness.discover.journal import SCHEMA

    entries[0]["schema"] = SCHEMA
    for number, entry in enumerate(entries):
        for spot in _strings(entry):
            spoilt = json.loads(json.dumps(entries))
            _put(spoilt[number], spot, ALL)
            (place / "journal.jsonl").write_text("".join(json.dumps(one) + "\n" for one in spoilt))
            for words in (("lineage", "run-1"), ("lineage", "run-1", "--json")):
                harmless(command(capfd, monkeypatch, *words, "--folder", tmp_path))


def test_no_command_prints_past_it() -> None:
    """Lines are said by `tell` and `say`, documents by `tell_json`, consoles are `Terminal`s; the rest is clean."""
    echoed = {
        "doctor.py": 2, "rules.py": 2, "schema.py": 3, "show.py": 2, "progress.py": 6, "__init__.py": 1,
        "keys.py": 1, "ledger.py": 1,
    }  # fmt: skip
    found: dict[str, int] = {}
    for path in sorted((ROOT / "harness").rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
        if path.name != "terminal.py":
            assert not any(isinstance(f, ast.Name) and f.id == "Console" for f in calls), path
        if count := sum(isinstance(f, ast.Attribute) and f.attr in {"echo", "secho"} for f in calls):
            found[path.name] = found.get(path.name, 0) + count
    assert found == echoed


def test_a_ladder_of_ours_is_shown_as_it_is(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    told = command(capfd, monkeypatch, "profiles", ladders.load("bandit").name)
    assert "  judges by profile" in told


def test_a_text_and_a_report_of_the_ledger_are_text(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = "\n".join(("x = '''", ALL, *ATTACKS.values(), "'''\n"))
    with Ledger(tmp_path) as ledger:
        ledger.submit([(text_candidate(source), "one")], profile="test-1", profile_digest="0" * 64, needs="cpu")
        ledger.attach(claim(ledger), "one", "report.json", json.dumps({"a": ALL}, ensure_ascii=False).encode())
    for what in ("--text", "--report"):
        harmless(command(capfd, monkeypatch, "show", 1, what, "--folder", tmp_path))
