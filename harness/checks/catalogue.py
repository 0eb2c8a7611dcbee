"""The rule catalogue: explicit tuples, so that nothing untrusted can register itself."""

from harness.core.rules import Rule


def all_rules() -> tuple[Rule, ...]:
    """Give every rule in order of id. Imports the property suite, so it is not free."""
    from harness.property_tests import property_rules  # noqa: PLC0415
    from harness.protocol.rules import WIRE_RULES  # noqa: PLC0415
    from harness.screen.rules import SCREEN_RULES  # noqa: PLC0415 - the static tier must not load properties

    return (*SCREEN_RULES, *WIRE_RULES, *property_rules())


def find_rule(key: str) -> Rule | None:
    """Find a rule by id (any case) or by name."""
    return next((rule for rule in all_rules() if key.upper() == rule.id or key.lower() == rule.name), None)
