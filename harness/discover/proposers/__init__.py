"""Proposers: what the loop and a proposer say to each other, and each kind by its name.

Whoever writes losses, by whatever means, is behind `Proposer`. The loop asks with a `Context`, journals the `Proposal`
with the proposer's state, judges it, and tells the `Outcome`. A killed run is resumed by going through the journal: for
each recorded reply `restore` gets the state that was saved with it, in place of a call of `propose`, and then `told`
gets the outcome again. So a proposer must do all that it does by chance from its state or from `Context.seed`, and keep
nothing elsewhere.

The names are `openai:MODEL`, `replay:FILE`, `evolve`. Each kind is one file, loaded when it is asked for. A new kind is
an entry in `KINDS`: a module of this package of the same name with a function `open_proposer(Ask) -> Proposer`.
"""

from __future__ import annotations

import importlib
import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from harness.core.errors import InfrastructureError, UserError
from harness.llm.account import Usage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.core.verdict import Json

#: Each kind, and how it is given on the command line: some need a word after a colon.
KINDS = {"openai": "openai:MODEL", "replay": "replay:FILE", "evolve": "evolve"}


class ProposerError(InfrastructureError):
    """The proposer gave no reply, and trying again did not help. The run stops, and can be resumed."""


class ExhaustedError(ProposerError):
    """The proposer has no more to say: a recording came to its end. The run ends here, and is complete."""


@dataclass(frozen=True)
class Known:
    """A loss that was measured. `code` has no comments and no printed texts of strangers; it is harmless to show.

    `id` is the candidate's SHA-256. `score` is the mean of the gate's metric over the seeds, `low` and `high` its 95 %
    interval; `gain` is the mean difference from the baseline on the same seeds (None where a guard rail ended it), and
    what losses are ranked by; `place` counts the rungs that were passed. `metrics` are the means of all metrics at the
    highest rung. `learning` holds (step, score) where the rung gives a learning curve. `facts` are those of
    `harness check`, without the long lists.
    """

    id: str
    name: str
    code: str
    score: float
    low: float
    high: float
    metrics: Mapping[str, float] = field(default_factory=dict)
    facts: Mapping[str, Json] = field(default_factory=dict)
    gain: float | None = None
    place: int = 0
    learning: tuple[tuple[int, float], ...] = ()
    generation: int = -1
    parents: tuple[str, ...] = ()

    @property
    def rank(self) -> tuple[int, float]:
        """What losses are compared by: rungs passed, then the gain; the larger is the better."""
        return self.place, -math.inf if self.gain is None else self.gain


@dataclass(frozen=True)
class Failure:
    """A proposal that died, and of what: `told` is the sentence that its proposer got."""

    name: str
    code: str
    where: str
    told: str


@dataclass(frozen=True)
class Turn:
    """One earlier attempt of this generation: what was replied, and what was said back."""

    reply: str
    answer: str


@dataclass(frozen=True)
class Context:
    """All that a proposer may go by.

    `seed` is this ask's own: the same whenever the ask is made again, and another for every other. `generation` counts
    from 0, `attempt` the resamples within it. `best` is the archive, the best first. `template` names the instruction
    to ask with; proposers that are no language models need not look at it. `picture` is a PNG of the learning
    curves, where the proposer takes pictures.
    """

    contract: str
    metric: str
    baseline: str
    generation: int
    attempt: int
    seed: int
    burn_in: tuple[Known, ...] = ()
    best: tuple[Known, ...] = ()
    failures: tuple[Failure, ...] = ()
    turns: tuple[Turn, ...] = ()
    template: str = "plain"
    picture: bytes | None = None


@dataclass(frozen=True)
class Proposal:
    """What a proposer said, as it came: `text` is untrusted, and may be anything.

    `cut` is true where the proposer knows that the text ends too early, `refused` where its server says that the model
    refused. `parents` are ids of losses that it was made from, where the proposer knows. `note` is the proposer's own,
    and comes back to it in `Outcome.note`; it is journaled, so it has to be JSON.
    """

    text: str
    usage: Usage = field(default_factory=Usage)
    cut: bool = False
    refused: bool = False
    parents: tuple[str, ...] = ()
    note: Json = None


@dataclass(frozen=True)
class Outcome:
    """What became of a reply.

    `fate` is one of
    - "unreadable": no candidate could be taken out of it; `told` says why,
    - "rejected": `harness check` found something; `rules` are the ids of its findings,
    - "known": the same function was judged before; the scores are those of `same_as`,
    - "stopped": a gate of the ladder said no,
    - "measured": it came to the end of the ladder, or waits for a person,
    - "undecided": a fault of ours; nothing is known of it.

    `score` is None where nothing was measured. `rung` is where it ended. `gain` and `place` are as in `Known`.
    """

    generation: int
    attempt: int
    fate: str
    told: str
    id: str = ""
    rung: str = ""
    score: float | None = None
    low: float | None = None
    high: float | None = None
    gain: float | None = None
    place: int = 0
    metrics: Mapping[str, float] = field(default_factory=dict)
    facts: Mapping[str, Json] = field(default_factory=dict)
    rules: tuple[str, ...] = ()
    same_as: str = ""
    note: Json = None

    @property
    def alive(self) -> bool:
        """Whether it is a loss that the ladder did not refuse."""
        return self.fate in {"measured", "known"} and self.score is not None


class Proposer(Protocol):
    """Whoever writes losses.

    `label` says who (`openai:gpt-5`, `evolve`): it goes into the journal's head, and a run is resumed with the same
    one. `takes_pictures` asks the loop to draw. `resamples` says whether a failed proposal is worth sending back with
    its findings (true for what reads them).
    """

    label: str
    takes_pictures: bool = False
    resamples: bool = True

    def request(self, context: Context) -> Json:
        """What will be asked, as JSON: its digest is journaled before the call. A function of state and context."""

    def propose(self, context: Context, key: str) -> Proposal:
        """Ask; `key` is the request's digest, by which a server may know a call that is made again.

        Raises ProposerError where there is no reply to be had. Whatever a model says is one.
        """

    def told(self, outcome: Outcome) -> None:
        """Learn what became of the last reply; nothing, where the next context says enough."""
        del outcome

    def state(self) -> Json:
        """All that the next call depends on besides the context."""

    def restore(self, state: Json) -> None:
        """Be as it was when this state was saved. Raises ValueError for what is no state of this proposer."""

    def close(self) -> None:
        """Let go of connections, where there are any."""
        return


@dataclass(frozen=True)
class Ask:
    """How a proposer is wanted. `word` is what follows the colon: a model, a file.

    `timeout` is in seconds, a whole reply; `price_in` and `price_out` are US dollars per million tokens, None where
    they are unknown.
    """

    word: str = ""
    seed: int = 0
    contract: str = "preference"
    base_url: str | None = None
    timeout: float = 120.0
    retries: int = 4
    most_tokens: int = 8192
    temperature: float | None = None
    price_in: float | None = None
    price_out: float | None = None
    pictures: bool = False


def open_proposer(spec: str, ask: Ask) -> Proposer:
    """The proposer of a name such as `openai:gpt-5`. Raises UserError for what names none."""
    kind, colon, word = spec.partition(":")
    known = f"one of: {', '.join(KINDS.values())}"
    if kind not in KINDS:
        raise UserError(f"there is no proposer {kind[:40]!r}", remedy=known)
    needs_word = ":" in KINDS[kind]
    if needs_word and not word:
        raise UserError(f"the proposer {kind} needs a word after a colon", remedy=known)
    if not needs_word and colon:
        raise UserError(f"the proposer {kind} takes nothing after a colon", remedy=f"--proposer {kind}")
    try:
        loaded = importlib.import_module(f"{__name__}.{kind}")
    except ModuleNotFoundError as error:
        if error.name is not None and not error.name.startswith("harness"):
            extra = "install the extra: pip install 'preference-loss-harness[discover]'"
            raise UserError(f"the proposer {kind} needs {error.name}, which is not installed", remedy=extra) from error
        raise UserError(f"this version has no proposer {kind}", remedy=known) from error
    made: Proposer = loaded.open_proposer(replace(ask, word=word))
    return made
