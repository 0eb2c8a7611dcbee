"""The short run: some thousands of inputs over all targets. The long one is `make fuzz`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from conversation import conversation
from generators import HONEST
from honest import FACTS, QUESTIONS, SENT
from hunt import hunt
from hypothesis import HealthCheck, given, settings
from inputs_kept import CORPUS, kept
from peer import Peer
from targets import TARGETS
from watchdog import within

from harness.core.program import Program
from harness.protocol import frames, wire
from harness.protocol.batch import Answer, Complaint
from harness.screen import front as screen_answer
from harness.screen import reply

if TYPE_CHECKING:
    from choices import Choices

#: Drawn inputs of each target: what all of them take together is some seconds.
EXAMPLES = 400
quiet = settings(
    max_examples=150, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
)


@pytest.mark.parametrize("name", TARGETS)
def test_no_input_breaks_a_promise(name: str) -> None:
    seen: list[bytes] = []
    with within(60):
        hunt(name, EXAMPLES, seen.append)
    assert len(set(seen)) > EXAMPLES / 2 or name == "ended"


@pytest.mark.parametrize("name", TARGETS)
def test_there_are_recorded_inputs_of_every_target(name: str) -> None:
    recorded = [path.read_bytes() for path in (CORPUS / name).iterdir()]
    assert recorded
    assert set(recorded) <= set(kept(name))
    assert all(len(data) <= TARGETS[name].longest for data in recorded)


# Honest inputs are taken: a parser that refuses everything keeps every other promise.


@quiet
@given(HONEST["header"])
def test_an_honest_header_is_taken(data: bytes) -> None:
    head = data[7:]
    kind, length = frames.parse_header(head, sequence=int.from_bytes(head[8:12], "little"), expected=(head[4],))
    assert (kind, length) == (head[4], int.from_bytes(head[12:], "little"))


@quiet
@given(HONEST["answers"])
def test_an_honest_answer_is_taken(data: bytes) -> None:
    asked = QUESTIONS[int.from_bytes(data[:2], "little")]
    entries = wire.parse_answers(data[2:], list(asked.batches), sent=SENT, echo=asked.echo)
    assert all(isinstance(entry, (Answer, Complaint)) for entry in entries)


@quiet
@given(HONEST["fault"])
def test_an_honest_complaint_is_taken(data: bytes) -> None:
    assert wire.parse_fault(data).status in wire.STATUS.values()


@quiet
@given(HONEST["ready"])
def test_an_honest_start_is_taken(data: bytes) -> None:
    assert " ".join(frames.parse_ready(data).versions).encode() == data[FACTS.size :]


@quiet
@given(HONEST["reply"])
def test_an_honest_reply_gives_its_code(data: bytes) -> None:
    taken = reply.take_code(data.decode())
    assert isinstance(taken, reply.Reply)
    assert taken.code.startswith("def loss(pc, pr, rc, rr, beta):\n")
    assert taken.code.rstrip().endswith("* beta * ((pc - pr) - (rc - rr))")


@quiet
@given(HONEST["screened"])
def test_an_honest_answer_of_the_screen_is_taken(data: bytes) -> None:
    got = screen_answer.program_of(data[1:], guarded=True)
    assert isinstance(got, Program) == (b'"plan"' in data)


def test_an_honest_conversation_is_heard_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is printed meanwhile, and wherever the stream is cut."""
    peers: list[Peer] = []
    before = Peer.__init__

    def remembered(self: Peer, plan: Choices) -> None:
        before(self, plan)
        peers.append(self)

    monkeypatch.setattr(Peer, "__init__", remembered)
    conversation(b"")
    (peer,) = peers
    assert not peer.spoilt
    assert [kind for kind, _ in peer.heads] == [1, 2, 3, 4, 5]
