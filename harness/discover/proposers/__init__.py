"""Proposers by name: `openai:MODEL`, `replay:FILE`, `evolve`. Each kind is one file, loaded when it is asked for.

A new kind is an entry in `KINDS`: a module of this package with a function `open_proposer(Ask) -> Proposer`.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from harness.core.errors import UserError

if TYPE_CHECKING:
    from harness.discover.proposers.base import Proposer

#: Kind, module, and whether a word follows its name after a colon.
KINDS = {
    "openai": ("harness.discover.proposers.openai", True),
    "replay": ("harness.discover.proposers.replay", True),
    "evolve": ("harness.discover.proposers.evolve", False),
}


@dataclass(frozen=True)
class Ask:
    """How a proposer is wanted. `word` is what follows the colon: a model, a file.

    `timeout` is in seconds, a whole reply; `price_in` and `price_out` are US dollars per million tokens, None where
    they are unknown.
    """

    word: str = ""
    seed: int = 0
    contract: str = "preference"
    base_url: str | None = None
    timeout: float = 120.0
    retries: int = 4
    most_tokens: int = 8192
    temperature: float | None = None
    price_in: float | None = None
    price_out: float | None = None
    pictures: bool = False


def open_proposer(spec: str, ask: Ask) -> Proposer:
    """The proposer of a name such as `openai:gpt-5`. Raises UserError for what names none."""
    kind, colon, word = spec.partition(":")
    if kind not in KINDS:
        raise UserError(f"there is no proposer {kind[:40]!r}", remedy=f"one of: {', '.join(spelt())}")
    module, needs_word = KINDS[kind]
    if needs_word and not word:
        raise UserError(f"the proposer {kind} needs a word after a colon", remedy=f"one of: {', '.join(spelt())}")
    if not needs_word and colon:
        raise UserError(f"the proposer {kind} takes nothing after a colon", remedy=f"--proposer {kind}")
    try:
        loaded = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and not error.name.startswith("harness"):
            extra = "install the extra: pip install 'preference-loss-harness[discover]'"
            raise UserError(f"the proposer {kind} needs {error.name}, which is not installed", remedy=extra) from error
        raise UserError(f"this version has no proposer {kind}", remedy=f"one of: {', '.join(spelt())}") from error
    made: Proposer = loaded.open_proposer(replace(ask, word=word))
    return made


def spelt() -> list[str]:
    """The kinds as they are given on the command line."""
    words = {"openai": "openai:MODEL", "replay": "replay:FILE"}
    return [words.get(kind, kind) for kind in KINDS]
