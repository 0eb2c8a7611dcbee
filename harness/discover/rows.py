"""What the loop writes down and reads back: requests, replies, and a row for each attempt."""

from __future__ import annotations

import hashlib
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from harness.discover import feedback
from harness.discover.proposers.base import Proposal
from harness.discover.track import Row
from harness.llm import quoting
from harness.llm.account import Usage

if TYPE_CHECKING:
    from harness.discover.judging import Judged
    from harness.discover.proposers.base import Known


def seed_of(seed: int, generation: int, attempt: int) -> int:
    """An ask's own seed."""
    text = f"{seed} {generation} {attempt}".encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:6], "big")


def reply_entry(reply: Proposal, state: object, started: float) -> dict[str, Any]:
    """A reply as the journal keeps it; `started` is of the monotonic clock."""
    usage = reply.usage
    return {
        "text": reply.text,
        "cut": reply.cut,
        "refused": reply.refused,
        "parents": list(reply.parents),
        "note": reply.note,
        "usage": {
            "tokens_in": usage.tokens_in,
            "tokens_out": usage.tokens_out,
            "dollars": usage.dollars,
            "calls": usage.calls,
        },
        "state": state,
        "seconds": round(time.monotonic() - started, 3),
    }


def reply_of(entry: dict[str, Any]) -> Proposal:
    """A reply from the journal."""
    text, flags = str(entry["text"]), {key: bool(entry[key]) for key in ("cut", "refused")}
    return Proposal(text, Usage(**entry["usage"]), **flags, parents=tuple(entry["parents"]), note=entry["note"])


def row_of(judged: Judged, **base: Any) -> Row:
    """A row for what was judged; `base` says which attempt it is of, and what is not to be as judged."""
    told = quoting.sentence(judged.told)
    answer = "" if judged.fate != "undecided" else "Your loss could not be judged, by no fault of its own."
    return Row(
        **{"attempt": 0, "template": "", "answer": answer, **base},
        fate=judged.fate,
        rung=judged.rung,
        id=judged.id,
        told=told,
        rules=tuple(finding.rule for finding in judged.findings),
        score=judged.score,
        low=judged.low,
        high=judged.high,
        gain=judged.gain,
        place=judged.place,
        metrics=judged.metrics,
        facts=judged.facts,
        learning=judged.learning,
        seconds=judged.seconds,
        run=judged.run,
        answered=judged.answered,
    )


def like(row: Row, loss: Known) -> Row:
    """A row for a function of the run in other words: it has that loss's scores."""
    return replace(
        row,
        score=loss.score,
        low=loss.low,
        high=loss.high,
        gain=loss.gain,
        place=loss.place,
        metrics=loss.metrics,
        same_as=loss.id,
        told=f"the same function as {loss.name}",
        answer=feedback.known(loss),
    )
