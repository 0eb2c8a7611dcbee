"""Whether records hold: signature, trust, form, what they are about, and that none is an old one shown again.

All that is wrong with a record is told, not only the first of it. What was not looked at is told as well: a record
whose candidate was not given says nothing about any file.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.attestation import times
from harness.attestation.chain import look_at_chain
from harness.attestation.envelope import AlteredError, opened
from harness.attestation.statement import (
    Configured,
    GateDecisionStatement,
    NoStatementError,
    NoVerdictStatement,
    PromotionStatement,
    RungResultPredicate,
    Statement,
    VerdictStatement,
    made_at,
    nonce_of,
    read,
)
from harness.attestation.verified import Verified
from harness.core import text as sanitize
from harness.core.profiles import load, names

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from harness.attestation.envelope import Sealed
    from harness.attestation.keys import TrustedKey


@dataclass(frozen=True)
class Asked:
    """What a record has to answer besides being whole: made for this word, in time, and saying yes.

    `accepted` refuses rejections, and what decided nothing; a screen's word is part of an acceptance, and none.
    """

    at: datetime
    nonce: str | None = None
    since: datetime | None = None
    accepted: bool = False


def verify(
    records: Sequence[tuple[str, bytes]],
    keys: Sequence[TrustedKey],
    asked: Asked,
    given: Mapping[str, Sequence[str]],
    newest: Mapping[str, datetime],
) -> list[Verified]:
    """Look at each record: (where it stands, its line with the line's end).

    `given` are the digests of other files, by which a record may be about them, and the names of each; `newest` is when
    the newest of each kind was made that was verified before.
    """
    out = [_one(source, line, keys, asked, given) for source, line in records]
    sealed = Counter(line for _, line in records)
    latest = dict(newest)
    for each in out:
        if each.holds and each.kind and each.statement is not None:
            latest[each.kind] = max(latest.get(each.kind, made_at(each.statement)), made_at(each.statement))
    for each, (_, line) in zip(out, records, strict=True):
        if not (each.holds and each.statement is not None):
            continue
        if each.kind and made_at(each.statement) < latest[each.kind]:
            when = times.spelt(latest[each.kind])
            each.problems.append(f"it is an old one: there is another of {when} about the same")
        if sealed[line] > 1:
            each.problems.append("it is there twice")
    # Last: what rests on an old record does not hold either.
    look_at_chain(out, [hashlib.sha256(line).hexdigest() for _, line in records])
    return out


def speaks_of(known: Statement) -> list[str]:
    """The digests of the files that a record speaks of."""
    out = [subject.digest.sha256 for subject in known.subject]
    said = known.predicate
    if isinstance(said, Configured):
        out += [part.digest.sha256 for part in said.configuration if part.digest is not None]
    if isinstance(said, RungResultPredicate):
        out += said.documents.values()
    return out


def accepts(known: Statement) -> bool:
    """Whether a record says that its candidate passed something: a screen judges nothing, and so nothing passes it."""
    if isinstance(known, PromotionStatement):
        return known.predicate.rung.kind != "screen"
    return isinstance(known, VerdictStatement) and known.predicate.result != "FAILED"


def vouches_for(known: Statement, *, accepted: bool) -> set[str]:
    """The digests of files that are rightly shown with a record; of a candidate `accepted` wants it to have passed.

    A leaderboard, a discovery or an archive names candidates too, and what a rung came to is no promotion.
    """
    told = set(speaks_of(known))
    if not accepted or accepts(known):
        return told
    subjects = {subject.digest.sha256 for subject in known.subject}
    weights = {subject.digest.sha256 for subject in known.subject[1:]}
    return told - subjects | (weights if isinstance(known.predicate, RungResultPredicate) else set())


def _one(
    source: str, line: bytes, keys: Sequence[TrustedKey], asked: Asked, given: Mapping[str, Sequence[str]]
) -> Verified:
    out = Verified(source)
    try:
        sealed = opened(line)
        out.statement = known = read(sealed.statement)
        out.key = _held(sealed, keys)
    except (AlteredError, NoStatementError) as error:
        out.problems.append(str(error))
        return out
    made = made_at(known)
    if why := out.key.against(made, asked.at):
        out.problems.append(why)
    if made > asked.at:
        out.problems.append(f"it says that it was made later than {times.spelt(asked.at)}, on {times.spelt(made)}")
    if asked.since is not None and made < asked.since:
        out.problems.append(f"it was made on {times.spelt(made)}, before {times.spelt(asked.since)}")
    if asked.nonce is not None and nonce_of(known) != asked.nonce:
        out.problems.append("it was not made for this word (--nonce)")
    if isinstance(known, VerdictStatement):
        out.problems += _contradictions(known)
    if asked.accepted and (why := _no_acceptance(known)):
        out.problems.append(why)
    out.compared = [name for digest in speaks_of(known) for name in given.get(digest, ())]
    return out


def _held(sealed: Sealed, keys: Sequence[TrustedKey]) -> TrustedKey:
    """The key that signed it. Raises AlteredError."""
    key = next((key for key in keys if key.keyid == sealed.keyid), None)
    if key is None:
        raise AlteredError(f"nobody trusts the key that it names ({sealed.keyid[:12]})")
    sealed.hold(key.key)
    return key


def _no_acceptance(known: Statement) -> str:
    """Why a record is none of an acceptance; empty where it is one, or part of one."""
    if isinstance(known, NoVerdictStatement):
        screened = known.predicate.verdict == "screened" and "rung" in known.predicate.annotations("circumstances")
        return "" if screened else f"it accepts nothing: {known.predicate.verdict}"
    rejects = isinstance(known, VerdictStatement) and known.predicate.result == "FAILED"
    rejects = rejects or (isinstance(known, GateDecisionStatement) and known.predicate.decision == "reject")
    return "it is a rejection" if rejects else ""


def _contradictions(known: VerdictStatement) -> list[str]:
    """Where a verdict is not what its own rules come to."""
    said = known.predicate
    out = []
    by_rules = "FAILED" if said.failedTests else "WARNED" if said.warnedTests else "PASSED"
    if said.result != by_rules:
        out.append(f"it says {said.result}, and by its rules it is {by_rules}")
    named = Counter([*said.passedTests, *said.warnedTests, *said.failedTests])
    if twice := sorted(rule for rule, count in named.items() if count > 1):
        out.append(f"it names {', '.join(twice)} twice")
    if errors := sorted(_errors(known) - set(said.failedTests)):
        out.append(f"it tells of errors by {', '.join(errors)}, which it does not name as failed")
    name = str(said.annotations("profile").get("name", ""))
    if name in names() and said.digest("profile") != load(name).digest:
        out.append(f"its profile {name} is not the one of that name")
    if by_rules != "FAILED" and (missing := _missing(known, set(named))):
        out.append(f"it has no outcome of {', '.join(missing)}, and passes nevertheless")
    return out


def _errors(known: VerdictStatement) -> set[str]:
    """The rules of the findings that reject."""
    findings = known.predicate.annotations("findings").get("findings")
    told = [each for each in findings if isinstance(each, dict)] if isinstance(findings, list) else []
    return {sanitize.path(str(each.get("rule"))) for each in told if each.get("severity") == "error"}


def _missing(known: VerdictStatement, named: set[str]) -> list[str]:
    """The rules of the profile without an outcome, where the profile is one that this installation knows."""
    said = known.predicate
    name = str(said.annotations("profile").get("name", ""))
    if name not in names():
        return []
    profile = load(name)
    if said.digest("profile") != profile.digest:
        return []
    not_run = said.annotations("findings").get("not_run")
    excused = set(not_run) & set(dict(profile.not_run)) if isinstance(not_run, dict) else set()
    return sorted(set(profile.properties) - named - excused)
