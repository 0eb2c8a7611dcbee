"""Ladders, one file each; see `harness.ladder.ladder`."""
