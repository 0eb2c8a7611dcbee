"""What people and machines are shown of a discovery."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from rich.console import Console
from scripted import FakeJudge, Script, discovery, reply

from harness.cli import cli
from harness.cli.discovery_display import Display
from harness.discover import summary
from harness.discover.journal import JOURNAL, Journal
from harness.discover.summary import leave

if TYPE_CHECKING:
    from pathlib import Path

    from harness.discover.track import Track


@pytest.fixture
def place(tmp_path: Path) -> Path:
    folder = tmp_path / "discover" / "run-1"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def track(place: Path) -> Track:
    lines = [reply("k * 0.25", "one", ["dpo"]), "I'm sorry, I cannot.", reply("k * 0.5", "two", ["one", "dpo"])]
    with Journal(place / JOURNAL) as journal:
        return discovery(journal, Script(lines), FakeJudge(), generations=2).run()


def shown(display: Display) -> str:
    console = Console(file=io.StringIO(), width=160, force_terminal=False)
    console.print(display.render())
    out = console.file.getvalue()  # type: ignore[attr-defined]
    return str(out)


def test_the_live_table_tells_each_attempt_and_what_was_spent(track: Track) -> None:
    display = Display("run-1", "openai:[bold]x\x1b[2J", 2)
    assert "openai:[bold]x" in shown(display)
    display.update(track)
    display.doing(track, "asking")
    text = shown(display)
    for word in ("1.1", "2.1", "2.2", "refusal", "one", "+0.5000", "generation 2 of 2", "3 calls", "300 + 30 tokens"):
        assert word in text, word
    assert "asking" in text
    assert "\x1b" not in text


def test_the_summary_says_what_died_where_and_what_it_cost(track: Track, capfd: pytest.CaptureFixture[str]) -> None:
    document = summary.document(track, run="run-1", profile="bandit", proposer="script", baseline="dpo")
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert document["ended_at"] == {"measured": 2, "reading": 1}
    assert document["replies"] == {"json": 2, "refusal": 1}
    assert document["seconds"]["bandit"] == 8.0  # type: ignore[index,call-overload]
    assert document["spent"]["tokens_in"] == 300  # type: ignore[index,call-overload]
    display = Display("run-1", "script", 2)
    display.end(track, summary.sentences(track, "dpo", "score"), document)
    text = capfd.readouterr().err
    assert "The best is two, of generation 2" in text
    assert "reading" in text
    assert "8.0" in text


def test_a_run_leaves_its_files_and_lineage_reads_them(track: Track, place: Path, tmp_path: Path) -> None:
    document = summary.document(track, run="run-1", profile="bandit", proposer="script", baseline="dpo")
    leave(place, track, document, metric="score", baseline="dpo")
    assert json.loads((place / "summary.json").read_text())["best"]["name"] == "two"
    assert (place / "progress.png").read_bytes().startswith(b"\x89PNG")
    tree = CliRunner().invoke(cli, ["lineage", "run-1", "--folder", str(tmp_path)])
    assert tree.exit_code == 0
    lines = [line for line in tree.stdout.splitlines() if "── " in line]
    assert [line.split("── ")[1].split(" ")[0] for line in lines] == ["dpo", "one", "two", "slic"]
    assert "also from dpo" in lines[2]
    rows = json.loads(CliRunner().invoke(cli, ["lineage", "run-1", "--folder", str(tmp_path), "--json"]).stdout)["rows"]
    assert [row["fate"] for row in rows] == ["measured", "measured", "measured", "unreadable", "measured"]
