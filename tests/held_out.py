"""A ladder with a held-out rung: the bandit of the package, and one of another size that no search is told of."""

from __future__ import annotations

import importlib.resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

BANDIT = importlib.resources.files("harness.ladder.profiles").joinpath("bandit-2026.2.toml").read_text("utf-8")
RUNG = """
[[rungs]]
name = "larger"
kind = "bandit"
needs = "cpu"
baseline = "dpo"
held_out = true

[rungs.settings]
contexts = 32

[rungs.gate]
metric = "score"
margin = 0.55
alpha = 0.05
looks = [2, 4]
"""


def text(more: str = RUNG, name: str = "mine") -> str:
    """The file of the bandit's ladder under another name, with `more` at its end."""
    return BANDIT.replace('name = "bandit-2026.2"', f'name = "{name}"', 1) + more


def written(folder: Path, more: str = RUNG, name: str = "mine") -> str:
    """The same as a file; its path."""
    path = folder / f"{name}.toml"
    path.write_text(text(more, name), "utf-8")
    return str(path)
