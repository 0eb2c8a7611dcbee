"""The whole host side of a conversation, with a peer that a fuzzer drives.

What is held against it: nothing but a fault sorted by whose it is comes out; an honest peer is never refused; what
is accepted is what the bytes say, frame by frame; no more is taken in than was announced as the most; the container
is removed exactly once, and a sandbox that failed answers nothing more.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, cast

from choices import Choices
from honest import ANSWER, ENDED, EVAL, LOADED, MARK, QUESTIONS, READY, STARTED, STOP, frame, reply_to, said
from peer import STATES, FuzzedEngine, Peer
from plausible import ready_words
from spoil import HEADER

from harness.containers.request import Recipe
from harness.core.contract import VECTORS
from harness.core.errors import CandidateFault, InfrastructureError
from harness.core.limits import Limits
from harness.core.program import CallPlan, Program
from harness.oracle import oracle as oracle_module
from harness.oracle import sandbox as sandbox_module

if TYPE_CHECKING:
    from honest import Asked

    from harness.containers.engine import Engine
    from harness.core.errors import HarnessError
    from harness.oracle.oracle import Oracle
    from harness.oracle.sandbox import Sandbox
    from harness.protocol.batch import Answer, Complaint

PRINTED_CAP = 1000
LIMITS = Limits(output=PRINTED_CAP, shown=100)
RECIPE = Recipe("image", LIMITS)
PLAN = CallPlan("loss", "function", VECTORS)
PROGRAM = Program("def loss(): ...", guarded=True, plan=PLAN, name="loss", source="def loss(): ...")
#: The most that one reply may bring beside its payload's cap: headers, what is printed, one chunk on the way.
_SLACK = 4 * (1 << 16)
_MOST_STEPS = 5
#: The candidate raised while it was loaded, and said so by the rules: its sandbox is removed by whoever opened it.
_WHILE_LOADING = {"W201", "W208"}

# A peer that talks without an end would be listened to for this long at each of its ends.
sandbox_module._DRAIN_SECONDS = 0.001
sandbox_module._SETTLE_SECONDS = 0.001
# And an engine that says no more would be asked again for this long.
sandbox_module._ENGINE_HEARS_SECONDS = -1.0


class Witness:
    """Reads along: every frame that the host accepted has to be the next one that the peer sent."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._at = 0
        self._heads = 0

    def ready(self, versions: tuple[str, str]) -> None:
        """READY: its header to the byte; its words as they were shown."""
        payload = self._header(READY, 0)
        assert len(payload) <= 1 << 16
        assert ready_words(payload) == versions

    def step(self) -> None:
        """The replies to all requests since the last step, apart from answers."""
        heads = self._peer.heads[self._heads :]
        self._heads = len(self._peer.heads)
        for kind, sequence in heads:
            if kind == STOP:
                assert len(self._header(ENDED, 0)) == 5
            elif kind not in {EVAL, MARK}:
                self._exactly(frame({1: LOADED, 2: STARTED}[kind], sequence))

    def answer(self, entries: list[Answer | Complaint], asked: Asked) -> None:
        """ANSWER: the numbers say just what the bytes say."""
        (_, sequence) = self._peer.heads[-1]
        self._heads = len(self._peer.heads)
        payload = bytes(self._peer.truth[self._at + HEADER :])
        told = said(entries, asked, payload)
        self._exactly(frame(ANSWER, sequence, told))
        if told == reply_to(asked):
            return
        assert self._peer.spoilt, "an honest answer was changed on its way"

    def _exactly(self, expected: bytes) -> None:
        got = bytes(self._peer.truth[self._at : self._at + len(expected)])
        assert got == expected, f"{got!r} was taken for {expected!r}"
        self._at += len(expected)

    def _header(self, kind: int, sequence: int) -> bytes:
        (length,) = struct.unpack_from("<I", self._peer.truth, self._at + 12)
        self._exactly(frame(kind, sequence)[:12] + struct.pack("<I", length))
        payload = bytes(self._peer.truth[self._at : self._at + length])
        assert len(payload) == length
        self._at += length
        return payload


def conversation(data: bytes) -> None:
    """One check's worth of requests."""
    plan = Choices(data)
    state = STATES[plan.below(len(STATES))]
    peer = Peer(plan)
    engine = FuzzedEngine(peer, state)
    box = sandbox_module.Sandbox(cast("Engine", engine), RECIPE)
    fault: HarnessError | None = None
    try:
        _talk(box, peer, plan)
    except (CandidateFault, InfrastructureError) as raised:
        fault = raised
    finally:
        box.close()
        box.close()
        peer.line.close()
    assert engine.removed == 1
    if fault is not None:
        assert peer.spoilt or peer.printed > PRINTED_CAP, f"an honest sandbox was refused: {fault.message}"
        assert fault.message
        assert isinstance(fault, InfrastructureError) or peer.heads, "there was no candidate yet"
    bound = (4 + 2 * _MOST_STEPS) * ((1 << 16) + _SLACK)
    assert peer.line.taken <= bound, f"{peer.line.taken} bytes were taken in"
    assert len(box._streams._out) <= _SLACK, "bytes of the wire were hoarded"
    assert len(box._streams.output) <= LIMITS.shown


def _talk(box: Sandbox, peer: Peer, plan: Choices) -> None:
    witness = Witness(peer)
    box.wait_ready()
    witness.ready(box.versions)
    try:
        oracle = oracle_module.Oracle(box, PROGRAM, LIMITS)
        witness.step()
        for _ in range(1 + plan.below(_MOST_STEPS)):
            _step(oracle, peer, witness, plan)
        oracle.finish()
        witness.step()
    except (CandidateFault, InfrastructureError) as fault:
        if not (isinstance(fault, CandidateFault) and fault.findings[0].rule in _WHILE_LOADING):
            assert not box.container, "the container outlives the fault"
            _answers_no_more(box)
        raise


def _step(oracle: Oracle, peer: Peer, witness: Witness, plan: Choices) -> None:
    choice = plan.byte()
    if choice % 4 == 3:
        oracle.fresh()
        witness.step()
        return
    asked = QUESTIONS[(choice // 4) % len(QUESTIONS)]
    peer.asked = asked
    entries = oracle.ask(asked.batches, echo=asked.echo)
    witness.answer(entries, asked)


def _answers_no_more(box: Sandbox) -> None:
    try:
        box.request(EVAL, b"", (ANSWER,), 1.0)
    except (CandidateFault, InfrastructureError):
        return
    raise AssertionError("a sandbox that was given up has answered")
