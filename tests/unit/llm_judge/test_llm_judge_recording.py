"""What was asked stays known: across interruptions, for one writer, and not after somebody changed it."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from harness.core.errors import InfrastructureError, UserError
from harness.llm.account import Account, Budget, BudgetSpentError, Prices
from harness.llm.recording import Recording
from harness.llm.request import Message, Reply, Request

OLDER = Path(__file__).with_name("older_recording.jsonl")


def request(number: int) -> Request:
    return Request("judge", (Message("user", f"question {number} \u2028 é"),), most_tokens=10)


def reply(text: str = "[[A]]", **more: Any) -> Reply:
    given: dict[str, Any] = {"finish": "stop", "model": "m", "prompt_tokens": 30, "completion_tokens": 5}
    return Reply(text, **(given | more))


def written(path: Path, count: int = 3) -> list[Reply]:
    replies = [reply(f"said {n}\r\n\u2028") for n in range(count)]
    with Recording(path) as recording:
        for number, one in enumerate(replies):
            assert recording.add(request(number), one, 0.5) == one
    return replies


def test_what_was_recorded_is_found_again(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "calls.jsonl"
    replies = written(path)
    with Recording(path, read_only=True) as recording:
        assert [recording.find(request(n)) for n in range(4)] == [*replies, None]
        assert list(recording) == replies
        assert not recording.writable
        with pytest.raises(InfrastructureError, match="not open"):
            recording.add(request(9), reply(), 0.0)
    assert path.stat().st_mode & 0o077 == 0
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines[0].keys() == {"digest", "seal", "request", "reply", "time", "seconds"}


@pytest.mark.parametrize("read_only", [True, False])
def test_its_digest_is_that_of_the_file_whatever_was_torn_or_added(read_only: bool, tmp_path: Path) -> None:  # noqa: FBT001
    path = tmp_path / "calls.jsonl"
    written(path)
    path.write_bytes(path.read_bytes()[:-9])
    with Recording(path, read_only=read_only) as recording:
        assert recording.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
        if not read_only:
            recording.add(request(7), reply(), 0.0)
            recording.add(request(7), reply("not kept"), 0.0)
            assert recording.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_recording_of_earlier_versions_is_read_and_what_is_written_today_is_the_same(tmp_path: Path) -> None:
    """`older_recording.jsonl` was written when requests and replies had fewer fields: its digests and seals hold."""
    first = Request("judge", (Message("system", "Judge."), Message("user", "Which? \u2028 é")), most_tokens=50)
    second = Request("o", (Message("user", "Letter?"),), None, 1, "max_completion_tokens", 5)
    said = {
        first: Reply("fine\n[[A]]", "stop", "judge-1", 100, 10),
        second: Reply("A", "length", "judge-1", 40, 1, counted=False, tries=2, top=(("A", -0.1), ("B", -2.5))),
    }
    with Recording(OLDER, read_only=True) as recording:
        assert {request: recording.find(request) for request in said} == said
        assert Account(Budget(), recording).spent.tokens == 151
    with Recording(tmp_path / "x.jsonl") as recording:
        for request, one in said.items():
            recording.add(request, one, 0.0)
    older, newer = (
        [json.loads(line) for line in path.read_text().splitlines()] for path in (OLDER, tmp_path / "x.jsonl")
    )
    stamps = {"time": 0, "seconds": 0}
    assert [line | stamps for line in older] == [line | stamps for line in newer]


def test_the_first_reply_counts(tmp_path: Path) -> None:
    with Recording(tmp_path / "x.jsonl") as recording:
        recording.add(request(1), reply("first"), 0.0)
        assert recording.add(request(1), reply("second"), 0.0).text == "first"
    assert len((tmp_path / "x.jsonl").read_text().splitlines()) == 1


def test_a_line_that_was_cut_off_is_forgotten_and_the_rest_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    replies = written(path)
    whole = path.read_bytes()
    for cut in (1, 40, len(whole.splitlines()[-1])):
        path.write_bytes(whole[:-cut])
        with Recording(path, read_only=True) as recording:
            assert list(recording) == replies[:2]
        assert path.read_bytes() == whole[:-cut]  # who only reads changes nothing
        with Recording(path) as recording:
            assert recording.find(request(2)) is None
            recording.add(request(2), replies[2], 0.5)
        with Recording(path) as recording:
            assert list(recording) == replies


@pytest.mark.parametrize(
    ("old", "new"), [(b"said 1", b"said 2"), (b"question 1", b"question 7"), (b'"digest"', b'"dig"'), (b"{", b"")]
)
def test_a_line_that_was_changed_is_noticed(tmp_path: Path, old: bytes, new: bytes) -> None:
    path = tmp_path / "x.jsonl"
    written(path)
    first, second, third = path.read_bytes().splitlines(keepends=True)
    assert old in second
    path.write_bytes(first + second.replace(old, new, 1) + third)
    for read_only in (True, False):
        with pytest.raises(UserError, match="line 2 of"):
            Recording(path, read_only=read_only)


def test_one_writes(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    with Recording(path), pytest.raises(UserError, match="another process"):
        Recording(path)
    Recording(path).close()


def test_a_recording_that_is_not_there_cannot_be_replayed(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        Recording(tmp_path / "x.jsonl", read_only=True)
    with pytest.raises(UserError, match="cannot be read"):
        Recording(tmp_path)


def test_a_disk_that_is_full_leaves_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.jsonl"
    replies = written(path)
    write = os.write
    with Recording(path) as recording:
        monkeypatch.setattr(os, "write", lambda handle, data: write(handle, data[:50]))
        with pytest.raises(InfrastructureError, match="no space"):
            recording.add(request(7), reply(), 0.0)
        assert recording.find(request(7)) is None

        def full(*_: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, "write", full)
        with pytest.raises(InfrastructureError, match="No space left"):
            recording.add(request(7), reply(), 0.0)
        monkeypatch.undo()
        recording.add(request(7), reply("after"), 0.0)
    with Recording(path) as recording:
        assert list(recording) == [*replies, reply("after")]


def test_a_digest_covers_all_that_decides() -> None:
    base = request(1)
    others = [
        Request("other", base.messages, most_tokens=10),
        Request("judge", base.messages, 0.5, most_tokens=10),
        Request("judge", base.messages, most_tokens=11),
        Request("judge", base.messages, most_tokens=10, cap="max_completion_tokens"),
        Request("judge", base.messages, most_tokens=10, top=5),
        Request("judge", (Message("system", base.messages[0].content),), most_tokens=10),
        base.reminded("Do.", 1),
        base.reminded("Do.", 2),
    ]
    assert len({one.digest for one in [base, *others]}) == 9
    assert request(1).digest == base.digest


def test_a_budget_is_never_gone_over() -> None:
    account = Account(Budget(tokens=200), [reply()])
    asked = request(1)
    assert (account.spent.tokens, asked.worst_tokens()) == (35, 16 + len(asked.messages[0].content.encode()) + 10)
    account.hold(asked)
    account.hold(asked)
    account.hold(asked)
    with pytest.raises(BudgetSpentError, match="35 tokens in 1 calls"):
        account.hold(asked)  # three are under way, and may cost all that is left
    for one in (None, reply(prompt_tokens=20), None):
        account.settle(asked, one)
    assert (account.spent.tokens, account.spent.calls) == (60, 2)
    account.hold(asked)


def test_a_budget_in_money() -> None:
    budget = Budget(money=0.01, prices=Prices(100.0, 200.0))
    account = Account(budget, [reply(prompt_tokens=50, completion_tokens=10, counted=0)])
    assert account.money == pytest.approx(0.007)
    assert account.estimated == 1
    with pytest.raises(BudgetSpentError, match="spent"):
        account.hold(request(1))


@pytest.mark.parametrize(
    "bad",
    [
        {"tokens": -1},
        {"money": 5.0},
        {"money": float("nan"), "prices": Prices(1, 0)},
        {"prices": Prices(float("inf"), 0)},
    ],
)
def test_a_budget_that_would_stop_nobody_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(UserError):
        Budget(**bad)
