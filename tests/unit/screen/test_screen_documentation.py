"""What docs/dialects.md shows is accepted, and what it lists is the list."""

import re
from pathlib import Path

from screening import faults

from harness.core.contract import CLASSIFICATION, LISTS, PREFERENCE
from harness.sandbox.allowlist import MODULES
from harness.screen import worker
from harness.screen.rules import SCREEN_RULES

TEXT = (Path(__file__).parents[3] / "docs" / "dialects.md").read_text(encoding="utf-8")


def test_the_examples_pass():
    examples = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    assert len(examples) == 5
    assert [faults(example) for example in examples[:3]] == [[], [], []]
    for example, contract in zip(examples[3:], (CLASSIFICATION, LISTS), strict=True):
        assert "faults" not in worker.read(example, None, guarded=True, contract=contract)


def test_every_argument_alias_and_module_is_named():
    for name in (
        *PREFERENCE.arguments,
        *PREFERENCE.aliases,
        *CLASSIFICATION.arguments,
        *CLASSIFICATION.aliases,
        *LISTS.arguments,
        *LISTS.aliases,
        *MODULES,
    ):
        assert f"`{name}`" in TEXT


def test_every_rule_is_complete_and_its_id_is_its_own():
    assert [rule.id for rule in SCREEN_RULES] == [f"S{number}" for number in range(101, 119)]
    assert len({rule.name for rule in SCREEN_RULES}) == len(SCREEN_RULES)
    for rule in SCREEN_RULES:
        assert rule.summary.endswith(".")
        assert rule.fix.endswith((".", "}."))
