"""What people see of a discovery: a live table where somebody watches, else a line for each attempt."""

from __future__ import annotations

import math
import os
import time
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from harness.core import text as sanitize
from harness.report.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.core.verdict import Json
    from harness.discover.track import Row, Track

_STYLES = {"measured": "green", "stopped": "red", "rejected": "red", "known": "magenta", "unreadable": "yellow"}
_SHOWN = 14


class Display:
    """Shows a track on stderr. A context manager: live inside of it."""

    def __init__(self, run: str, proposer: str, generations: int) -> None:
        self._console = Terminal(stderr=True)
        self._head = f"{run}  {proposer}"
        self._generations = generations
        self._track: Track | None = None
        self._doing = ""
        self._since = time.monotonic()
        self._printed = 0
        live = self._console.is_terminal and not os.environ.get("CI")
        self._live = Live(get_renderable=self.render, console=self._console, refresh_per_second=4) if live else None

    def __enter__(self) -> None:
        """Begin."""
        if self._live is not None:
            self._live.start()
        else:
            self._console.print(Text(sanitize.one_line(self._head)))

    def __exit__(self, *_: object) -> None:
        """Leave the last picture standing."""
        if self._live is not None:
            self._live.stop()

    def update(self, track: Track) -> None:
        """Told by the loop whenever something happened."""
        self._track = track
        self.doing(track, track.doing)
        if self._live is None:
            rows = [*track.burn_in, *track.rows]
            for row in rows[self._printed :]:
                self._console.print(_line(row), soft_wrap=True)
            self._printed = len(rows)

    def doing(self, track: Track, doing: str) -> None:
        """Told by the judge."""
        self._track = track
        if doing != self._doing:
            self._doing, self._since = doing, time.monotonic()

    def render(self) -> Group:
        """The last attempts, what was spent, and what is being done."""
        if self._track is None:
            return Group(Text(sanitize.one_line(self._head)))
        track = self._track
        title = f"{self._head}  generation {track.generation + 1} of {self._generations}"
        table = Table("", "reply", "fate", "at", "loss", "gain", "", title=Text(sanitize.one_line(title)))
        for row in [*track.burn_in, *track.rows][-_SHOWN:]:
            style = _STYLES.get(row.fate, "")
            told = Text(sanitize.one_line(row.told, 90))
            cells = (place(row), row.reply, Text(row.fate, style=style), row.rung, Text(row.name), gain(row.gain), told)
            table.add_row(*cells)
        return Group(table, Text(spent(track), style="dim"), self._now())

    def _now(self) -> Text:
        words = f"{sanitize.one_line(self._doing)}  {time.monotonic() - self._since:.0f} s" if self._doing else ""
        return Text(words, style="dim")

    def say(self, text: str) -> None:
        """A sentence below all else."""
        self._console.print(Text(sanitize.one_line(text)), soft_wrap=True)

    def end(self, track: Track, sentences: Sequence[str], document: Mapping[str, Json]) -> None:
        """The summary, for people."""
        console = self._console
        for text in sentences:
            self.say(text)
        replies = Table("replies", "")
        for kind, number in sorted(track.kinds.items()):
            replies.add_row(kind, str(number))
        console.print(replies)
        console.print(_deaths(track))
        prompts: Any = document.get("prompts")
        if isinstance(prompts, dict) and len(prompts) > 1:
            table = Table("instruction", "asks", "accepted at once", "gained")
            for name, row in prompts.items():
                table.add_row(name, f"{row['asks']:.0f}", f"{row['accepted']:.2f}", f"{row['gained']:.2f}")
            console.print(table)
        replay: Any = document.get("replay")
        if isinstance(replay, dict) and replay["compared"]:
            console.print(f"{replay['same']} of {replay['compared']} requests were the recorded ones, to the byte")
        console.print(Text(spent(track), style="dim"))


def _line(row: Row) -> Text:
    out = Text(f"{place(row):>6}  {row.reply:<14} ")
    out.append(f"{row.fate:<10}", style=_STYLES.get(row.fate, ""))
    out.append(f" {row.rung:<11} {row.name:<26} {gain(row.gain):>8}  {sanitize.one_line(row.told, 160)}")
    return out


def place(row: Row) -> str:
    """Generation and attempt, counted from 1; the burn-in has neither."""
    return "start" if row.generation < 0 else f"{row.generation + 1}.{row.attempt + 1}"


def gain(value: float | None) -> str:
    """A gain for a table; nothing where there is none."""
    return "" if value is None or not math.isfinite(value) else f"{value:+.4f}"


def spent(track: Track) -> str:
    """Calls, tokens, money and time, in words."""
    used = track.spent
    money = "at an unknown price" if used.dollars is None else f"{used.dollars:.4f} dollars"
    gpu = f", {track.gpu_seconds / 3600:.2f} GPU hours" if track.gpu_seconds else ""
    return f"{used.calls} calls, {used.tokens_in} + {used.tokens_out} tokens, {money}{gpu}"


def _deaths(track: Track) -> Table:
    """How many ended where, and what each rung cost."""
    deaths, seconds = track.deaths(), track.seconds()
    table = Table("rung", "ended there", "seconds")
    order = ["reading", "check", "start", "screen", "properties"]
    names = sorted({*deaths, *seconds}, key=lambda name: (order.index(name) if name in order else len(order), name))
    for name in names:
        table.add_row(name, str(deaths.get(name, 0)), f"{seconds[name]:.1f}" if name in seconds else "")
    return table
