"""The host answers trainers on a socket; what goes wrong is known on the host's side."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from answering import Here

from harness.core.contract import PREFERENCE
from harness.core.errors import CandidateFault, InfrastructureError, SandboxLostError
from harness.protocol import relay
from harness.protocol.batch import Answer
from harness.protocol.batch_types import PairBatch
from harness.protocol.frames import WireError, pack_frame
from harness.protocol.job import StepError
from harness.protocol.rules import TIME_LIMIT
from harness.trainer.remote import RemoteOracle
from harness.training.serving import Serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from harness.protocol.batch import Batch


def batch(pairs: int = 4, seed: int = 0) -> PairBatch:
    generator = np.random.default_rng(seed)
    return PairBatch.of(generator.normal(-20, 2, (6, pairs)).astype(np.float32), 0.1)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    folder = tmp_path / "s"
    folder.mkdir(mode=0o700)
    return folder / "o.sock"


@contextlib.contextmanager
def serving(place: Path, served: Any, **options: Any) -> Iterator[Serving]:
    with Serving(place, lambda _: contextlib.nullcontext(served), **options) as host:
        yield host


class Failing(Here):
    """Answers some batches, then raises."""

    def __init__(self, error: Exception, after: int = 2) -> None:
        super().__init__()
        self.error, self.after = error, after

    def answer(self, batch: Batch) -> Answer:
        if len(self.asked) >= self.after:
            raise self.error
        return super().answer(batch)


def test_answers_cross_to_the_bit(place: Path) -> None:
    here, direct = Here(smallest=3), Here()
    with serving(place, here) as host:
        with RemoteOracle(place) as remote:
            assert remote.smallest == 3
            for pairs in (3, 64, 1000):
                got, own = remote.answer(batch(pairs)), direct.answer(batch(pairs))
                assert (got.shape, got.dtype, got.detached) == (own.shape, own.dtype, own.detached)
                for a, b in ((got.values, own.values), (got.grad_chosen, own.grad_chosen)):
                    assert a.tobytes() == b.tobytes()
        assert host.fault is None
    assert host.calls == 3
    assert not place.exists()


def test_a_scalar_and_a_detached_answer_cross(place: Path) -> None:
    scalar = Here.of("dpo")
    inner = scalar.call._function
    scalar.call._function = lambda *given, **named: inner(*given, **named).mean()
    with serving(place, scalar), RemoteOracle(place) as remote:
        assert remote.answer(batch()).shape == ()
    detached = Here()
    detached.call._function = lambda *given, **named: inner(*given, **named).detach()
    with serving(place, detached), RemoteOracle(place) as remote:
        assert remote.answer(batch()).detached


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (CandidateFault(TIME_LIMIT.finding("it took longer than 10 s for one answer")), "candidate"),
        (SandboxLostError("the sandbox was ended from outside"), "ours"),
    ],
)
def test_a_fault_is_kept_here_and_told_there(place: Path, error: Any, fault: str) -> None:
    with serving(place, Failing(error)) as host, RemoteOracle(place) as remote:
        remote.answer(batch())
        remote.answer(batch())
        with pytest.raises(relay.RefusedError) as raised:
            remote.answer(batch())
        assert (raised.value.fault, str(raised.value)) == (fault, error.message)
        with pytest.raises(StepError):  # and it stays so
            remote.answer(batch())
    assert host.fault is error
    assert error is not None
    with pytest.raises(type(error)):
        host.settle()


def test_a_mistake_of_ours_in_the_thread_is_no_silence(place: Path) -> None:
    with serving(place, Failing(ZeroDivisionError("oh"))) as host, RemoteOracle(place) as remote:
        for _ in range(2):
            remote.answer(batch())
        with pytest.raises(relay.RefusedError, match="ZeroDivisionError"):
            remote.answer(batch())
    assert isinstance(host.fault, InfrastructureError)


def test_answers_that_change_late_are_found_on_the_hosts_side(place: Path) -> None:
    class Late(Here):
        def answer(self, batch: Batch) -> Answer:
            got = super().answer(batch)
            return got if len(self.asked) < 130 else replace(got, values=got.values * 2)

    with serving(place, Late()) as host, RemoteOracle(place) as remote, pytest.raises(relay.RefusedError):  # noqa: PT012 - somewhere in the loop
        for step in range(250):
            remote.answer(batch(seed=step))
    assert isinstance(host.fault, CandidateFault)
    assert host.fault.findings[0].rule == "W210"


class Turning:
    """Turns round after so many calls, and goes on answering as before what it was asked before."""

    smallest_batch = 1
    contract = PREFERENCE

    def __init__(self, after: int) -> None:
        self.after, self.calls = after, 0
        self.modes: dict[bytes, bool] = {}

    def answer(self, asked: Batch) -> Answer:
        assert isinstance(asked, PairBatch)
        self.calls += 1
        sign = -1.0 if self.modes.setdefault(asked.raw, self.calls > self.after) else 1.0
        x = (sign * asked.beta * asked.rho).astype(np.float32)
        slope = (-sign * asked.beta / (1.0 + np.exp(x)) / asked.pairs).astype(np.float32)
        return Answer((asked.pairs,), x.dtype, np.logaddexp(0.0, -x), (slope, -slope), detached=False)

    def answers(self, asked: Sequence[Batch]) -> list[Answer]:
        return [self.answer(one) for one in asked]


@pytest.mark.rest
def test_one_that_turns_round_late_and_remembers_what_it_said_is_found_by_a_fresh_sandbox(place: Path) -> None:
    """The same container gives each answer twice: only one that knows nothing contradicts it."""

    def train(again: int, after: int, calls: int) -> Serving:
        with Serving(place, lambda _: contextlib.nullcontext(Turning(after)), again=again) as host:
            with RemoteOracle(place) as remote:
                for step in range(calls):
                    remote.answer(batch(2, seed=step))
            with contextlib.suppress(CandidateFault):
                host.settle()
        assert host.calls == calls
        return host

    late = train(20, 20_000, 20_100)
    assert isinstance(late.fault, CandidateFault)
    assert late.fault.findings[0].rule == "W210"
    assert "in a fresh container" in late.fault.findings[0].message
    assert train(20, 140, 150).fault is not None  # the last ones are all asked again
    assert train(0, 140, 150).fault is None
    honest = train(20, 10_000, 300)
    # The last 64, and those of the twentieth ones that come before them.
    assert (honest.fault, honest.asked_again) == (None, 64 + (300 - 64) // 20)


def test_each_rank_has_a_sandbox_of_its_own(place: Path) -> None:
    opened: dict[int, Here] = {}

    def open_one(rank: int) -> Any:
        opened[rank] = Here()
        return contextlib.nullcontext(opened[rank])

    with Serving(place, open_one, ranks=2) as host:
        with RemoteOracle(place, rank=0) as first, RemoteOracle(place, rank=1) as second:
            first.answer(batch(seed=1))
            second.answer(batch(seed=2))
            second.answer(batch(seed=3))
            assert [len(opened[rank].asked) for rank in (0, 1)] == [1, 2]
        assert host.fault is None


def test_the_last_answers_are_checked_however_soon_it_is_closed(place: Path) -> None:
    class Late(Here):
        def answer(self, batch: Batch) -> Answer:
            time.sleep(0.05)
            got = super().answer(batch)
            return got if len(self.asked) < 4 else replace(got, gradients=(-got.grad_chosen, got.grad_rejected))

    with serving(place, Late()) as host:
        with RemoteOracle(place) as remote:
            for step in range(4):
                remote.answer(batch(seed=step))
        with pytest.raises(CandidateFault):
            host.settle()


@pytest.mark.parametrize("rank", [0, 2, 65535])
def test_a_rank_too_many_is_refused(place: Path, rank: int) -> None:
    with (
        Serving(place, lambda _: contextlib.nullcontext(Here()), ranks=2) as host,
        RemoteOracle(place, rank=0),
        pytest.raises(relay.RefusedError, match="rank"),
    ):
        RemoteOracle(place, rank=rank)
    assert isinstance(host.fault, InfrastructureError)


def hello(rank: int = 0, version: int = relay.VERSION) -> bytes:
    return pack_frame(relay.HELLO, 1, relay.GREETING.pack(version, rank, 0))


def ask(payload: bytes) -> bytes:
    return pack_frame(relay.ASK, 2, payload)


def spoilt(at: int, value: bytes) -> bytes:
    good = bytearray(relay.pack_ask(batch()))
    good[at : at + len(value)] = value
    return bytes(good)


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\n\r\n" + b"x" * 64,
        hello(version=1),
        pack_frame(relay.HELLO, 1, b"short"),
        pack_frame(relay.ASK, 1, relay.pack_ask(batch())),
        hello() + pack_frame(relay.HELLO, 2, b""),
        hello() + pack_frame(relay.ASK, 2, b"")[:12] + struct.pack("<I", 0xFFFFFFFF),
        hello() + ask(b""),
        hello() + ask(relay.pack_ask(batch())[:-1]),
        hello() + ask(relay.pack_ask(batch()) + b"\0"),
        hello() + ask(spoilt(0, b"\2\0")),
        hello() + ask(spoilt(6, b"\0\0\0\0")),
        hello() + ask(spoilt(6, b"\xff\xff\xff\xff")),
        hello() + ask(spoilt(2, b"\7")),
        hello() + ask(spoilt(3, b"\2")),
        hello() + ask(spoilt(10, struct.pack("<d", float("nan")))),
        hello() + ask(spoilt(18, struct.pack("<d", -1.0))),
        hello() + ask(spoilt(26, struct.pack("<f", float("inf")))),
    ],
    ids=range(17),
)
def test_what_no_trainer_of_ours_sends_is_refused_and_ours(place: Path, sent: bytes) -> None:
    here = Here()
    with serving(place, here) as host, socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(20)
        sock.connect(str(place))
        sock.sendall(sent)
        with contextlib.suppress(ConnectionResetError):  # where it has not read all of it
            while sock.recv(4096):
                pass
    assert isinstance(host.fault, InfrastructureError)
    assert not here.asked


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"nonsense" * 4,
        pack_frame(relay.TOLD, 9, b""),
        pack_frame(relay.WELCOME, 1, relay.GREETING.pack(9, 0, 1)),
        pack_frame(relay.WELCOME, 1, relay.GREETING.pack(1, 0, 0)),
        pack_frame(relay.FAILED, 0, b"{"),
        pack_frame(relay.FAILED, 0, b"[]"),
    ],
    ids=range(7),
)
def test_a_host_that_talks_nonsense_is_an_error_by_fault(place: Path, reply: bytes) -> None:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(place))
    listener.listen(1)

    def speak() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(reply)

    thread = threading.Thread(target=speak)
    thread.start()
    with pytest.raises(StepError):
        RemoteOracle(place, patience=20)
    thread.join()
    listener.close()


def test_a_host_that_is_silent_is_given_up(place: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(place))
        listener.listen(1)
        with pytest.raises(StepError, match="went away"):
            RemoteOracle(place, patience=0.2)


def test_nobody_there(place: Path) -> None:
    with pytest.raises(StepError, match="nobody answers"):
        RemoteOracle(place)


def test_a_folder_that_others_reach_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    with pytest.raises(InfrastructureError, match="reach"):
        Serving(tmp_path / "o.sock", lambda _: contextlib.nullcontext(Here()))


def test_closing_frees_a_trainer_that_waits(place: Path) -> None:
    entered = threading.Event()

    class Slow(Here):
        def answer(self, batch: Batch) -> Answer:
            entered.set()
            time.sleep(0.3)
            return super().answer(batch)

    with serving(place, Slow()):
        remote = RemoteOracle(place)
        thread = threading.Thread(target=lambda: _quietly(lambda: remote.answer(batch())))
        thread.start()
        entered.wait(120)
    thread.join(120)
    assert not thread.is_alive()
    remote.close()


def _quietly(work: Callable[[], object]) -> None:
    with contextlib.suppress(StepError):
        work()


def test_the_ask_that_a_trainer_packs_is_the_one_that_is_read() -> None:
    sent = PairBatch.of(np.arange(24, dtype=np.float32).reshape(6, 4), 0.25, 0.75)
    read = relay.parse_ask(relay.pack_ask(sent), PREFERENCE)
    assert isinstance(read, PairBatch)
    assert (read.beta, read.progress) == (0.25, 0.75)
    for a, b in zip(sent.tensors, read.tensors, strict=True):
        assert np.array_equal(a, b)
    for size in range(len(relay.pack_ask(sent))):
        with pytest.raises(WireError):
            relay.parse_ask(relay.pack_ask(sent)[:size], PREFERENCE)
