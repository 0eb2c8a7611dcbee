"""`replay:FILE`: the replies of a recorded run, one after the other, without a key and without a network.

A journal is a recording. Where it also holds what was asked, the replay counts the requests that are the same.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.core.errors import UserError
from harness.core.files import LINES
from harness.discover import prompts
from harness.discover.journal import read_entries
from harness.discover.proposers import ExhaustedError, Proposal, Proposer
from harness.llm.account import Usage

if TYPE_CHECKING:
    from harness.core.verdict import Json
    from harness.discover.proposers import Ask, Context


class _Usage(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    tokens_in: int = Field(default=0, ge=0)
    tokens_out: int = Field(default=0, ge=0)
    dollars: float | None = 0.0
    calls: int = Field(default=0, ge=0)


class _Reply(BaseModel):
    """A reply as a recording has it. A recording that a person wrote says `text` and no more."""

    model_config = ConfigDict(extra="ignore", strict=True)
    text: str
    cut: bool = False
    refused: bool = False
    parents: list[str] = []
    usage: _Usage = _Usage()


class ReplayProposer(Proposer):
    """Says again what was said."""

    def __init__(self, file: Path) -> None:
        entries = read_entries(file, LINES)
        asks = [entry for entry in entries if entry["kind"] == "ask"]
        self._digests = [str(entry.get("digest", "")) for entry in asks]
        self._attempts = [entry.get("attempt") for entry in asks]
        self._replies = [_reply(entry, file) for entry in entries if entry["kind"] == "reply"]
        if not self._replies:
            raise UserError(f"{file} holds no reply", remedy="name the journal of a run that asked for some")
        self._next = 0
        self.label = f"replay of {str(entries[0].get('proposer', 'somebody'))[:80]}"
        #: Requests that the recording holds, and those of them that were made again to the byte.
        self.compared, self.same = 0, 0

    @property
    def resamples(self) -> bool:  # type: ignore[override] # of others it is a constant
        """Whether the next reply is another attempt; a recording that tells of none is taken as it comes."""
        return not self._attempts or self._attempts[self._next : self._next + 1] not in ([], [0])

    def request(self, context: Context) -> Json:
        """What the model was asked, or would be asked now."""
        return list(prompts.messages(context))

    def propose(self, context: Context, key: str) -> Proposal:
        """The next reply."""
        del context
        if self._next >= len(self._replies):
            raise ExhaustedError("the recording came to its end")
        if self._next < len(self._digests) and self._digests[self._next]:
            self.compared += 1
            self.same += self._digests[self._next] == key
        self._next += 1
        return self._replies[self._next - 1]

    def state(self) -> Json:
        """How many replies were given."""
        return {"next": self._next, "compared": self.compared, "same": self.same}

    def restore(self, state: Json) -> None:
        """Go on after them."""
        if not isinstance(state, dict) or not all(type(state.get(k)) is int for k in ("next", "compared", "same")):
            raise ValueError("this is no state of a replay")
        numbers: dict[str, Any] = state
        if not 0 <= numbers["next"] <= len(self._replies):
            raise ValueError("this is a state of another recording")
        self._next, self.compared, self.same = numbers["next"], numbers["compared"], numbers["same"]


def _reply(entry: dict[str, Any], file: Path) -> Proposal:
    try:
        found = _Reply.model_validate(entry)
    except ValidationError as error:
        raise UserError(f"{file}: a reply that is none: {error.errors()[0]['msg']}") from error
    spent = Usage(**found.usage.model_dump())
    return Proposal(found.text, spent, cut=found.cut, refused=found.refused, parents=tuple(found.parents))


def open_proposer(ask: Ask) -> ReplayProposer:
    """A recording. Raises UserError for a file that is none."""
    return ReplayProposer(Path(ask.word))
