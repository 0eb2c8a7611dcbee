"""Run the suite by hand: `pytest property_tests --candidate loss.py`. `harness check` brings its own fixture.

What opens the candidate stands above the properties, so pytest is told its name.
"""

from __future__ import annotations

pytest_plugins = ("harness.checks.by_hand",)
