"""One record that was looked at: what is wrong with it, and what is known of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.attestation.statement import (
    ArchiveStatement,
    DiscoveryArchiveStatement,
    DiscoveryStatement,
    JudgementStatement,
    LeaderboardStatement,
    LedgerHeadStatement,
    NextKeyStatement,
    NoVerdictStatement,
    VerdictStatement,
)
from harness.core.digests import json_digest

if TYPE_CHECKING:
    from harness.attestation.keys import TrustedKey
    from harness.attestation.statement import Statement


_OF_NO_KIND = (
    NextKeyStatement,
    LedgerHeadStatement,
    ArchiveStatement,
    DiscoveryStatement,
    DiscoveryArchiveStatement,
    JudgementStatement,
)


@dataclass
class Verified:
    """One record: where it stands, what is wrong with it, and what is known of it.

    `compared` are the given files that it is about.
    """

    source: str
    problems: list[str] = field(default_factory=list)
    statement: Statement | None = None
    key: TrustedKey | None = None
    compared: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether nothing is wrong with it."""
        return not self.problems

    @property
    def candidate(self) -> str:
        """SHA-256 (hex) of what it is about; empty where nothing is known of it."""
        return self.statement.subject[0].digest.sha256 if self.statement is not None else ""

    @property
    def kind(self) -> str:
        """Equal for records of which the newest counts; empty for what says nothing of a candidate."""
        known = self.statement
        if known is None or self.key is None or isinstance(known, _OF_NO_KIND):
            return ""
        by: list[object]
        if isinstance(known, LeaderboardStatement):
            return json_digest([self.key.keyid, known.predicateType, known.predicate.ladder])
        if isinstance(known, VerdictStatement | NoVerdictStatement):
            said, told = known.predicate, known.predicate.annotations("circumstances")
            seed = said.annotations("questions").get("seed")
            by = ["verdict", said.digest("profile"), seed, told.get("entry"), told.get("ladder"), told.get("rung")]
        else:
            by = [known.predicateType, known.predicate.rung.ladder, known.predicate.rung.name]
        # One of ours after another is one installation's word still, and its clock.
        return json_digest(["own" if self.key.own else self.key.keyid, self.candidate, *by])
