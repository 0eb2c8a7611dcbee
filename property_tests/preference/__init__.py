"""The properties of a loss for preference pairs. The fixture `candidate` is a `PreferenceSubject` here.

The tuple is the whole registry.
"""

from harness.property_tests.preference import (
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
