"""What is asked of a loaded candidate, and told of it, by its contract."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.core.contract import CLASSIFICATION
from harness.subject import facts as preference
from harness.subject.classification import facts as classification
from harness.subject.classification.classifier import Classifier
from harness.subject.subject import Subject

if TYPE_CHECKING:
    from harness.core.profiles import Profile
    from harness.core.verdict import Json
    from harness.oracle.oracle import Oracle


def subject_on(oracle: Oracle, profile: Profile) -> Subject:
    """What the properties of a profile's contract know a candidate by."""
    kind = Classifier if profile.contract == CLASSIFICATION.name else Subject
    return kind(oracle, profile.domain)


def facts_of(subject: Subject) -> dict[str, Json]:
    """What is to be told of a loaded candidate. Raises what the oracle raises."""
    return classification.facts(subject) if isinstance(subject, Classifier) else preference.facts(subject)
