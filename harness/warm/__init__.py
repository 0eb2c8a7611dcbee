"""Sandboxes that were started ahead of any check, by a small process of the user's own: `harness warm`.

A check takes one where there is one and verifies it as it verifies its own; it never needs one.
"""
