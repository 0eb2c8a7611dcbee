"""A layer that is switched off is noticed by the corpus."""

from __future__ import annotations

import pytest
from layers import LAYERS, put

pytestmark = [pytest.mark.container, pytest.mark.rest]


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_that_is_switched_off_is_noticed(name: str) -> None:
    attack, noticed = put(name)
    assert attack.seen
    # What a mistake in switching it off amounts to is no notice of it.
    assert not [s.result.verdict for s in attack.seen.values() if "harness itself failed" in str(s.result.verdict)]
    assert noticed
