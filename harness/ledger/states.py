"""The states of a run and the ways between them: the one place that says what may follow what.

A run is one candidate on its way up the ladder of one profile.
"""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """Where a run stands."""

    #: Waits for a worker; perhaps not before a certain time, after a fault of ours.
    QUEUED = "queued"
    #: A worker holds the lease.
    RUNNING = "running"
    #: A gate asks for a person before the next rung.
    HELD = "held"
    #: Climbed every rung of its profile.
    COMPLETED = "completed"
    #: The candidate's fault, or a gate said no.
    REJECTED = "rejected"
    #: Answered from the ledger: the same function, in these or in other words, has a run already.
    DUPLICATE = "duplicate"
    #: A fault of ours that was still there after the last attempt. Nothing is known of the candidate.
    FAILED = "failed"
    #: A person took it out.
    CANCELLED = "cancelled"


#: What may follow each state.
TRANSITIONS: dict[State, frozenset[State]] = {
    State.QUEUED: frozenset({State.RUNNING, State.CANCELLED, State.FAILED}),
    State.RUNNING: frozenset(
        {
            State.QUEUED,
            State.HELD,
            State.COMPLETED,
            State.REJECTED,
            State.DUPLICATE,
            State.FAILED,
            State.CANCELLED,
        }
    ),
    State.HELD: frozenset({State.QUEUED, State.REJECTED, State.CANCELLED}),
    State.FAILED: frozenset({State.QUEUED}),
    State.CANCELLED: frozenset({State.QUEUED}),
    #: A person wants it run again.
    State.COMPLETED: frozenset({State.QUEUED}),
    State.REJECTED: frozenset({State.QUEUED}),
    #: As these, and where a person took the run out that was to answer for it.
    State.DUPLICATE: frozenset({State.QUEUED}),
}
#: Nothing more happens by itself.
FINAL = frozenset({State.COMPLETED, State.REJECTED, State.DUPLICATE, State.FAILED, State.CANCELLED})


def may_follow(before: State, after: State) -> bool:
    """Whether a run may go from one state to the other."""
    return after in TRANSITIONS[before]


def sources(after: State) -> tuple[State, ...]:
    """The states from which a run may come to this one."""
    return tuple(state for state, following in TRANSITIONS.items() if after in following)
