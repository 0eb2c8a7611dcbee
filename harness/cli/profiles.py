"""`harness profiles`: the dated sets of rules, and the ladders that are built on them."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import click

from harness.cli.progress import tell, tell_json
from harness.core.errors import UserError
from harness.core.profiles import load, names
from harness.ledger.records import plain

if TYPE_CHECKING:
    from harness.core.profiles import Profile
    from harness.ladder.plan import Ladder


@click.command("profiles")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Write JSON to standard output.")
def profiles_command(name: str | None, *, as_json: bool) -> None:
    """List the profiles and the ladders, or show the one called NAME.

    A profile says what a check asks for; a ladder, which rungs follow it, and what each of their gates wants to see.
    """
    profiles, ladders = _chosen(name)
    if as_json:
        document = {
            "schema": "harness.profiles/v1",
            "profiles": [_profile(p) for p in profiles],
            "ladders": [_ladder(ladder) for ladder in ladders],
        }
        tell_json(document, indent=2)
        return
    for profile in profiles:
        tell(f"{profile.name}  {profile.date}  {profile.contract}  sha256 {profile.digest[:12]}")
        if name:
            for key in ("properties", "domain", "limits", "not_run"):
                tell(f"  {key}: {_profile(profile)[key]}")
    for ladder in ladders:
        rungs = " > ".join(plan.name for plan in ladder.rungs)
        tell(f"{ladder.name}  {ladder.date}  {rungs}  sha256 {ladder.digest[:12]}")
        if name:
            _show(ladder)


def _chosen(name: str | None) -> tuple[list[Profile], list[Ladder]]:
    from harness.ladder import ladder as ladders  # noqa: PLC0415 - loads pydantic and what gates need

    if name is None:
        return [load(n) for n in names()], [ladders.load(n) for n in ladders.names()]
    if name in names():
        return [load(name)], []
    try:
        return [], [ladders.load(name)]
    except UserError as error:
        if name.endswith(".toml"):  # it says what is wrong with the file
            raise
        known = ", ".join((*names(), *ladders.names()))
        raise UserError(
            f"there is no profile and no ladder {name!r}", remedy=f"one of: {known}, or a .toml file"
        ) from error


def _profile(profile: Profile) -> dict[str, Any]:
    return {
        "name": profile.name,
        "date": profile.date,
        "contract": profile.contract,
        "digest": profile.digest,
        "properties": list(profile.properties),
        "examples": profile.examples,
        "domain": dict(profile.domain_numbers),
        "limits": dict(profile.limit_numbers),
        "not_run": dict(profile.not_run),
    }


def _ladder(ladder: Ladder) -> dict[str, Any]:
    return {
        "name": ladder.name,
        "date": ladder.date,
        "digest": ladder.digest,
        "profile": ladder.properties,
        "rungs": [
            {
                "name": plan.name,
                "kind": plan.kind,
                "needs": plan.needs,
                "baseline": plan.baseline or None,
                "asks_a_person": plan.ask_a_person,
                "held_out": plan.held_out,
                "settings": dict(plan.settings),
                "gate": plain(dataclasses.asdict(plan.gate)) if plan.gate is not None else None,
            }
            for plan in ladder.rungs
        ],
    }


def _show(ladder: Ladder) -> None:
    tell(f"  judges by profile {ladder.properties}")
    for plan in ladder.rungs:
        against = f", against {plan.baseline}" if plan.baseline else ""
        asks = ", then a person is asked" if plan.ask_a_person else ""
        held = f", held out: seeds from {plan.first_seed}, and no search is told" if plan.held_out else ""
        tell(f"  {plan.name}: {plan.kind} on {plan.needs}{against}{held}{asks}")
        if plan.gate is not None:
            tell(f"    gate: {plan.gate}")
        if plan.settings:
            tell(f"    settings: {', '.join(f'{key} {value}' for key, value in plan.settings)}")
