"""`harness plot`: several losses in one picture, value and slope over the margin, at each beta."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.progress import say, tell_json
from harness.cli.sweeping import Numbers
from harness.plots import plots

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.plots.picture_losses import Drawn
    from harness.subject.subject import Subject

#: Margins on each side of zero.
_POINTS = 200


@click.command("plot")
@click.argument("words", nargs=-1, required=True, metavar="LOSS...")
@click.option("--betas", default="0.05,0.5,1", show_default=True, type=Numbers(), help="A column for each.")
@click.option(
    "--reach",
    default=20.0,
    show_default=True,
    type=click.FloatRange(0, 8000, min_open=True),
    help="Margins from minus to plus so many nats.",
)
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), default=Path("plots"), show_default=True, metavar="DIR"
)
@click.option("--json", "json_wanted", is_flag=True, help="Write the numbers to standard output.")
@click.option("--runtime", metavar="NAME", help="A runtime of the container engine, such as runsc (gVisor).")
def plot_command(
    words: tuple[str, ...],
    *,
    betas: tuple[float, ...],
    reach: float,
    out: Path,
    json_wanted: bool,
    runtime: str | None,
) -> None:
    """Draw losses over rho, the margin of the policy over the reference, in one picture: losses.svg and losses.png.

    LOSS is a file, or the name of a loss of the catalogue. The numbers are answers of its sandbox, in float64, to pairs
    whose margin is made half by the chosen and half by the rejected completion; nothing is judged. What the screen
    refuses, or what fails when it is asked, is told and left out.

    Exit code: 0, 1 a loss was refused or failed, 2 the command makes no sense, 3 a fault of ours.
    """
    from harness.checks.checker import Checker  # noqa: PLC0415 - help needs none of it
    from harness.checks.options import Options  # noqa: PLC0415
    from harness.core.errors import CandidateFault  # noqa: PLC0415
    from harness.core.numbers import numbers  # noqa: PLC0415
    from harness.ladder.sweep import losses_of  # noqa: PLC0415

    plots.require_matplotlib()
    from harness.plots.picture_losses import draw  # noqa: PLC0415 - an extra of the package

    drawn: dict[str, dict[float, Drawn]] = {}
    failed: dict[str, str] = {}
    with Checker.open(Options(gpu="none", runtime=runtime)) as checker:
        for loss in losses_of(words, checker):
            try:
                with checker.oracle(loss.one) as subject:
                    drawn[loss.name] = _asked(subject, sorted(betas), reach)
            except CandidateFault as fault:
                failed[loss.name] = fault.message
                say(f"harness: {loss.name} {'is refused' if loss.refusal else 'fails'}: {fault.message}")
    if drawn:
        plots.make_folder(out, parents=True)
        made = draw(drawn, out, stem="losses")
        say(f"harness: drew {', '.join(map(str, made))}")
    if json_wanted:
        document: dict[str, Any] = {"schema": "harness.plot/v1", "curves": [], "failed": failed}
        for name, by_beta in drawn.items():
            for beta, one in by_beta.items():
                columns = {key: numbers(getattr(one, key)) for key in ("rho", "value", "slope")}
                document["curves"].append({"loss": name, "beta": beta, **columns})
        tell_json(document)
    sys.exit(1 if failed else 0)


def _asked(subject: Subject, betas: Sequence[float], reach: float) -> dict[float, Drawn]:
    """Value and slope at each beta. Raises what the oracle raises."""
    import numpy as np  # noqa: PLC0415 - as above

    from harness.plots.picture_losses import Drawn  # noqa: PLC0415
    from harness.subject.curve import along  # noqa: PLC0415
    from harness.subject.preference import PreferenceSubject  # noqa: PLC0415

    if not isinstance(subject, PreferenceSubject):
        raise TypeError(f"a loss of {subject.contract.name} has no margin")
    rho = np.linspace(-reach, reach, 2 * _POINTS + 1)
    with np.errstate(all="ignore"):  # candidates answer NaN and infinity as a matter of course
        return {beta: Drawn(rho, *along(subject, rho, pointwise=False, beta=beta)) for beta in betas}
