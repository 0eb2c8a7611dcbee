"""The catalogue: known preference losses, each written as a candidate.

Nothing here is imported by the harness: an entry is text, checked in a sandbox like anybody's text. So this
module loads no torch. Names are the papers' names in small letters; `aliases` holds other names in use, among
them those of trl's `loss_type`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

__all__ = ["CATALOGUE", "Entry", "find", "path_of", "source_text"]

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Entry:
    """One loss of the catalogue.

    `kind` is "batch" where a value depends on the other pairs of the batch. `smallest_batch` is the number of
    pairs below which the loss is not finite.
    """

    name: str
    file: str
    title: str
    source: str
    kind: Literal["pointwise", "batch"] = "pointwise"
    reference_free: bool = False
    smallest_batch: int = 1
    aliases: tuple[str, ...] = ()


_DISCOPOP = "arXiv 2406.08414"

CATALOGUE: tuple[Entry, ...] = (
    Entry("dpo", "dpo.py", "Direct preference optimization", "arXiv 2305.18290", aliases=("sigmoid",)),
    Entry("slic", "slic.py", "Hinge loss of the margin", "arXiv 2305.10425", aliases=("hinge",)),
    Entry("ipo", "ipo.py", "Identity preference optimization", "arXiv 2310.12036"),
    Entry("ipo_norm", "ipo_norm.py", "IPO per token", "arXiv 2310.12036"),
    Entry("kto_pair", "kto_pair.py", "KTO on pairs", "arXiv 2402.01306", "batch", aliases=("kto",)),
    Entry("exp", "exp.py", "Exponential loss of the margin", _DISCOPOP),
    Entry(
        "dbaql",
        "dbaql.py",
        "Dynamic blended adaptive quantile loss",
        _DISCOPOP,
        "batch",
        smallest_batch=2,
    ),
    Entry("aql", "aql.py", "Adaptive quantile loss", _DISCOPOP, "batch"),
    Entry("aql_refactored", "aql_refactored.py", "Adaptive quantile loss, refactored", _DISCOPOP, "batch"),
    Entry("padll", "padll.py", "Performance-adaptive decay logistic loss", _DISCOPOP),
    Entry("aqfl", "aqfl.py", "Adaptive quantile feedback loss", _DISCOPOP, "batch", smallest_batch=2),
    Entry("cell", "cell.py", "Combined exponential and logistic loss", _DISCOPOP),
    Entry("lrml", "lrml.py", "Log-ratio modulated loss (DiscoPOP)", _DISCOPOP, aliases=("discopop",)),
    Entry("pfl", "pfl.py", "Policy-focused loss", _DISCOPOP),
    Entry("pfl_refactored", "pfl_refactored.py", "Policy-focused loss, refactored", _DISCOPOP),
    Entry("exo_pair", "exo_pair.py", "EXO on pairs", "arXiv 2402.00856", aliases=("exo",)),
    Entry("nca_pair", "nca_pair.py", "Noise-contrastive alignment on pairs", "arXiv 2402.05369"),
    Entry("robust", "robust.py", "Robust DPO", "arXiv 2403.00409"),
    Entry("cdpo", "cdpo.py", "Conservative DPO", "arXiv 2305.18290"),
    Entry("bco_pair", "bco_pair.py", "Binary classifier optimization on pairs", "arXiv 2404.04656"),
    Entry("bco_shifted", "bco_shifted.py", "BCO with the reward shift", "arXiv 2404.04656", "batch"),
    Entry("sppo_hard", "sppo_hard.py", "Self-play preference optimization", "arXiv 2405.00675"),
    Entry("aot", "aot.py", "Alignment by optimal transport", "arXiv 2406.05882", "batch"),
    Entry("aot_unpaired", "aot_unpaired.py", "AOT on unpaired answers", "arXiv 2406.05882", "batch"),
    Entry("apo_zero", "apo_zero.py", "Anchored preference optimization, zero", "arXiv 2408.06266"),
    Entry("apo_down", "apo_down.py", "Anchored preference optimization, down", "arXiv 2408.06266"),
    Entry("sigmoid_norm", "sigmoid_norm.py", "DPO per token", "arXiv 2411.15124"),
    Entry("aipo", "aipo.py", "Agreement-aware iterative preference optimization", "arXiv 2409.08845"),
    Entry("rpo", "rpo.py", "DPO with a likelihood term", "arXiv 2404.19733"),
    Entry("tsallis", "tsallis.py", "Tsallis mirror map", "arXiv 2411.06568"),
    Entry("orpo", "orpo.py", "Odds ratio preference optimization", "arXiv 2403.07691", reference_free=True),
    Entry("simpo", "simpo.py", "Simple preference optimization", "arXiv 2405.14734", reference_free=True),
    Entry("cpo", "cpo.py", "Contrastive preference optimization", "arXiv 2401.08417", reference_free=True),
)


def find(name: str) -> Entry | None:
    """Find an entry by its name or an alias, in any case; None where there is none."""
    wanted = name.lower()
    for entry in CATALOGUE:
        if wanted == entry.name or wanted in entry.aliases:
            return entry
    return None


def path_of(name: str) -> Path:
    """Give the file of an entry. Raises KeyError for a name that is not in the catalogue."""
    entry = find(name)
    if entry is None:
        raise KeyError(name)
    return _HERE / entry.file


def source_text(name: str) -> str:
    """Give the text of an entry. Raises KeyError for a name that is not in the catalogue."""
    return path_of(name).read_text(encoding="utf-8")
