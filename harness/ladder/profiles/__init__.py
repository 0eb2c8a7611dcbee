"""Ladders, one file each; see `harness.ladder.profile`."""
