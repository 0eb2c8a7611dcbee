"""A layer that is switched off is noticed by the corpus."""

from __future__ import annotations

import pytest
from attack import run
from cases import load
from layers import LAYERS

pytestmark = [pytest.mark.container, pytest.mark.long]


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_that_is_switched_off_is_noticed(name: str) -> None:
    layer = LAYERS[name]
    cases = [c for c in load() if c.name.startswith(layer.cases) and layer.mode in c.expected]
    assert cases
    attack = run(layer.mode, cases, off=name)
    # What a mistake in switching it off amounts to is no notice of it.
    assert not [s.result.verdict for s in attack.seen.values() if "harness itself failed" in str(s.result.verdict)]
    assert [c.name for c in cases if attack.verdict_on(c)] or attack.wrong
