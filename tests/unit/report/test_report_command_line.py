"""What the command itself says: names of files, options and rules are text there too."""

from __future__ import annotations

import io
import os
import re
import signal
import sys

import pytest
from hostile_texts import HOSTILE
from text_judges import judge_characters, judge_log, judge_terminal

from harness import cli
from harness.checks.job import Job
from harness.checks.options import Options
from harness.cli import check as check_module
from harness.core import text as sanitize
from harness.core.errors import InfrastructureError
from harness.core.result import CheckReport, CheckResult
from harness.core.verdict import Accepted


def as_name(text: str) -> str:
    """What can stand of it in a file's name, or in an argument: bytes, no NUL, and not too many."""
    return os.fsdecode(text.replace("\0", "").replace("/", ":").encode("utf-8", "surrogatepass")[:80])


NAMES = {key: as_name(text) for key, text in HOSTILE.items()}
FORMULA = "(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta)"
SENTENCE = re.compile(r"harness: |next step: |Error: |error: |try: |Usage: |Try '|$")

#: Commands that make no sense because of the one argument that is filled in, or that fail for it.
COMMANDS = {
    "no such file": ("check", "--static", "{}.py"),
    "no such folder": ("check", "--static", "{}/x/y.py"),
    "no such profile": ("check", "--profile", "{}", "x.py"),
    "no such format": ("check", "--report", "{}", "x.py"),
    "no folder for the report": ("check", "--report", "json={}/x.json", "x.py"),
    "no number": ("check", "--jobs", "{}", "x.py"),
    "no choice": ("check", "--screen", "{}", "x.py"),
    "no option": ("check", "--x{}", "x.py"),
    "no rule": ("explain", "{}"),
    "no profile": ("profiles", "{}"),
    "no document": ("schema", "{}"),
    "no command": ("{}",),
    "no such image command": ("image", "{}"),
}


def run(monkeypatch, capsys, *arguments):
    """The exit code, standard output and standard error of the command, in this process."""
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(sys, "argv", ["harness", *arguments])
    with pytest.raises(SystemExit) as end:
        cli.main()
    return end.value.code, *capsys.readouterr()


def judge_sentences(text: str) -> None:
    judge_characters(text)
    judge_log(text)
    for line in text.split("\n"):
        assert SENTENCE.match(line), line[:80]


@pytest.mark.parametrize("command", COMMANDS)
def test_an_argument_is_text_in_what_is_said_of_it(command, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for text in NAMES.values():
        words = [word.replace("{}", text) for word in COMMANDS[command]]
        code, out, err = run(monkeypatch, capsys, *words)
        assert code == 2
        assert out == ""
        assert err
        judge_sentences(err)


def test_the_name_of_a_file_is_text_in_its_report(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "examples"
    folder.mkdir()
    # Bytes that are no UTF-8 included.
    paths = [f"examples/{name}{number}.py" for number, name in enumerate(NAMES.values())]
    for path in paths:
        (tmp_path / path).write_text(f"def f{FORMULA}:\n    return beta * policy_chosen_logps\n", encoding="utf-8")
    code, out, err = run(monkeypatch, capsys, "check", "--static", *paths)
    assert (code, err) == (3, "")
    judge_terminal(out, ["screened"] * len(paths))


# Words of the candidate's own text reach the screen's messages.
SOURCES = {
    "look-alike": f"def l\u043ess{FORMULA}:\n    return beta\n",
    "syntax": f"def loss{FORMULA}:\n    ::error::x ##[error] \x1b[31m\n",
    "import": "import evil_example_error as loss\nfrom os import *\n",
    "bidi": f'def loss{FORMULA}:\n    "\u202e::error::"\n    return beta\n',
    "docstring": f'def loss{FORMULA}:\n    "::error::x\\n::error::<script>"\n    return beta * open("::error::x")\n',
    "attribute": f"def loss{FORMULA}:\n    return beta.__\u0444\u0443__('##[error]x')\n",
}


@pytest.mark.parametrize("source", SOURCES)
def test_the_text_of_a_candidate_is_text_in_what_the_screen_says(source, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "examples").mkdir()
    (tmp_path / "examples/x.py").write_text(SOURCES[source], encoding="utf-8")
    code, out, err = run(monkeypatch, capsys, "check", "--static", "examples/x.py")
    assert (code, err) == (1, "")
    judge_terminal(out, ["rejected"])


@pytest.mark.parametrize("fault", [InfrastructureError, OSError])
def test_what_failed_is_text_and_no_verdict(fault, monkeypatch, capsys):
    def fail(*_):
        raise fault(" ".join(NAMES.values()))

    monkeypatch.setattr(check_module, "check", fail)
    code, out, err = run(monkeypatch, capsys, "check", "--static", "x.py")
    assert (code, out) == (3, "")
    judge_characters(err)
    judge_log(err)
    assert "harness: " in err


class _Watched(io.StringIO):
    def isatty(self):
        return True


def test_a_name_is_text_beside_the_progress_bar(tmp_path, monkeypatch):
    """Rich's own sequences move the bar; there is nothing else, and `[/]` is no mistake in its markup."""
    names = [f"{name}[/].py" for name in NAMES.values()]
    paths = tuple(tmp_path / f"{number}.py" for number in range(len(names)))
    for path in paths:
        path.write_text("")

    def told(_, options, progress, *, leaving):
        assert leaving
        for number, name in enumerate(names):
            progress(Job(number, tmp_path / name, name), CheckResult(name, "", "x", Accepted()))
        return CheckReport(options.profile, 0, ())

    stream = _Watched()
    monkeypatch.setattr(check_module, "check", told)
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("CI", raising=False)
    check_module._with_progress(paths, Options())
    shown = re.sub(r"\x1b\[(\?25[lh]|2K|1A|[0-9;]*m)|\r", "", stream.getvalue())
    assert "accepted" in shown
    judge_characters(shown)
    judge_log(shown)


@pytest.mark.parametrize("command", ["no such file", "no folder for the report"])
def test_the_judge_notices_sentences_that_nobody_made_safe(command, monkeypatch, capsys):
    monkeypatch.setattr(sanitize, "one_line", lambda text, *_: text)
    monkeypatch.setattr(sanitize, "part_commands", lambda text: text)
    noticed = set()
    for name in ("ansi", "workflow", "old-workflow", "overwrite", "bidi"):
        words = [word.replace("{}", NAMES[name]) for word in COMMANDS[command]]
        _, _, err = run(monkeypatch, capsys, *words)
        try:
            judge_sentences(err)
        except (AssertionError, UnicodeEncodeError):
            noticed.add(name)
    assert noticed == {"ansi", "workflow", "old-workflow", "overwrite", "bidi"}


def test_where_no_pictures_can_be_is_said_before_anything_is_checked(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(check_module, "_with_progress", lambda *_: pytest.fail("it was checked"))
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("nowhere")
    for place in ("pipe", "file", "link", "file/below", "no/parent", "x" * 300):
        code, _, err = run(monkeypatch, capsys, "check", "x.py", "--plots", str(tmp_path / place))
        assert (code, "pictures cannot be written" in err) == (2, True), err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "link", "pipe"]
