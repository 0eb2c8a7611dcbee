"""One property per file: an ordinary pytest and Hypothesis suite over the `oracle` fixture.

The tuple below is the whole registry; nothing is discovered, so nothing untrusted can register itself.
To add a property: a file with a `RULE` and its tests, an entry here, known-bad losses in
`tests/quality/losses/`, and the id in a new profile.
"""

from harness.property_tests.configure import configure

configure()

from harness.property_tests import (  # noqa: E402 - Hypothesis has to be settled first
    test_bands,
    test_beta,
    test_depends,
    test_determinism,
    test_device,
    test_direction,
    test_extremes,
    test_finite_gradient,
    test_finite_value,
    test_gradient,
    test_gradient_direction,
    test_permutation,
    test_purity,
    test_reference_sign,
    test_shape,
    test_smallest_batch,
    test_start,
    test_state,
    test_time,
    test_useful_gradient,
    test_zero,
)

#: A profile says which of them run, and in which order.
PROPERTY_MODULES = (
    test_shape,
    test_smallest_batch,
    test_finite_value,
    test_finite_gradient,
    test_zero,
    test_beta,
    test_gradient,
    test_depends,
    test_start,
    test_direction,
    test_gradient_direction,
    test_useful_gradient,
    test_determinism,
    test_state,
    test_purity,
    test_permutation,
    test_extremes,
    test_bands,
    test_time,
    test_device,
    test_reference_sign,
)
PROPERTY_RULES = tuple(sorted((m.RULE for m in PROPERTY_MODULES), key=lambda rule: rule.id))
