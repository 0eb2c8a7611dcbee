"""Losses as typed expression trees: the grammar, variation, tuned constants, and the text that is handed in."""
