"""What all pictures share: colours, figure settings, and turning a figure into bytes and files.

Matplotlib is imported here and in the pictures only, so that a check without plots does not load it.
"""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from harness.core.files import save_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axis import Axis

#: Colours, each of a distinct value: the HTML report replaces them by variables to follow its theme.
INK = "#1f2a37"
MUTED = "#6b7280"
GRID = "#e3e6eb"
PAPER = "#ffffff"
ACCENT = "#2457c5"
REFERENCE = "#9aa3af"
ALARM = "#c8322b"
CAUTION = "#e8a13a"
CALM = "#dfe9e2"
THEME = {INK: "ink", MUTED: "muted", GRID: "grid", PAPER: "paper", ACCENT: "accent", REFERENCE: "grey"} | {
    ALARM: "alarm",
    CAUTION: "caution",
    CALM: "calm",
}

SETTINGS: dict[str, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": MUTED,
    "axes.facecolor": PAPER,
    "axes.formatter.useoffset": False,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "axes.unicode_minus": True,
    "figure.dpi": 100,
    "figure.facecolor": PAPER,
    # Later names are for viewers of the SVG; only the first, which comes with matplotlib, is measured.
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "hatch.linewidth": 0.6,
    "legend.facecolor": PAPER,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "savefig.facecolor": PAPER,
    "svg.fonttype": "none",
    "svg.hashsalt": "harness",
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.color": MUTED,
    "ytick.labelcolor": INK,
}


class Look(NamedTuple):
    """How one loss is drawn in all pictures of several: colours alone do not tell lines apart for everybody."""

    colour: str
    marker: str
    line: str


#: How the catalogue's names are written in pictures.
TITLES = {"dpo": "DPO", "slic": "SLiC", "lrml": "DiscoPOP", "ipo": "IPO", "kto_pair": "KTO", "exp": "exponential"}
#: Those that stand for themselves look the same everywhere; others take what is left, in their order.
_LOOKS = {"dpo": Look(INK, "o", "-"), "slic": Look(MUTED, "s", "--"), "lrml": Look(CAUTION, "^", "-")}
_OTHERS = tuple(
    Look(colour, marker, line)
    for line, markers in (("-", "Dvp"), ("--", "X*P"), ("-.", "hd<"))
    for colour, marker in zip((ACCENT, "#2f8f5b", "#8a4fb0"), markers, strict=True)
)


def looks(names: Sequence[str]) -> dict[str, Look]:
    """How each loss of a picture is drawn."""
    others = [name for name in names if name not in _LOOKS]
    return _LOOKS | {name: _OTHERS[place % len(_OTHERS)] for place, name in enumerate(others)}


def title_of(name: str) -> str:
    """A loss's name as a picture has it."""
    return plain_label(TITLES.get(name, name))


def new_figure(width: float, height: float) -> Figure:
    """Give an empty figure, in inches, that belongs to no window system. Use inside `settings()`."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def settings() -> Any:
    """Give the context to make and write figures in: the user's own configuration has no say."""
    chosen: dict[str, Any] = {
        **cast("dict[str, Any]", mpl.rcParamsDefault),
        **SETTINGS,
        "backend": mpl.rcParams["backend"],
    }
    return mpl.rc_context(cast("Any", chosen))


def to_svg(figure: Figure) -> bytes:
    """Write the figure as SVG, the same bytes for the same figure."""
    out = io.BytesIO()
    figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    text = out.getvalue().decode("utf-8").replace("'DejaVu Sans'", "'DejaVu Sans', Verdana, sans-serif")
    return re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE).encode("utf-8")


def to_png(figure: Figure) -> bytes:
    """Write the figure as PNG at 160 dots per inch."""
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=160, metadata={"Software": None})
    return out.getvalue()


def save(figure: Figure, folder: Path, stem: str) -> list[Path]:
    """Write `<stem>.svg` and `<stem>.png` into a folder, which is made where there is none. Raises UserError."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = {folder / f"{stem}.svg": to_svg(figure), folder / f"{stem}.png": to_png(figure)}
    for path, data in drawn.items():
        save_bytes(data, path)
    return list(drawn)


def inline(svg: bytes, prefix: str) -> str:
    """Turn an SVG document into an element of an HTML page, with ids of its own and the page's colours."""
    text = svg.decode("utf-8")
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    # A style sheet inside would hold for the whole page.
    text = re.sub(r"<style[^>]*>.*?</style>", "", text, flags=re.DOTALL)
    text = re.sub(r'(\bid="|href="#|url\(#)', rf"\1{prefix}-", text)
    for colour, name in THEME.items():
        text = text.replace(colour, f"var(--{name})")
    return text.replace("<svg ", '<svg role="img" class="picture" ', 1).strip()


def plain_label(text: str, cap: int = 48) -> str:
    """Make untrusted text fit for a picture: printable ASCII only, since a font need not hold the rest."""
    kept = "".join(c if " " <= c <= "~" else "?" for c in text[:cap])
    return kept + ("..." if len(text) > cap else "")


def spans(flags: Sequence[bool], at: Sequence[float], known: Sequence[float] = ()) -> list[tuple[float, float]]:
    """Give the runs of true flags as intervals of `at`, which ascends.

    An end lies half-way to the neighbour outside, or at the one of the `known` places that lies in between.
    """
    out: list[tuple[float, float]] = []
    begin: int | None = None
    for index, flag in enumerate([*flags, False]):
        if flag and begin is None:
            begin = index
        elif not flag and begin is not None:
            out.append((_between(at, begin, known), _between(at, index, known)))
            begin = None
    return out


def _between(at: Sequence[float], index: int, known: Sequence[float]) -> float:
    """Find the border between the points `index - 1` and `index`."""
    if index in {0, len(at)}:
        return at[index - 1 if index else 0]
    low, high = at[index - 1], at[index]
    return next((k for k in known if low <= k <= high), (low + high) / 2)


def signed_ticks(axis: Axis, decades: Sequence[float]) -> None:
    """Mark zero and these on both sides of it, as plain numbers: for an axis that is logarithmic both ways."""
    axis.set_major_locator(FixedLocator([*(-d for d in reversed(decades)), 0.0, *decades]))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:,g}".replace("-", "\N{MINUS SIGN}")))
