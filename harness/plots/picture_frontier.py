"""The third picture: reward against divergence over betas, a loss beside the reference curves of its rung.

A loss is better where its curve lies further up and to the left: more reward for the same distance from the model that
training began with. Reference curves were measured by `python -m bench.reviews frontier`, and stand with the settings
that they were measured with.
"""

from __future__ import annotations

import importlib.resources
import json
import math
import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from harness.core.errors import UserError
from harness.core.files import save_bytes
from harness.plots import canvas

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from matplotlib.figure import Figure

#: Reference curves in `harness/report`.
REFERENCES = "frontier_reviews.json"
#: How the catalogue's names are written in pictures.
TITLES = {"dpo": "DPO", "slic": "SLiC", "lrml": "DiscoPOP"}
_AT = re.compile(r"^reward_at_(?P<beta>[0-9.e+-]+)$")


@dataclass(frozen=True)
class Point:
    """What trainings at one beta reached: means over `seeds`; `spread` is the SD of the reward (0 for one seed)."""

    beta: float
    kl: float
    reward: float
    spread: float
    seeds: int


@dataclass(frozen=True)
class Curve:
    """The points of one loss by ascending beta; `lost` are betas at which a training was not finite."""

    name: str
    points: tuple[Point, ...]
    lost: tuple[float, ...] = ()
    reference_reward: float = math.nan


def curve_of(name: str, measured: Mapping[int, Mapping[str, float]]) -> Curve:
    """The curve of a loss from its metrics by seed, as the rung gives them with several betas.

    Raises ValueError where there are no metrics of single betas.
    """
    betas = sorted({float(m["beta"]) for one in measured.values() for key in one if (m := _AT.match(key))})
    if not betas:
        raise ValueError(f"the metrics of {name} hold no single betas")
    points, lost = [], []
    for beta in betas:
        pairs = [
            (m.get(f"kl_at_{beta:g}", math.nan), m.get(f"reward_at_{beta:g}", math.nan)) for m in measured.values()
        ]
        if all(math.isfinite(kl) and math.isfinite(reward) for kl, reward in pairs):
            mean_kl, mean = (sum(part) / len(pairs) for part in zip(*pairs, strict=True))
            spread = math.sqrt(sum((r - mean) ** 2 for _, r in pairs) / max(1, len(pairs) - 1))
            points.append(Point(beta, mean_kl, mean, spread, len(pairs)))
        else:
            lost.append(beta)
    before = [m["reference_reward"] for m in measured.values() if "reference_reward" in m]
    return Curve(name, tuple(points), tuple(lost), sum(before) / len(before) if before else math.nan)


def references() -> tuple[Curve, ...]:
    """The reference curves that come with the harness; none where they were not measured."""
    file = importlib.resources.files("harness.report").joinpath(REFERENCES)
    return read(file.read_bytes()) if file.is_file() else ()


def keep(curves: Sequence[Curve], path: Path, *, settings: Mapping[str, object], seeds: int) -> None:
    """Write curves as JSON with what they were measured with."""
    plain = [{k: None if isinstance(v, float) and math.isnan(v) else v for k, v in asdict(c).items()} for c in curves]
    what = {"settings": dict(settings), "seeds": seeds, "curves": plain}
    save_bytes((json.dumps(what, indent=1, sort_keys=True, default=list) + "\n").encode("utf-8"), path)


def read(data: bytes) -> tuple[Curve, ...]:
    """Read what `keep` wrote. Raises UserError for anything else."""
    try:
        return tuple(
            Curve(
                name=str(one["name"]),
                points=tuple(Point(**point) for point in one["points"]),
                lost=tuple(float(beta) for beta in one["lost"]),
                reference_reward=math.nan if one["reference_reward"] is None else float(one["reference_reward"]),
            )
            for one in json.loads(data)["curves"]
        )
    except (ValueError, KeyError, TypeError) as error:
        raise UserError("these are no curves of a frontier", remedy="measure them again") from error


def draw(curves: Sequence[Curve], folder: Path, *, stem: str, title: str = "Reward against divergence") -> list[Path]:
    """Write `<stem>.svg` and `<stem>.png`; the same curves give the same bytes. Raises UserError."""
    with canvas.settings():
        return canvas.save(frontier_figure(title, curves), folder, stem)


def frontier_figure(title: str, curves: Sequence[Curve]) -> Figure:
    """Draw the curves over KL in nats, each point with its beta; those named in `TITLES` are drawn as references."""
    styles = {
        "dpo": (canvas.INK, "o", "-"),
        "slic": (canvas.MUTED, "s", "--"),
        "lrml": (canvas.CAUTION, "^", "-"),
    }
    # DPO and SLiC lie close together: the one has its betas above, the other below.
    beside = {"dpo": (-4, 7), "slic": (-2, -13), "lrml": (6, -9)}
    figure = canvas.new_figure(7.2, 4.8)
    axes = figure.subplots()
    for curve in curves:
        colour, marker, line = styles.get(curve.name, (canvas.ACCENT, "D", "-"))
        xs, ys = [p.kl for p in curve.points], [p.reward for p in curve.points]
        label = canvas.plain_label(TITLES.get(curve.name, curve.name))
        if curve.lost:
            label += f" (not finite at beta {', '.join(f'{b:g}' for b in curve.lost)})"
        axes.errorbar(
            xs,
            ys,
            yerr=[p.spread for p in curve.points],
            color=colour,
            marker=marker,
            linestyle=line,
            markersize=5,
            linewidth=2.0 if curve.name not in styles else 1.4,
            elinewidth=0.8,
            capsize=2,
            label=label,
        )
        for point in curve.points:
            axes.annotate(
                f"{point.beta:g}",
                (point.kl, point.reward),
                xytext=beside.get(curve.name, (7, 2)),
                textcoords="offset points",
                fontsize=7,
                color=colour,
            )
    before = [c.reference_reward for c in curves if math.isfinite(c.reference_reward)]
    if before:
        level = sum(before) / len(before)
        axes.axhline(level, color=canvas.REFERENCE, linewidth=1, linestyle=":")
        axes.annotate(
            "before training",
            (1.0, level),
            xycoords=("axes fraction", "data"),
            xytext=(0, 3),
            textcoords="offset points",
            ha="right",
            fontsize=8,
            color=canvas.MUTED,
        )
    largest = max((p.kl for c in curves for p in c.points), default=0.0)
    if largest > 10.0:  # one loss that ran away would squeeze all the others
        axes.set_xscale("symlog", linthresh=1.0)
    axes.set_xlim(left=0.0)
    axes.set_xlabel("KL(policy || reference) of an answer (nats)")
    axes.set_ylabel("reward")
    axes.set_title(title, loc="left", fontsize=11, pad=10)
    figure.legend(loc="outside lower center", ncols=2)
    return figure
