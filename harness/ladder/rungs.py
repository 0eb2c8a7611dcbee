"""The kinds of rungs. A rung with seeds is a function from a candidate's answers and a seed to metrics.

A new one is an entry in `SEEDED`, or a task of `harness.train.tasks` where it trains in a container of its own; the
queue, the gates and the commands know none of them by name.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from harness import __version__
from harness.errors import UserError
from harness.ladder import bandit
from harness.ladder.sources import code_of
from harness.train.tasks import MODULES

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.judge.subject import Subject
    from harness.ladder.profile import Ladder, RungPlan

#: Rungs whose outcome is a verdict, and not metrics by seed.
VERDICTS = ("screen", "properties")


def _bandit(subject: Subject, plan: RungPlan, seed: int) -> dict[str, float]:
    settings: dict[str, Any] = dict(plan.settings)
    return bandit.measure(subject, seed, bandit.Settings(**settings))


#: Rungs that are measured in this process.
SEEDED: dict[str, Callable[[Subject, RungPlan, int], dict[str, float]]] = {"bandit": _bandit}
#: Rungs that train, apart from everything else; see `harness.ladder.training`.
TRAINED = tuple(MODULES)
#: All rungs whose outcome is metrics by seed, for a gate.
GATED = (*SEEDED, *TRAINED)


def check_kinds(ladder: Ladder) -> None:
    """Refuse a ladder with a rung that this version does not know, or one that trains and has no gate."""
    for plan in ladder.rungs:
        if plan.kind not in {*VERDICTS, *GATED}:
            raise UserError(f"the ladder {ladder.name} has a rung of the unknown kind {plan.kind!r}")
        if plan.kind in GATED and (plan.gate is None or not plan.baseline):
            raise UserError(f"the rung {plan.name} of {ladder.name} needs a gate and a baseline")


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
    return hashlib.sha256(json.dumps(what, sort_keys=True, default=list).encode()).hexdigest()
