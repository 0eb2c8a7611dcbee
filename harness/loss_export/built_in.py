"""The losses that trl has built in: found by a fingerprint, believed by a comparison in sandboxes.

A fingerprint is public: it only finds, and decides nothing (`harness.subject.identity`).
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.ladder.baselines import baseline_candidate
from harness.ladder.duplicates import compared

if TYPE_CHECKING:
    from harness.checks.checker import Checker
    from harness.loss_export.promoted import Promoted


@dataclass(frozen=True)
class BuiltIn:
    """A loss of the catalogue that trl 1.16.0 has: by its name there, its `loss_type`, and what else it is set by."""

    name: str
    loss_type: str
    settings: str = ""

    def config(self, beta: str) -> str:
        """The line of a configuration."""
        return f'DPOConfig(loss_type="{self.loss_type}", beta={beta}{self.settings})'


#: By the fingerprints of the catalogue's texts; a test makes them anew.
KNOWN = {
    "62c28c7a150efe7f502b1ec732f778f6aea4f3abc0d6ca341a9f041a26bbcd46": BuiltIn("dpo", "sigmoid"),
    "f32a3df159850d4854a4095680e7b6346f62fc64587d67643a99910685d9836e": BuiltIn("slic", "hinge"),
    "38861f99adf044b7bf983dbd422405c84bda6297f766227bd591d1b273a66e44": BuiltIn("ipo_norm", "ipo"),
    "7e63e647f054d1ff0d15b99d87efdf9e8dcf93643ce486982ab4d0de1e4727f1": BuiltIn(
        "exo_pair", "exo_pair", ", label_smoothing=1e-3"
    ),
    "4e42300544db22e60ea232a76b71dce6ff90604cd1fbc4f431ec3ff4366d4f16": BuiltIn("nca_pair", "nca_pair"),
    "b984158bf991c9bb8eb635ebc5dbfacfba35aae98400aaa5c29a47e9cfb6e868": BuiltIn(
        "robust", "robust", ", label_smoothing=0.1"
    ),
    "3f44f3b67d77ed96e06c2c755c11109f5e90495355f4ca22c9feecfd341be06b": BuiltIn("bco_pair", "bco_pair"),
    "5de7a92fb428c32eb5fc16c52d35d1dd983a36813e687ffe9a50e6426b2f6b01": BuiltIn("sppo_hard", "sppo_hard"),
    "4cfb7d1ab759ea7fd7efaf23a8257cb42bddeca17c04b2c4a28e0640f57e713e": BuiltIn("aot", "aot"),
    "e853747eb68df6989bdbdb4fab327e1333a4252729ae1b2f0e78df76e4c4bf8b": BuiltIn("aot_unpaired", "aot_unpaired"),
    "7be36cd99294b82f0352eedda165c953d17f45ad05c643444c02e44e06d8ece4": BuiltIn("apo_zero", "apo_zero"),
    "041fe5d028df1fa19005233e2e06422c5cb7718d6aa3d844cd0a785563280466": BuiltIn("apo_down", "apo_down"),
    "eddb412d9abd103b0342219d13f5c08ab31467e6984f93a618a71f82d785aefd": BuiltIn(
        "lrml", "discopop", ", discopop_tau=0.05"
    ),
    "f5766958acaab3b3fcbdf155edd12f0798254f7cb4496015996c23e36f6e2a5b": BuiltIn("sigmoid_norm", "sigmoid_norm"),
}


def found_by_fingerprint(one: Promoted) -> BuiltIn | None:
    """The built-in loss whose fingerprint this loss has; nothing is decided by that."""
    return KNOWN.get(str(one.facts.get("fingerprint")))


def difference_from(one: Promoted, known: BuiltIn, checker: Checker) -> str | None:
    """Where a loss first differs from a built-in one, both asked in sandboxes; None: nowhere. InfrastructureError."""
    key = secrets.token_bytes(32)
    return compared(checker, {}, key, checker.screen(one.candidate), checker.screen(baseline_candidate(known.name)))
