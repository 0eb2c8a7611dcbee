"""From a reply to one candidate, or to a class of failure with a sentence for the proposer. Nothing here raises.

What a reply's text is made of is found out by the screen, in its process with limits; this sorts its answers.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from harness.api import text_candidate
from harness.core.candidate import SIZE_LIMIT
from harness.core.errors import CandidateFault
from harness.core.program import NAMES
from harness.core.verdict import Severity
from harness.screen import screen
from harness.screen.thoughts import without_end

if TYPE_CHECKING:
    from harness.core.program import Program
    from harness.core.verdict import Finding
    from harness.discover.proposers import Proposal

_FORM = 'Answer with one JSON object and nothing else: {"name": "...", "thought": "...", "parents": [], "code": "..."}.'
#: Each class of unreadable reply, and what its proposer is told.
SENTENCES = {
    "empty": f"Your reply was empty. {_FORM}",
    "too-large": f"Your reply was larger than {SIZE_LIMIT // 1024} KiB and was not read. Answer with one short loss.",
    "cut": "Your reply was cut off before its end. Think and comment less, so that the whole JSON object fits.",
    "not-json": f"Your reply is not valid JSON. Escape quotes and line breaks inside the code. {_FORM}",
    "wrong-keys": f"Your JSON object has no text under the key code. {_FORM}",
    "two-candidates": f"Your reply holds more than one candidate. Choose the one that you think best. {_FORM}",
    "refusal": f"You declined. A loss function for preference data is all that is asked for. {_FORM}",
    "no-code": f"Your reply holds no code. {_FORM}",
    "prompted": f"Your code stands behind the prompts of an interpreter (>>>). Write it without them. {_FORM}",
    "hidden-text": "Your reply holds invisible or reordering characters, and was not read. Write plain ASCII.",
}
#: Classes of replies that were read. "hostile": code that asks for what no loss needs; the screen's rules say what.
READ = ("json", "code-in-prose", "hostile", "invalid-code")

# Rules of the screen about what the code would do, and not about its form.
_HOSTILE = {"S112", "S113"}
_FRAGMENTS = (
    ("cut off", "cut"),
    ("malformed", "not-json"),
    ("no key code", "wrong-keys"),
    ("code is not a string", "wrong-keys"),
    ("code is empty", "wrong-keys"),
    ("candidates", "two-candidates"),
    ("key code twice", "two-candidates"),
    ("prompts of an interpreter", "prompted"),
)
_REFUSAL = re.compile(
    r"\b(?:I|we)(?:\s+am|'m|\u2019m)?\s+(?:sorry|unable|not able)\b"
    r"|\b(?:I|we)\s+(?:can(?:not|'t|\u2019t)|won(?:'t|\u2019t)|must\s+(?:decline|refuse)|decline|refuse)\b",
    re.IGNORECASE,
)
_MOST_PARENTS = 4
_FENCE = re.compile(r"^[ \t]*(`{3,8}|~{3,8})", re.MULTILINE)


@dataclass(frozen=True)
class Reading:
    """What a reply was. `kind` is a key of SENTENCES, or one of READ.

    `program` is set where there is a candidate that the screen accepts; `source` also where it only parses. `findings`
    are the screen's errors. `parents` are names that the reply says it builds on, as it wrote them.
    """

    kind: str
    program: Program | None = None
    source: str = ""
    name: str = ""
    findings: tuple[Finding, ...] = ()
    parents: tuple[str, ...] = ()

    @property
    def unreadable(self) -> bool:
        """Whether no candidate could be taken out."""
        return self.kind in SENTENCES


def read(reply: Proposal, contract: str = "preference", binding: str = NAMES) -> Reading:
    """Sort a reply. Raises InfrastructureError where the screening process cannot run."""
    found = _read(reply, contract, binding)
    closed = "" if reply.cut else _closed(reply.text, found.findings)
    return _read(replace(reply, text=closed), contract, binding) if closed else found


def _read(reply: Proposal, contract: str, binding: str) -> Reading:
    text = reply.text
    if reply.refused:
        return Reading("refusal")
    if not text.strip():
        return Reading("cut" if reply.cut else "empty")
    data = text.encode("utf-8", "replace")
    if len(data) > SIZE_LIMIT:
        return Reading("too-large")
    candidate = text_candidate(data.decode("utf-8"), "reply.json")
    parents = _parents(text)
    try:
        program = screen(candidate, contract=contract, binding=binding)
    except CandidateFault as fault:
        findings = tuple(finding for finding in fault.findings if finding.severity is Severity.ERROR)
    else:
        kind = "json" if _is_object(text) else "code-in-prose"
        return Reading(kind, program, program.source, program.name, parents=parents)
    if unusable := _unusable(text, findings, cut=reply.cut):
        return Reading(unusable, findings=findings)
    source, name = "", ""
    try:
        # The same text without the policy: what parses can be shown, and goes no further.
        lax = screen(candidate, policy=False, contract=contract, binding=binding)
        source, name = lax.source, lax.name
    except CandidateFault:
        pass
    hostile = any(finding.rule in _HOSTILE for finding in findings)
    return Reading("hostile" if hostile else "invalid-code", None, source, name, findings, parents)


def _unusable(text: str, findings: tuple[Finding, ...], *, cut: bool) -> str:
    """The class of a reply that no code was taken from; empty where there is code."""
    rules = {finding.rule for finding in findings}
    if rules & {"S102", "S111"} and not _is_object(text):
        return "hidden-text"
    refused = bool(_REFUSAL.search(text[:2000])) and "def " not in text
    for finding in findings:
        if finding.rule == "S116":
            found = next((kind for part, kind in _FRAGMENTS if part in finding.message), "no-code")
            if found == "no-code":
                return "refusal" if refused else "cut" if cut else found
            return found
    if refused:
        return "refusal"
    # Text that is neither JSON nor a fence was parsed as Python: without a function there is nothing to find.
    if rules <= {"S105", "S107"} and "def " not in text and "lambda" not in text:
        return "cut" if cut else "no-code"
    return "cut" if cut and "S105" in rules else ""


def _closed(text: str, findings: tuple[Finding, ...]) -> str:
    """A reply with its last fence closed, where nothing but that is missing before the mark of its end; else nothing.

    Such a mark shows that its writer came to the end, and was not cut off.
    """
    if not any("cut off inside its fenced block" in finding.message for finding in findings):
        return ""
    ended, fences = without_end(text), _FENCE.findall(text)
    return f"{ended.rstrip()}\n{fences[-1]}\n" if fences and ended != text else ""


def _is_object(text: str) -> bool:
    return text.lstrip()[:1] == "{" and text.rstrip()[-1:] == "}"


def _parents(text: str) -> tuple[str, ...]:
    try:
        value = json.loads(text, strict=False, parse_int=float)
    except (ValueError, RecursionError):
        return ()
    named = value.get("parents") if isinstance(value, dict) else None
    if not isinstance(named, list):
        return ()
    return tuple(str(one)[:80] for one in named[:_MOST_PARENTS] if isinstance(one, str))
