"""Candidates that attack whoever reads their report, from the container to each format and to a terminal."""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from hostile import DPO, loss
from hostile_texts import HOSTILE
from page_judges import judge_html, judge_markdown, judge_svg
from support import harness_command
from text_judges import (
    judge_characters,
    judge_github,
    judge_gitlab,
    judge_json,
    judge_junit,
    judge_log,
    judge_sarif,
    judge_terminal,
)

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.container, pytest.mark.rest]

#: Each attack, short enough for all of them to be shown in a few reports.
SHORT = [text[:160] for text in HOSTILE.values()]
COUNT = 4
WEIGHT = {"error": 0, "warning": 1, "note": 2}
FORMATS = ("text", "json", "sarif", "junit", "github", "gitlab", "html", "markdown")


def hostile_loss(texts: list[str]) -> str:
    """A candidate that prints these and raises them, as the name of the exception's type and as its text."""
    data = [text.encode("utf-8", "surrogatepass") for text in texts]
    said = "".join(texts).replace("\0", "").encode("utf-8", "replace").decode("utf-8")
    top = f"""
    DATA = {data!r}
    SAID = {said!a}
    Hostile = type(SAID[:60], (Exception,), {{"__str__": lambda self: SAID, "__doc__": SAID}})
    for number in (1, 2):
        for piece in DATA:
            os.write(number, piece + b"\\xff\\x9b\\n")
    """
    return loss("raise Hostile()", top=top)


def hostile_name(texts: list[str], number: int) -> str:
    """A name of a file that holds as much of them as a file system takes."""
    name = "".join(text[:40] for text in texts).replace("\0", "").replace("/", ":")
    return os.fsdecode(name.encode("utf-8", "surrogatepass")[:240]) + f"{number}.py"


@dataclass(frozen=True)
class Shown:
    """What one run of the command left: its end, its streams, and its reports by format."""

    code: int
    out: str
    err: str
    reports: dict[str, str]
    summary: str
    pictures: list[Path]

    @property
    def results(self) -> list[dict[str, Any]]:
        results: list[dict[str, Any]] = json.loads(self.reports["json"])["results"]
        return results

    @property
    def words(self) -> list[str]:
        return [result["verdict"] for result in self.results]

    def findings(self) -> list[dict[str, Any]]:
        """All findings, in the order of the report."""
        return [finding for result in self.results for finding in result["findings"]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a hostile candidate for each share of the attacks, and one that is a loss as well."""
    root = tmp_path_factory.mktemp("attacks")
    (root / "examples").mkdir()
    for number in range(COUNT):
        share = SHORT[number::COUNT]
        (root / "examples" / hostile_name(share, number)).write_text(hostile_loss(share), encoding="utf-8")
    printing = f"print({chr(10).join(HOSTILE[key] for key in ('workflow', 'ansi', 'html', 'fences'))!a})\n{DPO}"
    (root / "examples" / "zz ::error::\x1b[1m<b>[bold].py").write_text(printing, encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def shown(folder: Path) -> Shown:
    """One run with every report at once."""
    options = [f"--report={name}=report.{name}" for name in FORMATS]
    done = subprocess.run(
        harness_command("check", "examples", "--screen", "off", "--jobs", 2, "--plots", "plots", *options),
        cwd=folder,
        env={**os.environ, "CI": "true", "GITHUB_STEP_SUMMARY": str(folder / "summary.md"), "COLUMNS": "100"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=600,
    )
    reports = {name: (folder / f"report.{name}").read_bytes().decode("utf-8") for name in FORMATS}
    pictures = sorted((folder / "plots").iterdir())
    summary = (folder / "summary.md").read_bytes().decode("utf-8")
    return Shown(done.returncode, done.stdout.decode("utf-8"), done.stderr.decode("utf-8"), reports, summary, pictures)


def test_the_attacks_arrive(shown: Shown) -> None:
    """The tests below would prove nothing about texts that never came out of the container."""
    assert (shown.code, shown.err) == (1, "")
    assert shown.words == ["rejected"] * COUNT + ["accepted"]
    for result in shown.results[:COUNT]:
        assert {finding["rule"] for finding in result["findings"]} == {"W202"}
        assert "it raised " in result["findings"][0]["message"]
        assert len(result["output"]) > 500
        assert len(result["findings"][0]["detail"]) > 100
    everything = json.dumps(shown.results)
    for remains in ("evil.example", "::error", "[bold]", "<script>", "ATTACHMENT|", "]]>", "ACCEPTED  other.py"):
        assert remains in everything, remains
    assert "forged" in shown.results[-1]["output"]


def test_the_terminal_shows_texts(shown: Shown) -> None:
    judge_terminal(shown.out, shown.words)
    judge_terminal(shown.reports["text"], shown.words)


def test_programs_read_texts(shown: Shown) -> None:
    rules = [finding["rule"] for finding in shown.findings()]
    by_weight = [f["rule"] for f in sorted(shown.findings(), key=lambda f: WEIGHT[f["severity"]])]
    judge_json(shown.reports["json"], shown.words)
    judge_sarif(shown.reports["sarif"], by_weight)
    judge_gitlab(shown.reports["gitlab"], rules)


def test_ci_services_read_texts(shown: Shown) -> None:
    commands = [{"note": "notice"}.get(f["severity"], f["severity"]) for f in shown.findings()]
    broken = [{rule for rule, state in r["properties"].items() if state == "failed"} for r in shown.results]
    named = [{f["rule"] for f in r["findings"] if f["severity"] == "error"} for r in shown.results]
    failures = [(len(rules | others), 0) for rules, others in zip(broken, named, strict=True)]
    judge_github(shown.reports["github"], commands)
    judge_junit(shown.reports["junit"], failures)


def test_pages_show_texts(shown: Shown) -> None:
    fences = sum(bool(f["counterexample"]) + bool(f["detail"]) for f in shown.findings())
    judge_html(shown.reports["html"], shown.words)
    judge_markdown(shown.reports["markdown"], shown.words, fences)
    assert shown.summary == shown.reports["markdown"]


def test_pictures_show_texts(shown: Shown) -> None:
    assert shown.pictures
    for path in shown.pictures:
        assert re.fullmatch(r"[A-Za-z0-9_.-]{1,120}", path.name)
        if path.suffix == ".svg":
            judge_svg(path.read_bytes())


def test_somebody_who_watches_sees_texts(folder: Path) -> None:
    """On a terminal, with colours and with the progress bar, whose own sequences are the only ones."""
    ours, theirs = os.openpty()
    first = min(os.fsencode(path) for path in (folder / "examples").iterdir())
    command = harness_command("check", os.path.relpath(os.fsdecode(first), folder), "--screen", "off")
    environment = {k: v for k, v in os.environ.items() if k not in {"CI", "NO_COLOR"}}
    running = subprocess.Popen(
        command,
        cwd=folder,
        env={**environment, "TERM": "xterm-256color", "COLUMNS": "100"},
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    seen = b""
    try:
        while piece := os.read(ours, 1 << 16):
            seen += piece
    except OSError:
        pass  # how a terminal ends when nobody holds its other side
    finally:
        os.close(ours)
        assert running.wait(timeout=600) == 1
    text = re.sub(r"\x1b\[(\?25[lh]|2K|1A)|\r", "", seen.decode("utf-8"))
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    judge_characters(plain)
    judge_log(text)
    judge_log(plain)
    assert "\x1b[1;31m" in text
    assert plain.count("REJECTED  examples/") == 1


NAME = "x ::error::forged ##[error]forged\n::add-mask::a\x1b[31m\u202e\x9b1m<b>[/]"


@pytest.mark.parametrize(
    "words",
    [
        ("image", "verify", NAME),
        ("image", "build", "--base-image", NAME),
        ("check", "--image", NAME, "examples"),
        ("check", "--runtime", NAME, "examples"),
        ("check", "--gpu", NAME, "examples"),
    ],
)
def test_what_the_engine_does_not_know_is_named_as_text(folder: Path, words: tuple[str, ...]) -> None:
    done = subprocess.run(
        harness_command(*words), cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=600
    )
    assert done.returncode in {2, 3}
    said = (done.stdout + done.stderr).decode("utf-8")
    assert "Traceback" not in said
    judge_characters(said)
    judge_log(said)
