"""`harness judge`: what another language model thinks of answers; each call recorded, and repeatable for nothing."""

from __future__ import annotations

import contextlib
import importlib.util
import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table
from rich.text import Text

from harness.cli.ledgers import ledger_options, read_ledger
from harness.cli.progress import tell, tell_json
from harness.core import text as sanitize
from harness.core.errors import UserError
from harness.report.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.llm.endpoint import Endpoint
    from harness.llm_judge.judge import Judge
    from harness.llm_judge.length import Controlled
    from harness.llm_judge.mtbench import Scores
    from harness.llm_judge.pairwise import Completion, Outcome, Pair

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command("judge")
@click.argument("ours")
@click.argument("theirs", required=False)
@click.option("--model", required=True, metavar="NAME", help="The model that judges, as its endpoint calls it.")
@click.option("--base-url", metavar="URL", help="An endpoint that speaks OpenAI's protocol; else OpenAI's own.")
@click.option("--questions", type=_FILE, help="Give single scores to answers to these questions (MT-Bench's form).")
@click.option("--prompts", type=_FILE, help="The judge's prompts for them (MT-Bench's form).")
@click.option("--references", type=_FILE, help="Reference answers for them, where the questions hold none.")
@click.option("--length-controlled", "controlled", is_flag=True, help="Also the win rate at equal length.")
@click.option("--weighted", is_flag=True, help="By the probabilities of the judge's first token, not by its verdict.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Which seed of a run.")
@click.option("--record", type=_FILE, help="Where the calls are kept.  [default: judge.jsonl in the folder]")
@click.option("--replay", type=_FILE, help="Judge by these recorded calls alone: no endpoint, no key, no cost.")
@click.option("--temperature", type=click.FloatRange(0, 2), help="The judge's temperature.  [default: 0]")
@click.option(
    "--no-temperature", is_flag=True, help="Leave the temperature to the endpoint, as models that reason want."
)
@click.option("--reply-tokens", default=2048, show_default=True, type=click.IntRange(1), help="Longest reply.")
@click.option("--reply-cap", default="max_tokens", show_default=True, help="Its name: or max_completion_tokens.")
@click.option("--workers", default=4, show_default=True, type=click.IntRange(1, 64), help="Calls at once.")
@click.option("--timeout", default=120.0, show_default=True, type=click.FloatRange(1), help="Seconds for a reply.")
@click.option("--retries", default=6, show_default=True, type=click.IntRange(0, 20), help="Times a call is retried.")
@click.option("--budget-tokens", type=click.IntRange(1), help="Ask no more when the recording holds so many.")
@click.option("--budget-dollars", type=click.FloatRange(0, min_open=True), help="The same; needs prices.")
@click.option("--price-in", default=0.0, type=click.FloatRange(0), help="US dollars for a million tokens of prompts.")
@click.option("--price-out", default=0.0, type=click.FloatRange(0), help="US dollars for a million tokens of replies.")
@click.option("--json", "json_wanted", is_flag=True, help="Write JSON to standard output.")
@ledger_options
def judge_command(ours: str, theirs: str | None, *, folder: Path, database: str | None, **given: Any) -> None:
    """Judge the answers OURS, against THEIRS or one by one.

    Each is a file of JSON lines, such as {"prompt": "...", "answer": "..."}, or the number of a run that fine-tuned.
    Without THEIRS they are held against the `reference` on their own lines: in a run, the model before its training.
    Every pair is judged in both orders. With --questions and --prompts, OURS are answers in MT-Bench's form, and each
    is given a score from 1 to 10.

    All files are looked at before the first call. Calls are recorded as they come, and not made again. Exit code: 0, 2
    the command or a file makes no sense, 3 the endpoint failed or the judge answers nonsense.
    """
    _check(theirs, given)
    if given["questions"] is not None:
        with _judge(folder, given) as (judge, place):
            scores = _rated(judge, Path(ours), given)
        _tell(_document(judge, place, "single", asdict(scores)), lambda: _show_scores(scores), given)
        return
    pairs = _pairs((ours, theirs), given["seed"], folder, database)
    if given["controlled"]:
        _check_controlled(len(pairs))
    from harness.llm_judge.pairwise import compare  # noqa: PLC0415 - help needs none of it

    with _judge(folder, given) as (judge, place):
        if not given["json_wanted"]:
            how = "by the calls in" if given["replay"] is not None else "calls are kept in"
            tell(f"{len(pairs)} pairs, in both orders; {how} {place}", err=True)
        outcome = compare(judge, pairs, weighted=given["weighted"])
    equal = _controlled(pairs, outcome) if given["controlled"] else None
    found = asdict(outcome) | {"length_controlled": None if equal is None else asdict(equal)}
    found["preferences"] = dict(zip((pair.name for pair in pairs), outcome.preferences, strict=True))
    _tell(_document(judge, place, "pairwise", found), lambda: _show_pairs(outcome, equal), given)


def _check(theirs: str | None, given: dict[str, Any]) -> None:
    """Refuse options that do not go together."""
    if (given["questions"] is None) != (given["prompts"] is None):
        raise UserError("single scores need --questions and --prompts", remedy="give both, or a second file of answers")
    if given["questions"] is not None and (theirs is not None or given["controlled"] or given["weighted"]):
        raise UserError("single scores are for one file of answers", remedy="leave out what is for pairs")
    if given["references"] is not None and given["questions"] is None:
        raise UserError("--references are for single scores", remedy="give --questions and --prompts")
    if given["replay"] is not None and (given["record"] is not None or given["base_url"] is not None):
        raise UserError("--replay asks nobody", remedy="leave out --record and --base-url")
    if given["temperature"] is not None and given["no_temperature"]:
        raise UserError("--temperature and --no-temperature exclude each other")


def _check_controlled(pairs: int) -> None:
    """Refuse before the first call what would fail after the last."""
    from harness.llm_judge.length import FOLDS  # noqa: PLC0415 - as above

    if importlib.util.find_spec("sklearn") is None:
        raise UserError("--length-controlled needs scikit-learn", remedy='pip install "preference-loss-harness[judge]"')
    if pairs < FOLDS:
        raise UserError(f"--length-controlled needs {FOLDS} prompts at least, and there are {pairs}")


def _pairs(who: tuple[str, str | None], seed: int, folder: Path, database: str | None) -> list[Pair]:
    from harness.llm_judge.pairwise import against, against_reference  # noqa: PLC0415 - as above

    ours, theirs = who
    first = _completions(ours, seed, folder, database)
    return against_reference(first) if theirs is None else against(first, _completions(theirs, seed, folder, database))


def _completions(word: str, seed: int, folder: Path, database: str | None) -> list[Completion]:
    """The answers in a file, or of a run."""
    from harness.ladder.climb import SAMPLES  # noqa: PLC0415 - as above
    from harness.llm_judge.pairwise import read_file, read_lines  # noqa: PLC0415 - as above

    if not word.isdecimal() or Path(word).exists():
        return read_file(Path(word))
    name = SAMPLES.format(seed)
    with read_ledger(folder, database) as ledger:
        run = ledger.run(int(word))
        found = [one for one in ledger.attachments(run.id) if one.name == name]
        if not found:
            raise UserError(
                f"run {run.id} has no answers of seed {seed}",
                remedy=f"runs that fine-tune have some: `harness show {run.id} --json` lists what it has",
            )
        return read_lines(ledger.document(found[-1].sha256), f"{name} of run {run.id}")


@contextlib.contextmanager
def _judge(folder: Path, given: dict[str, Any]) -> Iterator[tuple[Judge, Path]]:
    """The judge, and where its calls are."""
    from harness.llm.account import Budget, Prices  # noqa: PLC0415 - as above
    from harness.llm.recording import Recording  # noqa: PLC0415 - as above
    from harness.llm_judge.judge import Judge, Manner  # noqa: PLC0415 - as above

    temperature = None if given["no_temperature"] else given["temperature"] or 0.0
    manner = Manner(given["model"], temperature, given["reply_tokens"], given["reply_cap"], workers=given["workers"])
    tokens, dollars = (math.inf if given[key] is None else given[key] for key in ("budget_tokens", "budget_dollars"))
    prices = (given["price_in"], given["price_out"])
    budget = Budget(tokens, dollars, Prices(*prices) if any(prices) else Prices())
    place = given["replay"] or given["record"] or folder / "judge.jsonl"
    with contextlib.ExitStack() as stack:
        endpoint = None
        if given["replay"] is None:
            endpoint = _endpoint(given)
            stack.callback(endpoint.close)
        recording = stack.enter_context(Recording(place, read_only=endpoint is None))
        yield Judge(manner, recording, endpoint, budget), place


def _endpoint(given: dict[str, Any]) -> Endpoint:
    try:
        from harness.llm.endpoint import Endpoint  # noqa: PLC0415 - loads an optional library
    except ModuleNotFoundError as error:
        remedy = 'pip install "preference-loss-harness[discover]"'
        raise UserError("a judge needs the openai library", remedy=remedy) from error
    name = "the judge's endpoint"
    return Endpoint(given["base_url"], name=name, seconds=given["timeout"], retries=given["retries"])


def _rated(judge: Judge, answers: Path, given: dict[str, Any]) -> Scores:
    from harness.llm_judge.mtbench import (  # noqa: PLC0415 - as above
        rate,
        read_answers,
        read_prompts,
        read_questions,
    )

    references = None if given["references"] is None else read_answers(given["references"])
    questions, prompts = read_questions(given["questions"]), read_prompts(given["prompts"])
    return rate(judge, questions, prompts, read_answers(answers), references)


def _controlled(pairs: list[Pair], outcome: Outcome) -> Controlled:
    from harness.llm_judge.length import Compared, length_controlled  # noqa: PLC0415 - loads scikit-learn

    both = zip(pairs, outcome.preferences, strict=True)
    return length_controlled([Compared(p, len(one.ours), len(one.theirs)) for one, p in both if p is not None])


def _document(judge: Judge, place: Path, kind: str, found: dict[str, Any]) -> dict[str, Any]:
    from harness.ledger.records import plain  # noqa: PLC0415 - as above

    account = judge.account
    spent = {"calls": account.spent.calls, "tokens": account.spent.tokens, "dollars": account.money}
    told = {"schema": "harness.judge/v1", "kind": kind, "judge": judge.manner.model, "recording": str(place)}
    return {**told, "result": plain(found), "recorded": spent}


def _tell(document: dict[str, Any], show: Any, given: dict[str, Any]) -> None:
    if given["json_wanted"]:
        tell_json(document, sort_keys=True)
        return
    show()
    spent = document["recorded"]
    money = f", {spent['dollars']:.4f} dollars" if spent["dollars"] else ""
    tell(f"{document['recording']} holds {spent['calls']} calls, {spent['tokens']} tokens{money}")


def _show_pairs(outcome: Outcome, equal: Controlled | None) -> None:
    table = Table("", "", "95 % interval over prompts")
    table.add_row("win rate", f"{outcome.win_rate:.3f}", f"{outcome.low:.3f} to {outcome.high:.3f}")
    if equal is not None:
        table.add_row("at equal length", f"{equal.win_rate:.3f}", f"{equal.low:.3f} to {equal.high:.3f}")
    told = f"{outcome.wins}, {outcome.losses}, {outcome.ties}"
    table.add_row("won, lost, tied or in dispute", told, f"{outcome.identical} the same text")
    table.add_row(
        "same verdict in both orders", f"{outcome.consistent:.3f}", f"for the first answer {outcome.first:.3f}"
    )
    _print(table, outcome)


def _show_scores(scores: Scores) -> None:
    table = Table("", "mean, 1 to 10")
    table.add_row("all", f"{scores.score:.2f}")
    for number, value in enumerate(scores.turns, 1):
        table.add_row(f"turn {number}", f"{value:.2f}")
    for name, value in scores.categories:
        table.add_row(Text(sanitize.one_line(name, 60)), f"{value:.2f}")
    _print(table, scores)
    if scores.defused:
        tell(f"{scores.defused} marks of the prompts were taken out of answers: look at these answers")


def _print(table: Table, found: Outcome | Scores) -> None:
    Terminal().print(table)
    models = ", ".join(sanitize.one_line(model, 60) for model in found.models)
    tell(f"{found.replies} replies of {models or 'nobody'}, {found.nonsense} not readable, {found.excluded} left out")
