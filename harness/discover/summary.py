"""What a run came to: in JSON for machines, the sentences that people read first, and what is left in the run's folder.

There are left the summary, the best loss as a file to run, and a picture of how it rose.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np

from harness.core.errors import UserError
from harness.core.files import SMALL, read_bytes, save_bytes
from harness.discover import lineage, templates
from harness.discover.archive import cell
from harness.ladder.gate import interval
from harness.ledger.records import plain

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from harness.core.verdict import Json
    from harness.discover.archive import Archive
    from harness.discover.proposers import Known
    from harness.discover.track import Duel, Track


SCHEMA = "harness.discovery-summary/v1"
ARCHIVE = "archive.json"
_ALPHA = 0.05


def document(track: Track, *, run: str, profile: str, proposer: str, baseline: str) -> dict[str, Json]:
    """The summary as JSON. All but what is measured in seconds is the same however often the run was resumed."""
    top = track.archive.top()
    out = {
        "schema": SCHEMA,
        "run": run,
        "profile": profile,
        "proposer": proposer,
        "ended": track.ended,
        "generations": len(track.pulls),
        "proposals": len(track.rows),
        "replies": dict(sorted(track.kinds.items())),
        "ended_at": dict(sorted(track.deaths().items())),
        "answered_by_the_ledger": sum(row.answered for row in track.rows),
        "best": None if top is None else _loss(top),
        "against": baseline,
        "gain": None if track.duel is None else gain(track.duel, baseline),
        "best_baseline": None if track.duel is None else {"name": track.duel.best, **gain(track.duel, track.duel.best)},
        "archive": [_loss(loss) for loss in track.archive.cells().values()],
        "archive_digest": track.archive.digest,
        "prompts": templates.table(track.pulls),
        "spent": asdict(track.spent) | {"calls_of_unknown_end": track.uncertain},
        "seconds": {"asking": track.asking_seconds} | track.seconds(),
        "gpu_seconds": track.gpu_seconds,
    }
    return {key: plain(value) for key, value in out.items()}


def document_of(archive: Archive) -> bytes:
    """What is left of an archive, byte for byte."""
    return (json.dumps(archive.document(), sort_keys=True, indent=1) + "\n").encode()


def _loss(loss: Known) -> dict[str, object]:
    told = ("name", "id", "generation", "score", "low", "high", "gain", "parents")
    return {key: getattr(loss, key) for key in told} | {"cell": cell(loss.facts)}


def gain(duel: Duel, name: str) -> dict[str, float]:
    """The mean difference from a baseline of a duel with its 95 % interval (Student's t, paired by seed)."""
    differences = [own - base for own, base in zip(duel.own, duel.against[name], strict=True)]
    low, high = interval(differences, _ALPHA)
    mean = float(np.mean(differences)) if differences else float("nan")
    return {"mean": mean, "low": low, "high": high, "seeds": len(differences)}


def _met(duel: Duel, baseline: str, metric: str) -> list[str]:
    """What a duel said, in sentences: of the ladder's baseline, and of the best one where that is another."""
    mean, low, high, _ = gain(duel, baseline).values()
    words = "above" if low > 0 else "below" if high < 0 else "not told apart from"
    differs = f"{metric} differs by {mean:+.4f}, 95 % interval {low:+.4f} to {high:+.4f}"
    out = [f"On {len(duel.seeds)} fresh seeds it is {words} {baseline}: {differs}."]
    mean, low, high, _ = gain(duel, duel.best).values()
    words = "at least as good as" if low >= 0 else "worse than" if high < 0 else "not told apart from"
    who = f"{baseline}, which is" if duel.best == baseline else f"{duel.best},"
    out.append(f"It is {words} {who} the best baseline: {mean:+.4f}, 95 % interval {low:+.4f} to {high:+.4f}.")
    return out


def sentences(track: Track, baseline: str, metric: str) -> list[str]:
    """The outcome in a few sentences."""
    top = track.archive.top()
    out = [f"Ended: {track.ended}."]
    if top is None:
        return [*out, "No loss was measured."]
    where = "of the burn-in" if top.generation < 0 else f"of generation {top.generation + 1}"
    out.append(f"The best is {top.name}, {where}: {metric} {top.score:.4f} on the seeds of its gate.")
    if track.duel is not None:
        out += _met(track.duel, baseline, metric)
    if track.uncertain:
        out.append(f"{track.uncertain} calls were made again, because a kill left them without an answer.")
    return out


def leave(place: Path, track: Track, document: Mapping[str, Json], *, metric: str, baseline: str) -> None:
    """Write `summary.json`, `archive.json`, `best.py` and `progress.svg` and `.png` (these where matplotlib is).

    `best.py` is the candidate's own text, comments and all: it is no more trusted than any other candidate.
    """
    save_bytes((json.dumps(document, sort_keys=True, indent=1) + "\n").encode(), place / "summary.json")
    save_bytes(document_of(track.archive), place / ARCHIVE)
    top = track.archive.top()
    if top is not None and (source := place / "candidates" / f"{top.id[:16]}.py").is_file():
        save_bytes(read_bytes(source, SMALL), place / "best.py")
    try:
        drawn = lineage.draw_progress(lineage.progress([*track.burn_in, *track.rows]), metric, baseline)
    except UserError:  # no matplotlib: the numbers are all in the summary
        return
    for suffix, data in drawn.items():
        save_bytes(data, place / f"progress.{suffix}")
