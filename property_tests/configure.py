"""Hypothesis, settled so that two runs draw the same examples on any machine."""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, settings
from hypothesis.internal.conjecture import providers

PROFILE = "harness"
#: Examples per property; a request carries several batches, so the batches are many more.
EXAMPLES = 30


def configure() -> None:
    """Register and load the settings. Must come before any property is defined, as they take them over."""
    settings.register_profile(
        PROFILE,
        derandomize=True,
        database=None,
        deadline=None,
        max_examples=EXAMPLES,
        print_blob=False,
        report_multiple_bugs=False,
        phases=(Phase.explicit, Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    settings.load_profile(PROFILE)
    # Hypothesis also draws constants that it reads from the source of whatever local modules happen to be
    # loaded. Then examples would depend on the command, the install location and the day.
    providers._get_local_constants = lambda: providers._local_constants  # noqa: SLF001 - there is no switch for it
