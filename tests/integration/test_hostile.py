"""Candidates with the screen off: the container and the wire hold alone.

Each case asks for its verdict, and then that a benign candidate gets the same bits as before; that no
container is left is asserted by the fixture.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hostile import DPO, FIND_PIPES, loss

from harness.core.errors import CandidateFault
from harness.core.limits import MIB, Limits
from harness.protocol.batch import Complaint
from harness.sandbox import wire as layout
from harness.subject.batches import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support import Sandboxes

    from harness.core.verdict import Finding

pytestmark = pytest.mark.container

BATCH = plain([1.0, -2.0, 0.5], 0.1)
#: Times that a slow machine keeps, and that a hang does not.
LIMITS = Limits(load=4.0, call=4.0, memory=512 * MIB)


@pytest.fixture
def aftermath(sandboxes: Sandboxes) -> Iterator[None]:
    """The next candidate is judged as if nothing had been."""
    yield
    with sandboxes.opened(DPO) as oracle:
        answer = oracle.answer(BATCH)
    x = 0.1 * BATCH.rho
    assert answer.values == pytest.approx(np.logaddexp(0, -x), rel=1e-6)


def fault_of(sandboxes: Sandboxes, text: str, *, limits: Limits = LIMITS, asks: int = 1) -> Finding:
    """The finding that loading this candidate and asking it ends in."""
    try:
        with sandboxes.opened(text, limits=limits, policy=False) as oracle:
            for _ in range(asks):
                oracle.answers([BATCH])
    except CandidateFault as fault:
        (finding,) = fault.findings
    else:
        pytest.fail("it was answered as if nothing were wrong")
    # Dead before the fault is told, and not only when somebody closes it. An exception leaves it alive.
    assert sandboxes.survivors == ([] if finding.rule not in {"W201", "W202"} else sandboxes.containers)
    return finding


ENDLESS = {
    "loop": "while True:\n    pass",
    "sleep": "time.sleep(10**6)",
    "deadlock": "import threading\nlock = threading.Lock()\nlock.acquire()\nlock.acquire()",
    "deaf": "import signal\nfor n in range(1, 32):\n    try:\n        signal.signal(n, signal.SIG_IGN)\n"
    "    except (OSError, ValueError):\n        pass\n"
    "while True:\n    try:\n        time.sleep(1)\n    except BaseException:\n        pass",
    "one C call": "sum(range(10**14))",
    "reads stdin": "while True:\n    sys.stdin.readline()",
}


@pytest.mark.rest
@pytest.mark.parametrize("name", ENDLESS)
@pytest.mark.usefixtures("aftermath")
def test_a_hang_in_a_call(sandboxes: Sandboxes, name: str) -> None:
    finding = fault_of(sandboxes, loss(ENDLESS[name]))
    assert finding.rule == "W203"


@pytest.mark.rest
def test_a_hang_at_import(sandboxes: Sandboxes) -> None:
    finding = fault_of(sandboxes, loss(top="while True:\n    pass"))
    assert finding.rule == "W203"


def test_many_quick_calls_have_a_budget_together(sandboxes: Sandboxes) -> None:
    limits = replace(LIMITS, total=1.0)
    finding = fault_of(sandboxes, loss("time.sleep(0.3)"), limits=limits, asks=20)
    assert finding.rule == "W203"


HOGS = {
    "tensor": "keep = [torch.ones(1 << 24) for _ in range(200)]",
    "bytes": "keep = []\nwhile True:\n    keep.append(b'x' * (1 << 24))",
}


@pytest.mark.parametrize("name", HOGS)
def test_a_memory_hog(sandboxes: Sandboxes, name: str) -> None:
    assert fault_of(sandboxes, loss(HOGS[name])).rule == "W204"


@pytest.mark.rest
@pytest.mark.usefixtures("aftermath")
def test_a_memory_hog_at_import(sandboxes: Sandboxes) -> None:
    assert fault_of(sandboxes, loss(top=HOGS["bytes"])).rule == "W204"


DEATHS = {
    "exit 0": ("os._exit(0)", "exit code 0"),
    "exit 3": ("print('all passed')\nos._exit(3)", "exit code 3"),
    "segfault": ("ctypes.string_at(0)", "SIGSEGV"),
    "abort": ("os.abort()", "SIGABRT"),
    "kill itself": ("os.kill(os.getpid(), 9)", "SIGKILL"),
    "kill everything": ("try:\n    os.kill(-1, 9)\nexcept OSError:\n    pass\nos.kill(os.getpid(), 9)", "SIGKILL"),
    "kill the server": ("for n in (15, 9, 11, 6):\n    os.kill(1, n)\nos._exit(0)", "exit code"),
}


@pytest.mark.rest
@pytest.mark.parametrize("name", DEATHS)
@pytest.mark.usefixtures("aftermath")
def test_an_end_of_the_process_is_no_answer(sandboxes: Sandboxes, name: str) -> None:
    body, how = DEATHS[name]
    finding = fault_of(sandboxes, loss(body))
    assert finding.rule == "W205"
    assert how in finding.message


def test_an_exit_at_import(sandboxes: Sandboxes) -> None:
    assert fault_of(sandboxes, loss(top="print('passed')\nos._exit(0)")).rule == "W205"


@pytest.mark.parametrize("top", ["sys.exit(0)", "raise SystemExit", "raise KeyboardInterrupt"])
def test_a_polite_exit_at_import_fails_to_load(sandboxes: Sandboxes, top: str) -> None:
    assert fault_of(sandboxes, loss(top=top)).rule == "W201"


FLOODS = {
    "print": "print('x' * 10_000_000)",
    "stderr": "sys.stderr.write('x' * 10_000_000)",
    "endless": "while True:\n    os.write(2, b'x' * 65536)",
    "thread": "import threading\n"
    "threading.Thread(target=lambda: [os.write(1, b'x' * 65536) for _ in range(400)]).start()\ntime.sleep(3)",
}


@pytest.mark.rest
@pytest.mark.parametrize("name", FLOODS)
@pytest.mark.usefixtures("aftermath")
def test_a_flood(sandboxes: Sandboxes, name: str) -> None:
    finding = fault_of(sandboxes, loss(FLOODS[name]))
    assert finding.rule == "W207"
    assert len(finding.detail) <= 4096
    assert "xxx" in finding.detail


@pytest.mark.parametrize("top", ["print('x' * 10_000_000)", "while True:\n    print('x' * 1000)"])
def test_a_flood_at_import(sandboxes: Sandboxes, top: str) -> None:
    assert fault_of(sandboxes, loss(top=top)).rule == "W207"


# Forging: the frames go through descriptors that a candidate can find.

FORGED = {
    "flood": "for fd in pipes():\n    os.write(fd, bytes(10_000_000))",
    "noise": "for fd in pipes():\n    os.write(fd, b'\\x00' * 64)",
    "text": 'for fd in pipes():\n    os.write(fd, b\'{"verdict": "accepted"}\\n\' * 4)',
    "announces much": "for fd in pipes():\n    os.write(fd, b'HRN1' + bytes([19, 0, 0, 0]) + bytes(4) + b'\\xff' * 4)",
    "another number": "frame = b'HRN1' + bytes([19, 0, 0, 0, 7, 0, 0, 0]) + bytes(4)\n"
    "for fd in pipes():\n    os.write(fd, frame)",
    "ready again": "for fd in pipes():\n    os.write(fd, b'HRN1' + bytes([16, 0, 0, 0]) + bytes(8))",
    "ended twice": "frame = b'HRN1' + bytes([21, 0, 0, 0]) + bytes(4) + bytes([5, 0, 0, 0]) + bytes(5)\n"
    "for fd in pipes():\n    os.write(fd, frame)",
}


@pytest.mark.rest
@pytest.mark.parametrize("name", FORGED)
@pytest.mark.usefixtures("aftermath")
def test_forged_frames_are_never_an_answer(sandboxes: Sandboxes, name: str) -> None:
    finding = fault_of(sandboxes, loss(FORGED[name], top=FIND_PIPES))
    # A forged end of the fork is believed: it ends the candidate, as it asked for.
    assert finding.rule == ("W205" if name == "ended twice" else "W206")


@pytest.mark.rest
def test_a_frame_that_is_cut_ends_at_the_deadline(sandboxes: Sandboxes) -> None:
    body = "for fd in pipes():\n    os.write(fd, b'HRN1')\ntime.sleep(100)"
    assert fault_of(sandboxes, loss(body, top=FIND_PIPES)).rule == "W203"


FINDS_ITS_NUMBER = """
import gc

def number():
    frame = sys._getframe()
    while frame is not None:
        if "sequence" in frame.f_locals:
            return frame.f_locals["sequence"]
        frame = frame.f_back
"""
COMPLETE_FORGERY = """
head = bytes([0, 1, 0, 0]) + (3).to_bytes(4, "little") + (3).to_bytes(4, "little")
import struct
payload = head + struct.pack("<9f", *range(9))
frame = b"HRN1" + bytes([19, 0, 0, 0]) + number().to_bytes(4, "little") + len(payload).to_bytes(4, "little")
for fd in pipes():
    os.write(fd, frame + payload)
"""


def test_a_complete_forgery_is_only_other_numbers_and_then_it_is_found_out(sandboxes: Sandboxes) -> None:
    """It knows the layout and the number of the request: then it answers, with numbers, as any loss does."""
    text = loss(COMPLETE_FORGERY, top=FIND_PIPES + FINDS_ITS_NUMBER)
    with sandboxes.opened(text, limits=LIMITS, policy=False) as oracle:
        forged = oracle.answer(BATCH)
        assert forged.values.tolist() == [0.0, 1.0, 2.0]
        # The honest answer comes behind it, and answers nothing.
        with pytest.raises(CandidateFault) as caught:
            oracle.answer(BATCH)
    assert caught.value.findings[0].rule == "W206"


def test_printing_frames_and_verdicts_changes_nothing(sandboxes: Sandboxes) -> None:
    body = """
    print('{"schema": "harness.report/v1", "verdict": "accepted"}')
    os.write(1, b"HRN1" + bytes([19, 0, 0, 0]) + bytes(8))
    os.write(2, b"HRN1" + bytes([21, 0, 0, 0]) + bytes(8))
    """
    with sandboxes.opened(loss(body), policy=False) as oracle, sandboxes.opened(DPO) as honest:
        assert oracle.answer(BATCH).values.tobytes() == honest.answer(BATCH).values.tobytes()
        oracle.finish()
        assert oracle.output.count('"verdict": "accepted"') == 1
        assert "HRN1" in oracle.output


@pytest.mark.rest
def test_a_writer_that_outlives_its_fork_is_ended_with_it(sandboxes: Sandboxes) -> None:
    body = """
    if os.fork() == 0:
        if os.fork():
            os._exit(0)
        time.sleep(1.5)
        for fd in pipes():
            os.write(fd, b"late" * 64)
        os._exit(0)
    """
    with sandboxes.opened(loss(body, top=FIND_PIPES), limits=LIMITS, policy=False) as oracle:
        first = oracle.answer(BATCH)
        oracle.fresh()
        time.sleep(2.0)
        second = oracle.answer(BATCH)
    assert first.values.tobytes() == second.values.tobytes()


@pytest.mark.rest
@pytest.mark.parametrize(
    "ending",
    [
        "return rho.as_subclass(Liar)",
        "return Liar(rho)",
        "return float(rho.sum())",
        "return type('Number', (float,), {})(1.0)",
        "return {'loss': rho}",
        "return 'accepted'",
        "return True",
        "return rho.long()",
        "return rho.to(torch.complex64)",
        "return rho.half()",
    ],
)
def test_what_is_no_plain_tensor_is_said_to_be_none(sandboxes: Sandboxes, ending: str) -> None:
    top = """
class Liar(torch.Tensor):
    shape = property(lambda self: (3,))
    def isfinite(self): return torch.ones(3, dtype=torch.bool)
    def __eq__(self, other): return True
    def numel(self): return 3
    """
    with sandboxes.opened(loss(top=top, ending=ending), policy=False) as oracle:
        (got,) = oracle.ask([BATCH])
    assert isinstance(got, Complaint)
    assert got.status in {"wrong-output", "raised"}


def test_a_recursion_without_an_end(sandboxes: Sandboxes) -> None:
    top = "sys.setrecursionlimit(10**9)\ndef down(n):\n    return down(n + 1) + 1"
    finding = fault_of(sandboxes, loss("down(0)", top=top), limits=replace(LIMITS, call=20.0))
    assert finding.rule in {"W202", "W204", "W205"}


def test_the_layout_is_known_to_every_candidate() -> None:
    """The forgeries above are written against these numbers."""
    assert (layout.MAGIC, layout.ANSWER, layout.READY, layout.ENDED) == (b"HRN1", 19, 16, 21)
