"""The console of every command: what anybody wrote into a name, a title or a message stays text.

Covered: escape sequences, controls, text that runs backwards and invisible characters in whatever Rich is given,
commands to a log's reader, and Rich's own markup in it, wherever a table, a tree or a live display puts it. A
command that formats a line itself says it by `harness.cli.progress.tell`. Not covered: that a text means something
false.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.segment import Segment

from harness.core import text as sanitize

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import ConsoleOptions, RenderableType


class Terminal(Console):
    """A console that prints text and nothing else but Rich's own colours and cursor movements."""

    def __init__(self, **options: Any) -> None:
        """As `rich.console.Console`, without markup, emoji codes and highlighting."""
        super().__init__(**{"markup": False, "emoji": False, "highlight": False, **options})

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render, and make every piece of text harmless: whatever is shown passes here."""
        for segment in super().render(renderable, options):
            text = segment.text
            if segment.control is None and text != "\n":
                safe = text if text.isascii() and text.isprintable() else sanitize.piece(text)
                yield Segment(sanitize.part_commands(safe), segment.style)
            else:
                yield segment
