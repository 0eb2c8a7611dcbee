"""`harness judge`: what another language model thinks of answers; each call recorded, and repeatable for nothing."""

from __future__ import annotations

import contextlib
import importlib.util
import math
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click
from click.core import ParameterSource
from rich.table import Table
from rich.text import Text

from harness.cli.ledgers import ledger_options, read_ledger
from harness.cli.progress import say, tell, tell_json
from harness.core import text as sanitize
from harness.core.errors import HarnessError, UserError
from harness.report.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Literal, TypeAlias

    from harness.attestation.keys import Signing
    from harness.attestation.statement import JudgementStatement
    from harness.llm_judge.judge import Judge
    from harness.llm_judge.judgement_record import Difference, Judgement
    from harness.llm_judge.length import Controlled
    from harness.llm_judge.mtbench import Scores
    from harness.llm_judge.pairwise import Completion, Outcome, Pair
    from harness.llm_judge.shown import Shown

    #: What asks a judge, and gives the figures and what shows them.
    Conclude: TypeAlias = Callable[[Judge], tuple[dict[str, Any], Callable[[], None]]]

_FILE = click.Path(path_type=Path, dir_okay=False)
#: What a record says of the judge, and the option that says the same.
_SETTINGS = {
    "model": "model",
    "most_tokens": "reply_tokens",
    "cap": "reply_cap",
    "weighted": "weighted",
    "controlled": "controlled",
    "seed": "seed",
}
#: What each may be: as its option has it, since an option that a record is taken for is not looked at any more.
_FITS: dict[str, Callable[[Any], bool]] = {
    "model": lambda told: isinstance(told, str) and bool(told),
    "most_tokens": lambda told: type(told) is int and 0 < told < 2**63,
    "cap": lambda told: told in ("max_tokens", "max_completion_tokens"),
    "weighted": lambda told: isinstance(told, bool),
    "controlled": lambda told: isinstance(told, bool),
    "seed": lambda told: type(told) is int and 0 <= told < 2**63,
    "temperature": lambda told: told is None or (type(told) in (int, float) and 0 <= told <= 2),
}
#: So many differences are shown.
_SHOWN = 12


@click.command("judge")
@click.argument("ours")
@click.argument("theirs", required=False)
@click.option("--model", metavar="NAME", help="The model that judges, as its endpoint calls it.")
@click.option("--base-url", metavar="URL", help="An endpoint that speaks OpenAI's protocol; else OpenAI's own.")
@click.option("--questions", type=_FILE, help="Give single scores to answers to these questions (MT-Bench's form).")
@click.option("--prompts", type=_FILE, help="The judge's prompts for them (MT-Bench's form).")
@click.option("--references", type=_FILE, help="Reference answers for them, where the questions hold none.")
@click.option("--length-controlled", "controlled", is_flag=True, help="Also the win rate at equal length.")
@click.option("--weighted", is_flag=True, help="By the probabilities of the judge's first token, not by its verdict.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Which seed of a run.")
@click.option("--recording", type=_FILE, help="Where the calls are kept.  [default: judge.jsonl in the folder]")
@click.option("--replay", type=_FILE, help="Judge by these recorded calls alone: no endpoint, no key, no cost.")
@click.option("--record", type=_FILE, help="Write the judgement as a signed record, which `harness verify` reads.")
@click.option("--nonce", default="", metavar="TEXT", help="With --record: a word that the record is to repeat.")
@click.option(
    "--against", type=_FILE, help="With --replay: compare with this record, from which the judge's settings are taken."
)
@click.option("--key", "pems", multiple=True, type=_FILE, metavar="PEM", help="With --against: trust this key too.")
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

    All files are looked at before the first call. Calls are recorded as they come, and not made again. With --replay
    and --against, a record is verified, and what it says is concluded once more from the files and the recording.

    Exit code: 0, 1 the record does not hold or something differs from it, 2 the command or a file makes no sense, 3 the
    endpoint failed or the judge answers nonsense.
    """
    from harness.cli.record_file import write_records  # noqa: PLC0415 - help needs none of it
    from harness.ledger.records import plain  # noqa: PLC0415
    from harness.llm_judge.judgement_record import Judgement, seal_judgement  # noqa: PLC0415
    from harness.llm_judge.shown import Shown  # noqa: PLC0415

    _check(theirs, given)
    then = None if given["against"] is None else _then(given)
    if given["model"] is None:
        raise click.UsageError("Missing option '--model'.")
    place = given["replay"] or given["recording"] or folder / "judge.jsonl"
    signing = None if given["record"] is None else _signing(given, (ours, theirs or ours, place))
    shown = Shown()
    kind: Literal["pairwise", "single"] = "pairwise" if given["questions"] is None else "single"
    if kind == "single":
        conclude = _single(Path(ours), shown, given)
    else:
        conclude = _pairwise(_pairs((ours, theirs), given["seed"], folder, database, shown), place, given)
    with _judge(place, given) as judge:
        made = Judgement(kind, shown, judge, {name: given[name] for name in ("weighted", "controlled", "seed")})
        if then is not None:
            _compare(then, made, conclude, given, place)
        found, show = conclude(judge)
    made = replace(made, result=plain(found))
    _tell(_document(made, place), show, given)
    if signing is not None:
        write_records(seal_judgement(made, signing, given["nonce"]), given["record"])


def _check(theirs: str | None, given: dict[str, Any]) -> None:
    """Refuse options that do not go together."""
    if (given["questions"] is None) != (given["prompts"] is None):
        raise UserError("single scores need --questions and --prompts", remedy="give both, or a second file of answers")
    if given["questions"] is not None and (theirs is not None or given["controlled"] or given["weighted"]):
        raise UserError("single scores are for one file of answers", remedy="leave out what is for pairs")
    if given["references"] is not None and given["questions"] is None:
        raise UserError("--references are for single scores", remedy="give --questions and --prompts")
    if given["replay"] is not None and (given["recording"] is not None or given["base_url"] is not None):
        raise UserError("--replay asks nobody", remedy="leave out --recording and --base-url")
    if given["against"] is not None and (given["replay"] is None or given["record"] is not None):
        raise UserError("--against compares a replay with a record", remedy="give --replay, and leave out --record")
    for option, other in (("nonce", "record"), ("pems", "against")):
        if given[option] and given[other] is None:
            raise UserError(f"--{'key' if option == 'pems' else option} goes with --{other}")
    if given["temperature"] is not None and given["no_temperature"]:
        raise UserError("--temperature and --no-temperature exclude each other")


def _check_controlled(pairs: int) -> None:
    """Refuse before the first call what would fail after the last."""
    from harness.llm_judge.length import FOLDS  # noqa: PLC0415 - as above

    if importlib.util.find_spec("sklearn") is None:
        raise UserError("--length-controlled needs scikit-learn", remedy='pip install "preference-loss-harness[judge]"')
    if pairs < FOLDS:
        raise UserError(f"--length-controlled needs {FOLDS} prompts at least, and there are {pairs}")


def _signing(given: dict[str, Any], taken: tuple[str | Path, ...]) -> Signing:
    """What signs the record, which is looked at before anybody is paid. Raises UserError."""
    from harness.attestation.keys import Keyring  # noqa: PLC0415 - as above
    from harness.cli.record_file import check_record  # noqa: PLC0415

    files = [given[name] for name in ("questions", "prompts", "references")]
    check_record(given["record"], [Path(path) for path in (*taken, *files) if path is not None], given["nonce"])
    ring = Keyring()
    signing, fresh = ring.or_new()
    if fresh:
        say(f"harness: made a key to sign records with, in {ring.folder} (`harness keys show`)")
    return signing


def _then(given: dict[str, Any]) -> JudgementStatement:
    """The record to compare with, once it was verified; options that are not given are taken from it."""
    from harness.attestation.statement import JudgementStatement  # noqa: PLC0415 - as above
    from harness.cli.verify import end_unless_it_holds, records_in  # noqa: PLC0415
    from harness.core.files import LARGE, load_bytes  # noqa: PLC0415

    path = given["against"]
    found, problems = records_in(path, load_bytes(path, LARGE, "the record", links=True), given["pems"])
    known = [each.statement for each in found if isinstance(each.statement, JudgementStatement)]
    if not problems and len(known) != 1:
        problems = [f"{path} holds {len(known)} records of judgements, and one is compared with"]
    end_unless_it_holds(problems)
    said, source = known[0].predicate.annotations("judge"), click.get_current_context().get_parameter_source
    odd = [name for name, fits in _FITS.items() if name in said and not fits(said[name])]
    end_unless_it_holds([f"{path} tells of settings that no judge has: {', '.join(odd)}"] if odd else [])
    for name, option in _SETTINGS.items():
        if source(option) is ParameterSource.DEFAULT and name in said:
            given[option] = said[name]
    if given["temperature"] is None and not given["no_temperature"] and "temperature" in said:
        given |= {"temperature": said["temperature"], "no_temperature": said["temperature"] is None}
    return known[0]


def _pairwise(pairs: list[Pair], place: Path, given: dict[str, Any]) -> Conclude:
    from harness.llm_judge.pairwise import Form, compare  # noqa: PLC0415 - as above

    if given["controlled"]:
        _check_controlled(len(pairs))

    def conclude(judge: Judge) -> tuple[dict[str, Any], Callable[[], None]]:
        if not given["json_wanted"]:
            how = "by the calls in" if given["replay"] is not None else "calls are kept in"
            tell(f"{len(pairs)} pairs, in both orders; {how} {place}", err=True)
        outcome = compare(judge, pairs, Form(weighted=given["weighted"]))
        equal = _controlled(pairs, outcome) if given["controlled"] else None
        found = asdict(outcome) | {"length_controlled": None if equal is None else asdict(equal)}
        found["preferences"] = dict(zip((pair.name for pair in pairs), outcome.preferences, strict=True))
        return found, lambda: _show_pairs(outcome, equal)

    return conclude


def _single(answers: Path, shown: Shown, given: dict[str, Any]) -> Conclude:
    from harness.llm_judge import mtbench  # noqa: PLC0415 - as above

    ours = mtbench.read_answers(answers, shown)
    questions, prompts = (
        mtbench.read_questions(given["questions"], shown),
        mtbench.read_prompts(given["prompts"], shown),
    )
    references = None if given["references"] is None else mtbench.read_answers(given["references"], shown)

    def conclude(judge: Judge) -> tuple[dict[str, Any], Callable[[], None]]:
        scores = mtbench.rate(judge, questions, prompts, ours, references)
        return asdict(scores), lambda: _show_scores(scores)

    return conclude


def _compare(
    then: JudgementStatement, made: Judgement, conclude: Conclude, given: dict[str, Any], place: Path
) -> NoReturn:
    """Judge by the recording, and end with what differs from the record: that nothing comes of it differs too."""
    from harness.ledger.records import plain  # noqa: PLC0415 - as above
    from harness.llm_judge.judgement_record import Difference, differences  # noqa: PLC0415

    failed: list[Difference] = []
    show: Callable[[], None] | None = None
    try:
        found, show = conclude(made.judge)
        made = replace(made, result=plain(found))
    except HarnessError as error:
        failed.append(Difference("the recording", "it came to a result", error.message))
    differ = [*differences(then, made), *failed]
    document = {**_document(made, place), "differences": [asdict(each) for each in differ]}
    _tell(document, show, given)
    if not given["json_wanted"]:
        _show_differences(differ, given["against"])
    sys.exit(1 if differ else 0)


def _pairs(who: tuple[str, str | None], seed: int, folder: Path, database: str | None, shown: Shown) -> list[Pair]:
    from harness.llm_judge.pairwise import against, against_reference  # noqa: PLC0415 - as above

    ours, theirs = who
    first = _completions(ours, seed, folder, database, shown)
    if theirs is None:
        return against_reference(first)
    return against(first, _completions(theirs, seed, folder, database, shown))


def _completions(word: str, seed: int, folder: Path, database: str | None, shown: Shown) -> list[Completion]:
    """The answers in a file, or of a run."""
    from harness.ladder.climb import SAMPLES  # noqa: PLC0415 - as above
    from harness.llm_judge.pairwise import read_file, read_lines  # noqa: PLC0415 - as above

    if not word.isdecimal() or Path(word).exists():
        return read_file(Path(word), shown)
    name = SAMPLES.format(seed)
    with read_ledger(folder, database) as ledger:
        run = ledger.run(int(word))
        found = [one for one in ledger.attachments(run.id) if one.name == name]
        if not found:
            raise UserError(
                f"run {run.id} has no answers of seed {seed}",
                remedy=f"runs that fine-tune have some: `harness show {run.id} --json` lists what it has",
            )
        called = f"{name} of run {run.id}"
        return read_lines(shown.take(called, ledger.document(found[-1].sha256)), called)


@contextlib.contextmanager
def _judge(place: Path, given: dict[str, Any]) -> Iterator[Judge]:
    """The judge, whose calls are kept or known there."""
    from harness.llm.account import Budget, Prices  # noqa: PLC0415 - as above
    from harness.llm.recording import Recording  # noqa: PLC0415 - as above
    from harness.llm_judge.judge import Judge, Manner, endpoint_of  # noqa: PLC0415 - as above

    temperature = None if given["no_temperature"] else given["temperature"] or 0.0
    # Nobody is waited for in a replay: one at a time, and the first call that is missing is the one that is named.
    workers = given["workers"] if given["replay"] is None else 1
    manner = Manner(given["model"], temperature, given["reply_tokens"], given["reply_cap"], workers=workers)
    tokens, dollars = (math.inf if given[key] is None else given[key] for key in ("budget_tokens", "budget_dollars"))
    prices = (given["price_in"], given["price_out"])
    budget = Budget(tokens, dollars, Prices(*prices) if any(prices) else Prices())
    with contextlib.ExitStack() as stack:
        endpoint = None
        if given["replay"] is None:
            endpoint = endpoint_of(given["base_url"], seconds=given["timeout"], retries=given["retries"])
            stack.callback(endpoint.close)
        recording = stack.enter_context(Recording(place, read_only=endpoint is None))
        yield Judge(manner, recording, endpoint, budget)


def _controlled(pairs: list[Pair], outcome: Outcome) -> Controlled:
    from harness.llm_judge.length import Compared, length_controlled  # noqa: PLC0415 - loads scikit-learn

    both = zip(pairs, outcome.preferences, strict=True)
    return length_controlled([Compared(p, len(one.ours), len(one.theirs)) for one, p in both if p is not None])


def _document(made: Judgement, place: Path) -> dict[str, Any]:
    judge = made.judge
    account = judge.account
    spent = {"calls": account.spent.calls, "tokens": account.spent.tokens, "dollars": account.money}
    told = {"schema": "harness.judge/v1", "kind": made.kind, "judge": judge.manner.model, "recording": str(place)}
    return {**told, "result": made.result, "recorded": spent}


def _tell(document: dict[str, Any], show: Callable[[], None] | None, given: dict[str, Any]) -> None:
    if given["json_wanted"]:
        tell_json(document, sort_keys=True)
        return
    if show is not None:
        show()
    spent = document["recorded"]
    money = f", {spent['dollars']:.4f} dollars" if spent["dollars"] else ""
    tell(f"{document['recording']} holds {spent['calls']} calls, {spent['tokens']} tokens{money}")


def _show_differences(differ: Sequence[Difference], against: Path) -> None:
    if not differ:
        tell(f"the same again as in {against}: files, judge, code, prompts, replies and result")
        return
    tell(f"not the same as in {against}; the first difference comes first")
    for each in differ[:_SHOWN]:
        what, then, now = (sanitize.one_line(text, 160) for text in (each.what, each.then, each.now))
        tell(f"  {what}: then {then}, now {now}")
    if (more := len(differ) - _SHOWN) > 0:
        tell(f"  and {more} more")


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
