"""The properties of a loss for classification. The fixture `candidate` is a `Classifier` here.

The tuple is the whole registry.
"""

from harness.property_tests.classification import (
    test_class_permutation,
    test_depends_on_logits,
    test_depends_on_targets,
    test_determinism,
    test_device,
    test_example_permutation,
    test_extremes,
    test_finite_gradient,
    test_finite_value,
    test_gradient,
    test_gradient_direction,
    test_purity,
    test_right_class,
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
    test_depends_on_targets,
    test_gradient,
    test_depends_on_logits,
    test_right_class,
    test_gradient_direction,
    test_determinism,
    test_state,
    test_purity,
    test_example_permutation,
    test_class_permutation,
    test_extremes,
    test_time,
    test_device,
)
PROPERTY_RULES = tuple(sorted((m.RULE for m in PROPERTY_MODULES), key=lambda rule: rule.id))
