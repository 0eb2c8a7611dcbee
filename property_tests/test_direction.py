"""P308: exchanging chosen and rejected makes the loss larger."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from harness.judge.batches import separated
from harness.rules import Rule
from harness.verdict import Severity
from property_tests.strategies import betas, sizes

if TYPE_CHECKING:
    from harness.judge.subject import Subject

RULE = Rule(
    id="P308",
    name="direction",
    severity=Severity.ERROR,
    summary="For clearly separated pairs the loss is larger with chosen and rejected exchanged.",
    why=(
        "Everything else about a loss can look right while it prefers the rejected answers. Only clear margins "
        "are judged (beta rho of 2 and more): DiscoPOP, a good loss, slopes the wrong way around zero."
    ),
    fix="Check the sign of the margin: the loss falls as chosen gains and rejected loses probability.",
    before="return -F.logsigmoid(-beta * rho)",
    after="return -F.logsigmoid(beta * rho)",
)


@given(x=st.integers(4, 40).map(lambda k: k / 2), beta=betas, size=sizes)
def test_swapped_pairs_cost_more(oracle: Subject, x: float, beta: float, size: int) -> None:
    """The mean over well-ordered pairs is below the mean over the same pairs exchanged."""
    batch = separated(x, beta, oracle.size(size))
    good, bad = oracle.answers([batch, batch.swapped()])
    if good.finite_values and bad.finite_values and not good.mean < bad.mean:
        how = "as large as" if good.mean == bad.mean else "larger than"
        message = f"the loss of clearly right pairs ({good.mean:.6g}) is {how} that of the exchanged ones"
        message += f" ({bad.mean:.6g}) at beta rho = {x:g}"
        raise oracle.broken(RULE, message, batch, right=good.mean, exchanged=bad.mean)
