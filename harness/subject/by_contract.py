"""What is asked of a loaded candidate, and told of it, by its contract."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.core.contract import CLASSIFICATION, LISTS, PREFERENCE
from harness.subject import facts as preference
from harness.subject.classification import facts as classification
from harness.subject.classification.classifier import Classifier
from harness.subject.lists import facts as lists
from harness.subject.lists.list_subject import ListSubject
from harness.subject.preference import PreferenceSubject

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.core.profiles import Profile
    from harness.core.verdict import Json
    from harness.oracle.oracle import Oracle
    from harness.subject.subject import Subject

#: What the properties of a contract know a candidate by, and what is to be told of one.
_KINDS: dict[str, tuple[type[Subject], Callable[[Any], dict[str, Json]]]] = {
    PREFERENCE.name: (PreferenceSubject, preference.facts),
    CLASSIFICATION.name: (Classifier, classification.facts),
    LISTS.name: (ListSubject, lists.facts),
}


def subject_on(oracle: Oracle, profile: Profile) -> Subject:
    """What the properties of a profile's contract know a candidate by."""
    kind, _ = _KINDS[profile.contract]
    return kind(oracle, profile.domain)


def facts_of(subject: Subject) -> dict[str, Json]:
    """What is to be told of a loaded candidate. Raises what the oracle raises."""
    told: Callable[[Any], dict[str, Json]] = next(facts for kind, facts in _KINDS.values() if type(subject) is kind)
    return told(subject)
