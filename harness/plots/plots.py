"""Pictures of a result, drawn on the host from numbers that came out of the sandbox.

Matplotlib is an extra of the package, and is imported when a picture is asked for.
"""

from __future__ import annotations

import importlib
import os
import re
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from harness.core.errors import UserError
from harness.core.text import one_line

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from harness.core.result import CheckReport, CheckResult

_REMEDY = "Install the extra: pip install 'preference-loss-harness[plots]'."
_FOLDER = "Give a folder that you may write into, or one whose parent is such a folder."


def require_matplotlib() -> None:
    """Refuse early, before any work is done, where matplotlib is missing. Raises UserError."""
    try:
        importlib.import_module("matplotlib")
    except ImportError as error:
        raise UserError("pictures need matplotlib, which is not installed", remedy=_REMEDY) from error


def require_folder(folder: Path) -> None:
    """Refuse, before any work is done, a path that is no folder to write into and cannot be made one. Raises UserError.

    The folder is not made.
    """
    try:
        place = folder if folder.exists() or folder.is_symlink() else folder.parent
        fit = place.is_dir() and os.access(place, os.W_OK | os.X_OK)
    except OSError:  # a name that is too long
        fit = False
    if not fit:
        raise UserError(f"pictures cannot be written into {folder}", remedy=_FOLDER)


def draw(result: CheckResult, folder: Path, *, stem: str | None = None) -> list[Path]:
    """Write `<stem>-loss` and `<stem>-stability` as SVG and PNG; what the facts lack is left out.

    The stem defaults to the candidate's file name. The folder is made where only it is missing. The same
    facts give the same bytes. Raises UserError.
    """
    require_matplotlib()
    from harness.plots import canvas  # noqa: PLC0415

    make_folder(folder)
    name = stem or file_stem(result)
    with canvas.settings():
        return [path for kind, figure in _figures(result) for path in canvas.save(figure, folder, f"{name}-{kind}")]


def draw_all(report: CheckReport, folder: Path) -> list[Path]:
    """Draw every result; candidates of the same file name are told apart by their digests."""
    out: list[Path] = []
    taken: set[str] = set()
    for result in report.results:
        stem = file_stem(result)
        if stem in taken:
            stem = f"{stem}-{re.sub('[^0-9a-f]', '', result.sha256)[:8]}"
        taken.add(stem)
        out += draw(result, folder, stem=stem)
    return out


def inline_pictures(result: CheckResult, prefix: str) -> list[tuple[str, str]]:
    """Give the pictures as SVG elements for the HTML report, each with its description. Raises UserError."""
    require_matplotlib()
    from harness.plots import canvas  # noqa: PLC0415

    words = {"loss": "The loss and its slope over rho", "stability": "The stability map over rho and beta"}
    with canvas.settings():
        return [
            (words[kind], canvas.inline(canvas.to_svg(figure), f"{prefix}-{kind}")) for kind, figure in _figures(result)
        ]


def file_stem(result: CheckResult) -> str:
    """Make the beginning of a file name out of the candidate's, in letters that every file system takes."""
    stem = re.sub(r"[^A-Za-z0-9_.-]+", "_", PurePath(result.path).stem)[:80].lstrip(".-")
    return stem or "candidate"


def _figures(result: CheckResult) -> list[tuple[str, Figure]]:
    from harness.plots.canvas import plain_label  # noqa: PLC0415
    from harness.plots.picture_loss import loss_figure, stability_figure  # noqa: PLC0415

    title = plain_label(one_line(result.name) or file_stem(result))
    out: list[tuple[str, Figure]] = []
    facts = result.loss_facts
    curve, stability = facts.curve, facts.stability
    if curve is not None:
        out.append(("loss", loss_figure(title, curve, facts.minima, result.verdict.findings)))
    if stability is not None:
        out.append(("stability", stability_figure(title, stability)))
    return out


def make_folder(folder: Path, *, parents: bool = False) -> None:
    """Make a folder for pictures, where there is none. Raises UserError."""
    try:
        folder.mkdir(parents=parents, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"the folder {folder} could not be made: {error.strerror}",
            remedy=_FOLDER,
        ) from error
