"""`harness discover`: a proposer writes losses, the harness judges them, the results go back; live, and resumable."""

from __future__ import annotations

import contextlib
import json
import math
import signal
import threading
from typing import TYPE_CHECKING, Any

import click

from harness.cli.ledgers import ledger_options, log_level_option, open_ledger
from harness.cli.progress import tell_json
from harness.core.errors import InfrastructureError, UserError
from harness.core.stopping import SIGNALS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from harness.core.verdict import Json
    from harness.discover.judging import LadderJudge
    from harness.discover.proposers import Ask
    from harness.discover.track import Plan

#: The ladder of each contract.
_LADDERS = {"preference": "bandit", "classification": "digits"}


@click.command("discover")
@click.option("--proposer", metavar="P", help="Who writes losses: openai:MODEL, replay:FILE or evolve.")
@click.option("--generations", type=click.IntRange(1), help="Stop after so many.  [default: 10]")
@click.option(
    "--ladder", "--profile", "profile", help="The ladder that judges.  [default: bandit, or digits for classification]"
)
@click.option("--contract", type=click.Choice(["preference", "classification"]), help="What a loss takes.")
@click.option("--seed", type=click.IntRange(0), help="Another run of chance.  [default: 0]")
@click.option("--resume", metavar="RUN", help="Go on with a run, by its name (run-1) or its folder.")
@click.option("--resamples", type=click.IntRange(0, 20), help="Times that a failure is sent back.  [default: 3]")
@click.option("--patience", type=click.IntRange(0), help="Stop after so many generations without a gain.")
@click.option("--tune-prompt", "tune", is_flag=True, default=None, help="Let a bandit choose among instructions.")
@click.option("--burn-in", "burn_in", multiple=True, metavar="NAME", help="Losses of the catalogue to begin with.")
@click.option("--confirm", type=click.IntRange(0, 1000), help="Fresh seeds at the end.  [default: 8]")
@click.option("--budget-tokens", type=click.IntRange(1), help="Stop when so many tokens are spent.")
@click.option("--budget-dollars", type=click.FloatRange(0, min_open=True), help="The same; needs prices.")
@click.option("--budget-gpu-hours", type=click.FloatRange(0, min_open=True), help="The same for climbs on a GPU.")
@click.option("--base-url", metavar="URL", help="An endpoint that speaks OpenAI's protocol, for openai:MODEL.")
@click.option("--timeout", default=120.0, show_default=True, type=click.FloatRange(1), help="Seconds for a reply.")
@click.option("--retries", default=4, show_default=True, type=click.IntRange(0, 20), help="Times a call is retried.")
@click.option("--reply-tokens", default=8192, show_default=True, type=click.IntRange(64), help="Longest reply.")
@click.option("--temperature", type=click.FloatRange(0, 2), help="The model's temperature.")
@click.option("--price-in", type=click.FloatRange(0), help="US dollars for a million tokens of context.")
@click.option("--price-out", type=click.FloatRange(0), help="US dollars for a million tokens of reply.")
@click.option("--pictures", is_flag=True, help="Show learning curves to the model as a picture too.")
@click.option("--gpu", default="none", show_default=True, metavar="auto|none|N,...", help="The GPU for the ladder.")
@click.option("--runtime", metavar="NAME", help="A runtime of the container engine, such as runsc (gVisor).")
@click.option("--json", "json_wanted", is_flag=True, help="Write the summary as JSON to standard output.")
@log_level_option
@ledger_options
def discover_command(
    folder: Path, database: str | None, resume: str | None, log_level: str | None, **given: Any
) -> None:
    """Search for better losses: ask a proposer, check, climb the ladder, feed the results back.

    Killed at any point, `--resume RUN` goes on without asking again for what was answered. Exit code: 0 the run came to
    an end, 2 the command makes no sense, 3 the proposer or the harness failed (resume it), 130 interrupted.
    """
    from harness.core.files import save_bytes  # noqa: PLC0415 - help needs none of it
    from harness.discover.journal import (  # noqa: PLC0415
        ASKED,
        JOURNAL,
        Journal,
        find_run,
        new_run,
    )
    from harness.discover.proposers import open_proposer  # noqa: PLC0415
    from harness.ladder import logs  # noqa: PLC0415

    logs.set_up(logs.Wish(log_level) if log_level else None)
    project = folder.resolve()
    place = find_run(project, resume) if resume else None
    if place is None and not given["proposer"]:
        raise UserError(
            "--proposer is missing", remedy="for example --proposer replay:examples/discovery/replies.jsonl"
        )
    if place is None:
        prepared = _prepare(given, {})  # what makes no sense leaves no folder behind, a proposer that is none too
        open_proposer(prepared[0].proposer, prepared[1]).close()
        place = new_run(project)
        save_bytes(json.dumps({"spec": prepared[0].proposer, "profile": prepared[2]}).encode(), place / ASKED)
        with Journal(place / JOURNAL) as journal:
            _go(journal, place, prepared, folder=project, database=database, given=given)
        return
    with Journal(place / JOURNAL) as journal:
        prepared = _prepare(given, {**(journal.head or {}), **_asked_for(place / ASKED)})
        _go(journal, place, prepared, folder=project, database=database, given=given)


def _asked_for(path: Path) -> dict[str, Any]:
    """By which words a run was begun; those of older versions are in their journals."""
    from harness.core.files import SMALL, json_of, load_bytes  # noqa: PLC0415 - help needs none of it

    told = json_of(load_bytes(path, SMALL, "what the run was asked for by"), str(path)) if path.exists() else {}
    return {key: told[key] for key in ("spec", "profile") if isinstance(told, dict) and isinstance(told.get(key), str)}


def _prepare(given: dict[str, Any], head: dict[str, Any]) -> tuple[Plan, Ask, str]:
    """The plan, how the proposer is wanted, and the ladder: as given, else as the run was begun with."""
    from harness.core import profiles  # noqa: PLC0415
    from harness.discover.proposers import Ask  # noqa: PLC0415
    from harness.discover.track import BURN_IN, CLASSIFICATION_BURN_IN, Plan  # noqa: PLC0415
    from harness.ladder.baselines import baseline_candidate  # noqa: PLC0415
    from harness.ladder.ladder import load  # noqa: PLC0415
    from harness.llm.account import Budget, Prices  # noqa: PLC0415

    def chosen(name: str, default: Any, key: str = "") -> Any:
        value = given[name]
        return value if value not in (None, ()) else head.get(key or name, default)

    wanted = given["contract"]
    ladder = load(chosen("profile", _LADDERS[wanted or "preference"]))
    contract = profiles.load(ladder.properties).contract
    if wanted not in {None, contract}:
        raise UserError(f"the ladder {ladder.name} is for the contract {contract}", remedy="leave one of the two out")
    if given["budget_dollars"] is not None and None in (given["price_in"], given["price_out"]):
        raise UserError("a budget in dollars needs a price", remedy="give --price-in and --price-out")
    tokens, dollars = (math.inf if given[key] is None else given[key] for key in ("budget_tokens", "budget_dollars"))
    plan = Plan(
        contract=contract,
        generations=chosen("generations", 10),
        proposer=chosen("proposer", "", "spec"),
        seed=chosen("seed", 0),
        resamples=chosen("resamples", 3),
        patience=chosen("patience", 0),
        tune=bool(chosen("tune", default=False)),
        burn_in=tuple(chosen("burn_in", BURN_IN if contract == "preference" else CLASSIFICATION_BURN_IN)),
        confirm=chosen("confirm", 8),
        budget=Budget(tokens, dollars, Prices(given["price_in"], given["price_out"])),
        gpu_hours=given["budget_gpu_hours"],
    )
    for name in plan.burn_in:
        baseline_candidate(name)
    ask = Ask(
        seed=plan.seed,
        contract=contract,
        base_url=given["base_url"],
        timeout=given["timeout"],
        retries=given["retries"],
        most_tokens=given["reply_tokens"],
        temperature=given["temperature"],
        price_in=given["price_in"],
        price_out=given["price_out"],
        pictures=given["pictures"],
    )
    return plan, ask, ladder.source


def _go(
    journal: Any,
    place: Path,
    prepared: tuple[Plan, Ask, str],
    *,
    folder: Path,
    database: str | None,
    given: dict[str, Any],
) -> None:
    from harness.attestation.keys import Keyring  # noqa: PLC0415
    from harness.cli.discovery_display import Display  # noqa: PLC0415
    from harness.core.files import save_bytes  # noqa: PLC0415
    from harness.discover import summary  # noqa: PLC0415
    from harness.discover.judging import LadderJudge, require_engine  # noqa: PLC0415
    from harness.discover.lineage import learning_curves  # noqa: PLC0415
    from harness.discover.loop import Discovery  # noqa: PLC0415
    from harness.discover.proposers import open_proposer  # noqa: PLC0415
    from harness.discover.record import RECORD, seal_discovery  # noqa: PLC0415
    from harness.ladder.ladder import load  # noqa: PLC0415

    plan, ask, profile = prepared
    ladder = load(profile)
    with contextlib.closing(open_proposer(plan.proposer, ask)) as proposer, open_ledger(folder, database) as ledger:
        require_engine()
        judge = LadderJudge(
            ladder, ledger, place / "candidates", database=database, gpu=given["gpu"], runtime=given["runtime"]
        )
        display = Display(place.name, proposer.label, plan.generations)
        loop = Discovery(plan, ladder, proposer, judge, journal, watch=display.update)
        loop.draw = lambda losses: learning_curves(losses, loop.metric)
        judge.say = lambda doing: display.doing(loop.track, doing)
        try:
            with _stoppable(judge), display:
                track = loop.run()
        except (KeyboardInterrupt, InfrastructureError):
            display.say(f"`harness discover --resume {place.name}` goes on with it")
            raise
        document = summary.document(
            track, run=place.name, profile=ladder.name, proposer=proposer.label, baseline=loop.baseline
        )
        document["replay"] = _compared(proposer)
        summary.leave(place, track, document, metric=loop.metric, baseline=loop.baseline)
        signing, _ = Keyring().or_new()
        line = seal_discovery(place, journal.entries, track, plan=plan, ladder=ladder, ledger=ledger, signing=signing)
        save_bytes(line, place / RECORD)
    display.end(track, summary.sentences(track, loop.baseline, loop.metric), document)
    if ladder.searched != ladder:
        display.say(f"`harness worker --drain --ladder {profile}` takes whom it found to what is held out from it")
    if given["json_wanted"]:
        tell_json(document, sort_keys=True)


def _compared(proposer: Any) -> Json:
    """How many requests of a replay were the recorded ones, to the byte."""
    compared = getattr(proposer, "compared", None)
    return None if compared is None else {"compared": compared, "same": proposer.same}


@contextlib.contextmanager
def _stoppable(judge: LadderJudge) -> Iterator[None]:
    """Ctrl-C and SIGTERM: a climb is asked to stop; everything else is left at once."""
    stop = threading.Event()

    def told(*_: object) -> None:
        stop.set()
        if not judge.climbing:
            raise KeyboardInterrupt

    judge.stopping = stop.is_set
    before = {number: signal.signal(number, told) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
