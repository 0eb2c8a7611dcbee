"""The properties of a loss over lists of K answers. The fixture `candidate` is a `ListSubject` here.

The tuple is the whole registry.
"""

from harness.property_tests.lists import (
    test_answer_permutation,
    test_depends_on_policy,
    test_depends_on_scores,
    test_determinism,
    test_device,
    test_extremes,
    test_finite_gradient,
    test_finite_value,
    test_gradient,
    test_gradient_direction,
    test_list_permutation,
    test_order,
    test_purity,
    test_shape,
    test_smallest_batch,
    test_start,
    test_state,
    test_time,
)

#: A profile says which of them run, and in which order.
PROPERTY_MODULES = (
    test_shape,
    test_smallest_batch,
    test_finite_value,
    test_finite_gradient,
    test_start,
    test_depends_on_scores,
    test_gradient,
    test_depends_on_policy,
    test_order,
    test_gradient_direction,
    test_determinism,
    test_state,
    test_purity,
    test_list_permutation,
    test_answer_permutation,
    test_extremes,
    test_time,
    test_device,
)
PROPERTY_RULES = tuple(sorted((m.RULE for m in PROPERTY_MODULES), key=lambda rule: rule.id))
