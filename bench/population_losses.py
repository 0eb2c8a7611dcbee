"""The mixed population that a ladder is measured with: what is wrong, what is mediocre, what is good."""

from __future__ import annotations

import hashlib
from pathlib import Path

from harness.core.candidate import Candidate, read_candidate

_ROOT = Path(__file__).resolve().parents[1]
_LOSSES, _BROKEN = _ROOT / "harness" / "losses", _ROOT / "tests" / "quality" / "losses"

#: Wrong in the ways in which language models are: each is some other fault.
BAD = (
    "negated",
    "constant",
    "output_dict",
    "chosen_only",
    "rejected_only",
    "reference_only",
    "even",
    "flipped_values",
    "start_cubed",
    "clamped_flat",
    "shuffled_pairs",
    "running_mean",
    "rewards_mixed_up",
    "subtracted_twice",
    "normalised_away",
    "shape_outer",
    "screen_numpy",
    "screen_random_noise",
    "spoofed_scale",
    "value_log_sigmoid_cold",
    "zero_root_abs",
    "raises_unknown_name",
    "straight_through",
    "writes_on_policy",
    "alternating_sign",
    "band_negative",
    "beta_half",
    "bump",
    "cumulative_mean",
    "even_confidence",
    "extreme_perplexity",
    "first_pair_anchor",
    "gradient_root_hinge",
    "inverted_tail",
    "needs_three_skewness",
    "oscillating",
    "position_weights",
    "quantised",
    "shape_column",
    "sorted_values",
    "value_atanh",
    "zero_log_abs",
)
#: Losses of the literature that learn.
GOOD = ("slic", "exp", "cdpo", "robust", "rpo", "aipo")
#: In place of x, beta times rho: right in principle, and too timid, too bold, or soon satisfied.
MEDIOCRE = {
    "smoothed_45": "0.55 * F.softplus(-x) + 0.45 * F.softplus(x)",
    "smoothed_40": "0.6 * F.softplus(-x) + 0.4 * F.softplus(x)",
    "smoothed_30": "0.7 * F.softplus(-x) + 0.3 * F.softplus(x)",
    "content_at_a_tenth": "F.relu(0.1 - x)",
    "content_at_a_fiftieth": "F.relu(0.02 - x)",
    "aims_at_a_tenth": "(x - 0.1) ** 2",
    "aims_at_three": "(x - 3.0) ** 2",
    "bounded_tanh": "-torch.tanh(x)",
    "bounded_atan": "-torch.atan(3.0 * x)",
    "bounded_sigmoid": "torch.sigmoid(-5.0 * x)",
    "timid": "F.softplus(-0.05 * x)",
    "bold": "F.softplus(-8.0 * x)",
}
_TEXT = """import torch
import torch.nn.functional as F


def {name}(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    x = beta * ((policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps))
    return {formula}
"""


def population() -> list[tuple[str, Candidate]]:
    """Sixty candidates, each with its kind: of ten seven are bad, two mediocre, one good, as `bench.scale` assumes."""
    out = [("bad", read_candidate(_BROKEN / f"{name}.py")) for name in BAD]
    out += [("good", read_candidate(_LOSSES / f"{name}.py")) for name in GOOD]
    for name, formula in MEDIOCRE.items():
        data = _TEXT.format(name=name, formula=formula).encode()
        out.append(("mediocre", Candidate(f"{name}.py", data, hashlib.sha256(data).hexdigest())))
    return out
