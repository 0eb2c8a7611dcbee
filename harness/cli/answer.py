"""`harness answer RUN`: let the fine-tuned model of a run answer a set of questions."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.ledgers import ledger_options, name_of, read_ledger

if TYPE_CHECKING:
    from harness.protocol.job import Progress, Step


@click.command("answer")
@click.argument("run", type=int)
@click.option(
    "--questions",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="The questions, as MT-Bench, Arena-Hard, AlpacaEval or TL;DR publish theirs.",
)
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="[default: answers-RUN-SEED.jsonl]")
@click.option("--rung", metavar="NAME", help="The rung that fine-tuned it.  [default: the first]")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0, 2**31), help="Which of its trainings.")
@click.option("--start", is_flag=True, help="Ask the model that the training began with.")
@click.option("--tokens", default=1024, show_default=True, type=click.IntRange(1), help="Longest answer.")
@click.option(
    "--temperature", default=0.0, show_default=True, type=click.FloatRange(0), help="0: the likeliest token each time."
)
@click.option("--by-category", is_flag=True, help="At the temperatures of MT-Bench's published settings.")
@click.option("--plain", is_flag=True, help="Give questions to the model as they are, in no chat template.")
@click.option("--gpu", default="none", show_default=True, metavar="auto|none|N,...", help="The GPU for it.")
@ledger_options
def answer_command(
    run: int,
    *,
    questions: Path,
    output: Path | None,
    rung: str | None,
    seed: int,
    start: bool,
    tokens: int,
    temperature: float,
    by_category: bool,
    plain: bool,
    gpu: str,
    folder: Path,
    database: str | None,
) -> None:
    """Let the fine-tuned model of a RUN answer questions of one or two turns, in a container of its own.

    Its weights have to be kept (`keep_gib` in the settings of the rung; `harness weights` lists what is). The answers
    are written in the form of the set's own, which `harness judge` takes. Interrupted, the same command goes on after
    the last batch; what was answered before is not asked again.

    Exit code: 0, 2 the model cannot be asked so, 3 a fault of ours.
    """
    from harness.checks.checker import Checker  # noqa: PLC0415 - the help of the command needs none of it
    from harness.checks.options import Options  # noqa: PLC0415
    from harness.cli.paced import paced  # noqa: PLC0415
    from harness.cli.progress import say, tell  # noqa: PLC0415
    from harness.core.errors import StoppedError, UserError  # noqa: PLC0415
    from harness.core.files import check_destination, save_bytes  # noqa: PLC0415
    from harness.core.stopping import Stop, heeding  # noqa: PLC0415
    from harness.ladder.answering import ask, model_of  # noqa: PLC0415
    from harness.ladder.judge_sets import Sampling  # noqa: PLC0415
    from harness.llm_judge.questions import read_questions  # noqa: PLC0415

    output = output or Path(f"answers-{run}-{seed}.jsonl")
    if output.exists() and questions.exists() and output.samefile(questions):
        raise UserError(f"{output} holds the questions", remedy="name another file for the answers")
    if not math.isfinite(temperature):
        raise UserError(f"a temperature is a finite number, and not {temperature}")
    check_destination(output)
    asked = read_questions(questions)
    with read_ledger(folder, database) as ledger:
        found = ledger.run(run)
        model = model_of(ledger, found, folder.resolve(), rung=rung, seed=seed, start=start)
    at = ["the model is loaded"]

    def watch(_: Step, progress: Progress) -> None:
        at[0] = f"{progress.done} of {progress.total} answers"

    sampling = Sampling(tokens, temperature, by_category, "none" if plain else "chat")
    with heeding(Stop(say=say)) as stop, paced(lambda: at[0]), Checker.open(Options(gpu=gpu)) as checker:
        try:
            made = ask(checker, folder.resolve(), model, asked, sampling, stopping=stop, say=watch)
        except StoppedError:
            raise KeyboardInterrupt from None
    called = f"{name_of(found)}-{model.plan.name}-{seed}" if not start else f"{model.plan.name}-start"
    lines = [json.dumps(one.answered(made.turns[one.name], called)) + "\n" for one in asked]
    save_bytes("".join(lines).encode(), output)
    tell(f"{output}: {len(asked)} questions, {made.ended:.0%} of the answers came to an end by themselves")
