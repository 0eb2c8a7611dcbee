"""The kinds of rungs. A rung with seeds is a function from a candidate's answers and a seed to metrics.

A new one is an entry in `SEEDED`, or a task of `harness.trainer.tasks` where it trains in a container of its own; the
queue, the gates and the commands know none of them by name.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

from harness.core.digests import json_digest
from harness.core.version import __version__
from harness.ladder import bandit
from harness.ladder.sources import code_of
from harness.trainer.tasks import CONTRACTS, MODULES, settings_of
from harness.training.rung import split

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.ladder.plan import Ladder, RungPlan
    from harness.protocol.job import Declared, Setting
    from harness.subject.subject import Subject

#: Rungs whose outcome is a verdict, and not metrics by seed.
VERDICTS = ("screen", "properties")


def _bandit(subject: Subject, plan: RungPlan, seed: int) -> dict[str, float]:
    return bandit.measure(subject, seed, bandit.Settings.of(cast("dict[str, Setting]", dict(plan.settings))))


#: Rungs that are measured in this process.
SEEDED: dict[str, Callable[[Subject, RungPlan, int], dict[str, float]]] = {"bandit": _bandit}
#: Rungs that train, apart from everything else; see `harness.training`.
TRAINED = tuple(MODULES)
#: All rungs whose outcome is metrics by seed, for a gate.
GATED = (*SEEDED, *TRAINED)


def contract_of(kind: str) -> str:
    """The contract that losses keep which are trained with at rungs of a kind."""
    return CONTRACTS.get(kind, "preference")


def declared_by(plan: RungPlan, only: str | None = None) -> Declared:
    """What a rung measures by its settings, and what it needs; by `only` one of them, all others being the defaults.

    Raises StepError and UserError, the user's, for settings that make no sense.
    """
    settings = tuple((name, value) for name, value in plan.settings if only in {None, name})
    given = cast("dict[str, Setting]", dict(settings))
    if plan.kind in SEEDED:
        return bandit.Settings.of(given).declared()
    _, given = split(replace(plan, settings=settings))
    return settings_of(plan.kind, given).declared()


def evaluation_digest(ladder: Ladder, plan: RungPlan, image_digest: str, trained: str = "") -> str:
    """SHA-256 of what decides about a rung's outcome, besides the candidate: plan, code, baseline, image.

    `trained` tells what a training rung depends on besides: the code and the place of the training, the user's files.
    """
    what = {
        "harness": __version__,
        "code": code_of(plan.kind, plan.baseline),
        "image": image_digest,
        "properties": ladder.properties,
        "rung": plan.name,
        "kind": plan.kind,
        "baseline": plan.baseline,
        "settings": dict(plan.settings),
        "gate": repr(plan.gate),
    }
    if trained:
        what["trained"] = trained
    return json_digest(what)
