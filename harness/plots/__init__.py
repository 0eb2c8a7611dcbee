"""Pictures, drawn from what was measured."""
