"""The ledger: what was submitted, what was run, what came of it, and what was promoted on which proof."""

from harness.ledger.ledger import Ledger

__all__ = ["Ledger"]
