"""The commands that the documents name, and each one read by the parser of the program that it calls."""

from __future__ import annotations

import importlib
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *(p for folder in ("bench", "docs", "examples") for p in (ROOT / folder).rglob("*.md"))]
)
#: What a line or a code span must begin with to be a command of ours.
_OURS = re.compile(r"^(?:\.venv/bin/)?(?:harness|python3?|make)(?: |$)")
#: The same, for a command of somebody else's.
_THEIRS = re.compile(r"^(?:apt(?:-get)?|docker(?:d\S*)?|git|pip|podman|systemctl) ")
_SPAN = re.compile(r"`([^`\n]+(?:\n[^`\n]+)?)`")
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
#: Paths that stand for the reader's own.
PLACEHOLDERS = {
    "loss.py", "proposals/", "losses/", "plots/", "pictures/", "mine.toml", "losses.sarif", "losses.xml",
    "check.json", "check.sarif", "theirs.json",
    "check.intoto.jsonl", "judge.intoto.jsonl", "run.intoto.jsonl", "board.intoto.jsonl", "head.jsonl", "next.jsonl",
    "run.crate.zip", "found.crate.zip", "my_loss/records.intoto.jsonl", "my_loss/candidate.py",
    "a.jsonl", "b.jsonl", "answers.jsonl", "question.jsonl", "judge_prompts.jsonl", ".harness/judge.jsonl",
    ".harness/discover/run-1/journal.jsonl", "/path/to/python3.12",
}  # fmt: skip
#: Words in capitals stand for the reader's own, too; an option wants a value of the right kind in their place.
_WORDS = {
    "TAG": "harness-sandbox:cpu",
    "RUN": "12",
    "NAME": "cold",
    "FOLDER": "examples",
    "N": "5",
    "LOSS": "examples/dpo.py",
}
#: Spans that begin like a command and are none.
NO_COMMANDS = {
    "make": "the program",
    "harness": "the package, or the program",
    "python3": "what the set-up looks for",
    "python3 -I": "an option that is spoken of, and not used",
}


@dataclass(frozen=True)
class Command:
    """One command as a document has it. `whole` says that it stands in a block, to be pasted as it is."""

    document: str
    text: str
    whole: bool

    def __str__(self) -> str:
        return f"{self.document}: {self.text}"

    @property
    def plain(self) -> str:
        """Without the folder of the program."""
        return self.text.removeprefix(".venv/bin/")


def commands(document: Path, which: re.Pattern[str] = _OURS) -> list[Command]:
    """Every command of a document, each once."""
    text, name = document.read_text("utf-8"), str(document.relative_to(ROOT))
    found: dict[tuple[str, bool], None] = {}
    for language, block in _BLOCK.findall(text):
        lines = [line.removeprefix("$ ") for line in block.splitlines() if line.startswith("$ ") or not language]
        for line in lines:
            for part in re.split(r"\s*(?:;|&&)\s*", re.sub(r"\s+#.*$", "", line)):
                if which.match(part):
                    found[part, True] = None
    for span in _SPAN.findall(_BLOCK.sub("", text)):
        one = " ".join(span.split())
        if which.match(one) and one not in NO_COMMANDS:
            found.setdefault((one, False), None)
    return [Command(name, *key) for key in found]


def of_others(document: Path) -> list[Command]:
    """Every command of a document that calls somebody else's program."""
    return commands(document, _THEIRS)


def read(command: Command) -> str:
    """Have the command's own parser read it: what read it, in a word. Raises what that raises; runs nothing of it."""
    plain = re.sub(r"[\[\]]|\.\.\.| > \S+$", "", command.text)
    program, *arguments = shlex.split(re.sub(r"(\w)\|\S+", r"\1", plain))
    arguments = [_WORDS.get(a, a) for a in arguments]
    for argument in arguments:
        _exists(argument)
    program = program.removeprefix(".venv/bin/")
    if program == "make":
        return _read_make(arguments)
    if program.startswith("python"):
        if arguments[:1] != ["-m"]:
            assert _help(arguments[0]).lower().startswith("usage:"), f"{arguments[0]} has no help"
            return "script"
        return _read_module(arguments[1], arguments[2:], whole=command.whole)
    from harness.cli import cli

    _read_click(cli, arguments, whole=command.whole)
    return "click"


def _exists(argument: str) -> None:
    """A file that is named is there, or stands for the reader's own."""
    path = argument.rpartition("=")[2].removeprefix("replay:")
    if re.fullmatch(r"[\w./-]+(?:/|\.(?:py|toml|jsonl?|sarif|xml|md))", path) and path not in PLACEHOLDERS:
        assert (ROOT / path).exists(), f"{path} is not there"


def _read_make(arguments: list[str]) -> str:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([\w-]+):", makefile, re.MULTILINE))
    for argument in arguments:
        variable, is_one, _ = argument.partition("=")
        known = re.search(rf"^{variable} \?=", makefile, re.MULTILINE) if is_one else argument in targets
        assert known, f"make knows no {argument}"
    return "make"


def _read_module(name: str, arguments: list[str], *, whole: bool) -> str:
    target = f"{name}.__main__" if (ROOT / name.replace(".", "/")).is_dir() else name
    source = ROOT.joinpath(*target.split(".")).with_suffix(".py")
    assert source.exists(), f"{name} is no module of this repository"
    text = source.read_text("utf-8")
    if "argparse" in text:
        # Its parser is made where it runs: the options are held against its help.
        told = _help("-m", name)
        for option in (a.partition("=")[0] for a in arguments if a.startswith("-")):
            assert re.search(rf"{re.escape(option)}\b", told), f"{name} knows no {option}"
        return "argparse"
    module = importlib.import_module("harness.cli" if name == "harness" else target)
    main = module.cli if name == "harness" else module.main
    assert isinstance(main, click.Command), f"{name} has no parser, and so no help"
    _read_click(main, arguments, whole=whole)
    return "click"


def _help(*program: str) -> str:
    asked = [sys.executable, *program, "--help"]
    return subprocess.run(asked, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def _read_click(command: click.Command, arguments: list[str], *, whole: bool) -> None:
    """Parse as the program would, subcommand by subcommand. A mention in a sentence may leave arguments out."""
    context = None
    while isinstance(command, click.Group):
        # Lenient, since a group without a command would print its help; what is left over is looked at here.
        context = command.make_context(command.name, list(arguments), parent=context, resilient_parsing=True)
        rest = [*context._protected_args, *context.args]
        if not rest:
            return
        _, found, arguments = command.resolve_command(context, rest)
        assert found is not None, f"there is no command {rest[0]}"
        command = found
    try:
        command.make_context(command.name, list(arguments), parent=context)
    except click.MissingParameter:
        if whole:
            raise
        command.make_context(command.name, list(arguments), parent=context, resilient_parsing=True)
