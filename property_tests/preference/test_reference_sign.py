"""P322: the reference enters against the policy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.core.rules import Rule
from harness.core.verdict import Severity
from harness.property_tests.editions import since
from harness.subject.reference import SIDES, entering

if TYPE_CHECKING:
    from harness.subject.preference import PreferenceSubject

RULE = Rule(
    id="P322",
    name="reference-sign",
    severity=Severity.WARNING,
    summary="Where the reference is used, it enters with the opposite sign to the policy, as in a ratio of the two.",
    why=(
        "With the sign turned round the margin is that of the product of policy and reference. Where references are "
        "equal such a loss is DPO to the last bit, and its direction is right; elsewhere it hardly trains on pairs "
        "that the reference ranked rightly, and pushes the others until the policy has outweighed the reference."
    ),
    fix="Subtract the reference's log-probability from the policy's, completion by completion.",
    before="rho = (pc - pr) + (rc - rr)",
    after="rho = (pc - pr) - (rc - rr)",
)


@since("2026.2")
def test_reference_enters_against_the_policy(candidate: PreferenceSubject) -> None:
    """Both are moved by the same step, pair by pair: the value may not follow both the same way. A warning."""
    found = entering(candidate)
    turned = [side for side in SIDES if found is not None and found[side].turned]
    if found is None or not turned:
        return
    share = max(found[side].same for side in turned)
    where = " and ".join(turned)
    message = (
        f"the reference enters with the policy's sign: its log-probability of the {where} completion moves the value "
        f"the same way as the policy's does, in {share:.0%} of the pairs by weight"
    )
    example = found[turned[0]].example
    shown = {} if example is None else example.as_counterexample()
    candidate.note(RULE, message, Severity.WARNING, **shown)
