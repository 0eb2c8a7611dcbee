"""Bad input through the command: its own clear message, exit code 1 (2 for a user's mistake), and never a hang."""

from __future__ import annotations

import hashlib
import os
import socket
import textwrap
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hostile import DPO, SIGNATURE, loss

from harness.core.candidate import SIZE_LIMIT, read_candidate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support import Run

pytestmark = pytest.mark.container


#: Classes 1 to 9 and 12: name, bytes, the rule, and a word that only this class's message has.
TEXTS: dict[str, tuple[bytes, str, str]] = {
    "1 empty": (b"", "S101", "empty"),
    "1 blank and comments": (b"\n\n# nothing here\n   \n", "S101", "comments"),
    "2 latin-1": ("# caf\xe9\n".encode("latin-1") + DPO.encode(), "S102", "UTF-8"),
    "2 byte order mark": (b"\xef\xbb\xbf" + DPO.encode(), "S102", "byte order mark"),
    "2 utf-16": (DPO.encode("utf-16"), "S102", "byte order mark"),
    "2 NUL": (DPO.encode() + b"\0", "S102", "NUL"),
    "3 cookie": (b"# -*- coding: utf-7 -*-\n" + DPO.encode(), "S103", "utf-7"),
    "3 cookie in line 2": (b"#!/usr/bin/python\n# vim: set fileencoding=latin-1 :\n" + DPO.encode(), "S103", "latin-1"),
    "4 ten megabytes": (b"# " + b"x" * (10 << 20), "S104", "limit"),
    "4 one byte too many": (DPO.encode().ljust(SIZE_LIMIT + 1, b"\n"), "S104", "limit"),
    "5 syntax": (b"def loss(pc, pr, rc, rr, beta)\n    return pc\n", "S105", "expected ':'"),
    "5 tab": (b"def loss(pc, pr, rc, rr, beta):\n\treturn pc\n        return pr\n", "S105", ""),
    "6 nesting": (b"x = " + b"(" * 5000 + b")" * 5000, "S106", ""),
    "6 chain": (b"x = " + b"+".join([b"1"] * 100_000), "S106", ""),
    "6 unary": (b"x = " + b"-" * 200_000 + b"1", "S106", ""),
    "6 number": (b"x = " + b"9" * 200_000, "S106", ""),
    "7 no function": (b"x = 1\n", "S107", "function"),
    "7 class only": (b"class Loss:\n    def forward(self, pc, pr, rc, rr): return pc\n", "S107", "function"),
    "8 two": ((DPO + DPO.replace("def loss", "def other")).encode(), "S108", "--entry"),
    "9 three arguments": (b"def loss(a, b, c):\n    return a\n", "S109", ""),
    "9 async": (DPO.replace("def loss", "async def loss").encode(), "S109", "async"),
    "9 generator": (DPO.replace("return ", "yield ").encode(), "S109", ""),
    "9 unknown requirement": (f"def loss({SIGNATURE}, tau):\n    return policy_chosen_logps\n".encode(), "S109", "tau"),
    "12 look-alike": (DPO.replace("rho", "rh\u043e").encode(), "S111", ""),
    "12 bidi": (DPO.replace("\n", "  # \u202e\n", 1).encode(), "S111", ""),
    "12 zero width": (DPO.replace("rho", "r\u200bho").encode(), "S111", ""),
}


def rejected(run: Run, rule: str) -> str:
    """Rejected by this rule; gives its message."""
    assert run.code == 1, run.out + run.err
    (result,) = run.results
    assert result["verdict"] == "rejected"
    # A place that breaks the rule twice, and syntax that is refused as well, are told besides.
    assert {f["rule"] for f in result["findings"]} <= {rule, "S115"}
    finding = result["findings"][0]
    assert finding["rule"] == rule
    assert finding["severity"] == "error"
    assert finding["fix"]
    assert rule in run.out
    assert "Traceback" not in run.out + run.err
    return str(finding["message"] + finding["fix"])


@pytest.mark.rest
@pytest.mark.parametrize("name", TEXTS)
def test_a_bad_text(harness: Callable[..., Run], tmp_path: Path, name: str) -> None:
    data, rule, word = TEXTS[name]
    path = tmp_path / "loss.py"
    path.write_bytes(data)
    message = rejected(harness("check", path, "--static"), rule)
    assert word.lower() in message.lower()


@pytest.mark.rest
@pytest.mark.parametrize("name", ["1 empty", "2 NUL", "5 syntax", "6 nesting", "9 async", "12 bidi"])
def test_a_bad_text_ends_the_whole_check_too_and_with_the_screen_off(
    harness: Callable[..., Run], tmp_path: Path, name: str
) -> None:
    data, rule, _ = TEXTS[name]
    path = tmp_path / "loss.py"
    path.write_bytes(data)
    rejected(harness("check", path, "--screen", "off"), rule)


def test_each_class_says_something_of_its_own(harness: Callable[..., Run], tmp_path: Path) -> None:
    for name, (data, _, _) in TEXTS.items():
        (tmp_path / f"{name.replace(' ', '-')}.py").write_bytes(data)
    run = harness("check", tmp_path, "--static")
    messages = {r["path"]: r["findings"][0]["message"] for r in run.results}
    assert len(messages) == len(TEXTS)
    by_class: dict[str, set[str]] = {}
    for path, message in messages.items():
        by_class.setdefault(path.rpartition("/")[2].partition("-")[0], set()).add(message)
    told = [message for group in by_class.values() for message in group]
    assert len(told) == len(set(told))


def test_a_syntax_error_names_line_and_column(harness: Callable[..., Run], write: Callable[..., Path]) -> None:
    run = harness("check", write("x = 1\nif True:\n    y = = 2\n"), "--static")
    assert rejected(run, "S105")
    assert run.results[0]["findings"][0]["location"] == {"line": 3, "column": 9}


# Class 10: paths that are no regular files.


@pytest.fixture
def odd(tmp_path: Path) -> Iterator[dict[str, Path]]:
    real = tmp_path / "real.txt"
    real.write_text(DPO, encoding="utf-8")
    (tmp_path / "link.py").symlink_to(real)
    (tmp_path / "dangling.py").symlink_to(tmp_path / "nowhere")
    (tmp_path / "secret.py").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "pipe.py")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "socket.py"))
    with listener:
        names = ("link.py", "dangling.py", "secret.py", "pipe.py", "socket.py")
        yield {name.removesuffix(".py"): tmp_path / name for name in names}


@pytest.mark.parametrize("name", ["link", "dangling", "secret", "pipe", "socket"])
def test_a_path_that_is_no_regular_file(harness: Callable[..., Run], odd: dict[str, Path], name: str) -> None:
    run = harness("check", odd[name])
    rejected(run, "S110")
    assert "root:" not in run.out


@pytest.mark.rest
@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null", "/dev/stdin"])
def test_a_device(harness: Callable[..., Run], device: str) -> None:
    rejected(harness("check", device), "S110")


def test_a_link_to_a_folder_is_not_followed(harness: Callable[..., Run], tmp_path: Path) -> None:
    (tmp_path / "etc").symlink_to("/etc")
    rejected(harness("check", tmp_path / "etc"), "S110")


# Class 11: what is judged is what was hashed.


def test_a_file_is_read_once(tmp_path: Path) -> None:
    path = tmp_path / "loss.py"
    path.write_text(DPO, encoding="utf-8")
    candidate = read_candidate(path)
    path.write_text("import os", encoding="utf-8")
    assert candidate.data == DPO.encode()


@pytest.mark.rest
def test_the_verdict_belongs_to_the_bytes_of_its_digest(harness: Callable[..., Run], tmp_path: Path) -> None:
    """The path is changed under the check for as long as it runs; digest and verdict stay together."""
    good, bad = DPO.encode(), DPO.replace("-beta", "beta").encode()
    path, stop = tmp_path / "loss.py", threading.Event()
    path.write_bytes(good)

    def swap() -> None:
        turn = 0
        while not stop.wait(0.01):
            turn += 1
            fresh = tmp_path / "next.txt"
            fresh.write_bytes((good, bad)[turn % 2])
            fresh.replace(path)

    swapper = threading.Thread(target=swap)
    swapper.start()
    try:
        run = harness("check", path)
    finally:
        stop.set()
        swapper.join()
    (result,) = run.results
    expected = {hashlib.sha256(good).hexdigest(): "accepted", hashlib.sha256(bad).hexdigest(): "rejected"}
    assert result["verdict"] == expected[result["sha256"]]


# Classes 13 and 14: what happens at import happens in the container.


@pytest.mark.rest
@pytest.mark.parametrize("screen", ["on", "off"])
def test_raising_at_import(harness: Callable[..., Run], write: Callable[..., Path], screen: str) -> None:
    text = DPO.replace("\n\ndef", "\nraise ValueError('not today')\n\ndef")
    message = rejected(harness("check", write(text), "--screen", screen), "W201")
    assert "not today" in message


@pytest.mark.rest
def test_hanging_at_import(harness: Callable[..., Run], write: Callable[..., Path]) -> None:
    text = DPO.replace("\n\ndef", "\nwhile True:\n    pass\n\ndef")
    rejected(harness("check", write(text)), "W203")


@pytest.mark.rest
def test_side_effects_at_import_stay_inside(
    harness: Callable[..., Run], write: Callable[..., Path], tmp_path: Path
) -> None:
    canary = tmp_path / "canary"
    canary.write_text("unchanged", encoding="utf-8")
    top = f"""
    for path in ({str(canary)!r}, {str(tmp_path / "new")!r}, "/tmp/harness-escape"):
        try:
            open(path, "w").write("changed")
        except OSError:
            pass
    os.environ["HARNESS_ESCAPE"] = "1"
    """
    run = harness("check", write(loss(top=textwrap.dedent(top))), "--screen", "off")
    assert run.code == 0
    assert canary.read_text("utf-8") == "unchanged"
    assert not (tmp_path / "new").exists()
    assert not Path("/tmp/harness-escape").exists()
    assert "HARNESS_ESCAPE" not in os.environ


# Users' mistakes: exit code 2, and nothing is run.


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["check"], ["Missing argument"]),
        (["check", "no/such/file.py"], ["there is no file", "no/such/file.py"]),
        (["check", "examples/dpo.py", "--profile", "1999.1"], ["1999.1", "2026.1"]),
        (["check", "examples/dpo.py", "--report", "pdf=x"], ["pdf", "json"]),
        (["check", "examples/dpo.py", "--report", "json"], ["names no file"]),
        (["check", "examples/dpo.py", "--gpu", "all"], ["auto, none or a number"]),
        (["check", "examples/dpo.py", "--gpu", "99"], ["no GPU 99"]),
        (["check", "examples/dpo.py", "--gpu", "-1"], ["auto, none or a number"]),
        (["check", "examples/dpo.py", "--jobs", "0"], ["--jobs"]),
        (["check", "examples/dpo.py", "--jobs", "many"], ["--jobs"]),
        (["check", "examples/dpo.py", "--seed", "-3"], ["--seed"]),
        (["check", "examples/dpo.py", "--screen", "maybe"], ["--screen"]),
        (["check", "examples/dpo.py", "--frobnicate"], ["--frobnicate"]),
        (["frobnicate"], ["frobnicate"]),
        (["explain", "X999"], ["X999"]),
    ],
    ids=lambda a: " ".join(a) if isinstance(a, list) and a[0] in {"check", "explain", "frobnicate"} else "",
)
def test_a_mistake_of_the_user(harness: Callable[..., Run], arguments: list[str], words: list[str]) -> None:
    run = harness(*arguments)
    assert run.code == 2, run.out + run.err
    assert run.report is None
    for word in words:
        assert word.lower() in run.err.lower()
    assert "Traceback" not in run.err


@pytest.mark.rest
@pytest.mark.parametrize("jobs", [1, 2])
def test_one_missing_path_among_good_ones(
    harness: Callable[..., Run], write: Callable[..., Path], tmp_path: Path, jobs: int
) -> None:
    good = [write(DPO, f"{n}.py") for n in range(2)]
    run = harness("check", good[0], tmp_path / "missing.py", good[1], "--jobs", jobs)
    assert run.code == 2
    assert "missing.py" in run.err


def test_an_empty_folder(harness: Callable[..., Run], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    run = harness("check", tmp_path / "empty")
    assert run.code == 2
    assert "no candidate" in run.err


def test_an_entry_that_is_not_there(harness: Callable[..., Run], write: Callable[..., Path]) -> None:
    run = harness("check", write(DPO), "--entry", "nothing")
    assert run.code in {1, 2}
    assert "nothing" in run.out + run.err


def test_a_report_that_cannot_be_written(harness: Callable[..., Run], tmp_path: Path) -> None:
    run = harness("check", "examples/dpo.py", "--static", "--report", f"json={tmp_path}/no/such/folder/r.json")
    assert run.code in {2, 3}
    assert "Traceback" not in run.err
