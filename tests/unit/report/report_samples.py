"""Results to report on: DPO and DiscoPOP computed here in float32, and reports full of hostile text."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from harness.core.result import CheckReport, CheckResult
from harness.core.verdict import Accepted, Finding, Location, Rejected, Severity, Undecided

BETAS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
ROOT_MARK = "examples"


def _sigmoid(x):
    return (np.float32(1) / (np.float32(1) + np.exp(-x))).astype(np.float32)


def dpo(rho, beta):
    """DPO and its slope in float32."""
    x = (np.float32(beta) * rho).astype(np.float32)
    return np.logaddexp(np.float32(0), -x), (-np.float32(beta) * _sigmoid(-x)).astype(np.float32)


def lrml(rho, beta):
    """DiscoPOP and its slope in float32: NaN where exp overflows against a zero."""
    x = (np.float32(beta) * rho).astype(np.float32)
    gate, grow, logistic = _sigmoid(x / np.float32(0.05)), np.exp(-x), np.logaddexp(np.float32(0), -x)
    value = (1 - gate) * logistic + gate * grow
    steep = gate * (1 - gate) / np.float32(0.05)
    slope = np.float32(beta) * (steep * (grow - logistic) - (1 - gate) * _sigmoid(-x) - gate * grow)
    return value, np.where(np.isfinite(value), slope, np.nan)


def banded(rho, beta):
    """DPO with NaN for rho between 3.1 and 4.4."""
    value, slope = dpo(rho, beta)
    return np.where((rho > 3.1) & (rho < 4.4), np.nan, value), slope


def listed(values):
    """Numbers as the facts hold them."""
    return [_word(float(v)) for v in values]


def _word(value):
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value


def facts_of(loss, **more):
    """The facts of a pointwise loss."""
    with np.errstate(all="ignore"):
        rho = np.linspace(-120, 120, 481, dtype=np.float32)
        (value, slope), (dpo_value, dpo_slope) = loss(rho, 0.05), dpo(rho, 0.05)
        # The step is 1/100 where the known onsets of beta 1, 2.5 and 5 lie.
        half = np.concatenate([np.arange(0, 100, 0.01), np.geomspace(100, 5000, 200)])
        fine = np.concatenate([-half[:0:-1], half]).astype(np.float32)
        rows = [_states(*loss(fine, beta)) for beta in BETAS]
    shown = np.linspace(0, fine.size - 1, 401).astype(int)
    onset = []
    for beta, row in zip(BETAS, rows, strict=True):
        below, above = fine[(row > 0) & (fine < 0)], fine[(row > 0) & (fine >= 0)]
        onset.append(
            {
                "beta": beta,
                "below": float(below.max()) if below.size else None,
                "above": float(above.min()) if above.size else None,
            }
        )
    at_zero = [float(part[0]) for part in loss(np.zeros(1, dtype=np.float32), 0.05)]
    return {
        "value_at_zero": at_zero[0],
        "slope_at_zero": at_zero[1],
        "statistic": "pointwise",
        "reference_free": False,
        "reduced": False,
        "smallest_batch": 1,
        "convex": True,
        "non_convex_where": [],
        "minima": [],
        "maxima": [],
        "fingerprint": "ab" * 32,
        "uses": ["beta"],
        "curve": {
            "beta": 0.05,
            "rho": listed(rho),
            "value": listed(value),
            "slope": listed(slope),
            "dpo_value": listed(dpo_value),
            "dpo_slope": listed(dpo_slope),
        },
        "stability": {
            "beta": list(BETAS),
            "rho": listed(fine[shown]),
            "state": [[int(s) for s in row[shown]] for row in rows],
            "onset": onset,
            "domain": {"beta": [0.025, 1.0], "abs_beta_rho": 50},
        },
        **more,
    }


def _states(value, slope):
    return np.where(~np.isfinite(value), 2, np.where(~np.isfinite(slope), 1, 0))


LRML_FACTS = facts_of(
    lrml,
    convex=False,
    non_convex_where=[[-1.5, 9.5]],
    minima=[{"rho": -2.3714, "value": 0.785924}],
    maxima=[{"rho": 1.44012, "value": 0.87829}],
)
RAISES = Finding(
    "W202",
    "raises",
    Severity.ERROR,
    "it raised RuntimeError on a batch of 3 at beta 0.05",
    "Make the function work for the printed batch.",
    {"beta": 0.05, "policy_chosen_logps": [-12.5, "NaN"], "rho": [3.75, 1.0]},
    Location(12, 5),
    "RuntimeError: size mismatch",
)
FLOOD = Finding("W207", "output-flood", Severity.WARNING, "It prints at every call.", "Remove the prints.")


def result(verdict=None, **changes):
    """An accepted DiscoPOP, with changes."""
    base = CheckResult(
        path="examples/discopop.py",
        sha256="5f" * 32,
        name="log_ratio_modulated_loss",
        verdict=Accepted(),
        facts=LRML_FACTS,
        properties={"S105": "passed", "W202": "passed", "W203": "not-run"},
        environment={"device": "cpu", "torch": "2.13.0"},
        timings={"total": 1.25, "W202": 0.5},
    )
    return replace(base, **({} if verdict is None else {"verdict": verdict}), **changes)


def report(*results):
    """A report of these results; without any, of one of each verdict."""
    if not results:
        results = (
            result(),
            result(
                Rejected((RAISES, FLOOD)),
                path="examples/band.py",
                name="banded",
                facts=facts_of(banded),
                properties={"S105": "passed", "W202": "failed", "W207": "warned"},
            ),
            result(
                Undecided("The engine stopped answering.", "Start it: systemctl start docker."),
                path="examples/late.py",
                facts={},
                properties={},
            ),
        )
    return CheckReport("2026.1", 0, tuple(results))


#: Places of a report that a candidate's text can reach, or might if the harness had a hole, in groups.
PLACES = (
    ("path", "name"),
    ("message", "fix", "reason", "remedy"),
    ("counterexample name", "counterexample", "detail", "output"),
    ("uses", "fingerprint", "another fact", "environment"),
)


def hostile_report(text, *places, facts=LRML_FACTS):
    """A report of a rejection with two findings, of an undecided and of an accepted one; `text` in these places.

    Without places, in all of them.
    """

    def at(place):
        return text if not places or place in places else "word"

    finding = Finding(
        "W202",
        "raises",
        Severity.ERROR,
        at("message"),
        at("fix"),
        {at("counterexample name"): at("counterexample"), "b": [at("counterexample")]},
        Location(3, 1),
        at("detail"),
    )
    warning = replace(finding, severity=Severity.WARNING)
    told = {**facts, "uses": [at("uses")], "fingerprint": at("fingerprint")}
    common = {"path": f"{ROOT_MARK}/{at('path')}.py", "name": at("name"), "output": at("output")}
    extra = {"extra": {at("another fact"): [at("another fact")]}}
    return report(
        result(
            Rejected((finding, warning)),
            **common,
            facts={**told, **extra},
            environment={at("environment"): at("environment")},
        ),
        result(Undecided(at("reason"), at("remedy"), (warning,)), **common, facts={}),
        result(Accepted(), **common, facts={k: told[k] for k in ("uses", "fingerprint")}),
    )
