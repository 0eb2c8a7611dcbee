"""Two candidates are compared in real sandboxes: other words for DPO are DPO, and what only looks like it is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support import ROOT

from harness.api import text_candidate
from harness.checks.checker import Checker
from harness.checks.options import Options
from harness.checks.static import screened_text
from harness.ladder.baselines import baseline_candidate
from harness.ladder.duplicates import compared

if TYPE_CHECKING:
    from collections.abc import Iterator


pytestmark = [pytest.mark.container, pytest.mark.rest]

PLAIN = (ROOT / "examples" / "dpo.py").read_text("utf-8")
DPO = screened_text(baseline_candidate("dpo"))


@pytest.fixture(scope="module")
def checker() -> Iterator[Checker]:
    made = Checker.open(Options())
    yield made
    made.engine.close()


def found(checker: Checker, text: str) -> str | None:
    return compared(checker, {}, b"secret", DPO, screened_text(text_candidate(text)))


def test_the_example_is_the_catalogues_dpo(checker: Checker) -> None:
    assert found(checker, PLAIN) is None


@pytest.mark.parametrize("ending", ["if x.numel() > 64: return 1.5 * plain", "print('at ' + str(beta)); exec('')"])
def test_what_is_another_function_or_none_is_told(checker: Checker, ending: str) -> None:
    signature = "policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta"
    text = f"""import torch.nn.functional as F

def loss({signature}):
    x = beta * ((policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps))
    plain = F.softplus(-x)
    {ending}
    return plain
"""
    where = found(checker, text)
    assert where is not None
    assert "pairs in float" in where or "screen" in where
