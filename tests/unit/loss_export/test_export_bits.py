"""An exported loss gives the oracle's bits, in every dialect; and its own test notices where it does not."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest
import torch
from export_samples import DISCOPOP, exported, imported
from support import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from harness.attestation.keys import Keyring

EXAMPLES = ROOT / "examples"
FOUR = "policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps"
RHO = "(policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)"
#: Data classes whose annotations are texts look their module up, while they are loaded and while they are called.
CLASSES = f"""
from __future__ import annotations
from dataclasses import dataclass
@dataclass
class Weights:
    one: float
    two: float = 0.5
def loss({FOUR}, beta):
    @dataclass
    class Inner:
        x: object
    w = Weights(1.0)
    return w.one * F.softplus(-beta * Inner({RHO}).x) * (w.two + w.two)
"""
ORDER = """
def loss(beta, rr, pc, *, ref_chosen_logps, pr):
    return F.softplus(-beta * ((pc - pr) - (ref_chosen_logps - rr)))
"""
HOSTILE = (
    '"""It\'s a \\"\\"\\" loss \u2014 \u03b2 {x} %s \\\\ \' """\r\nNAME = \'"""; raise SystemExit #\'\r\n'
    f"def loss({FOUR}, beta):\r\n    r'''\\N{{not}} \"\"\" a name'''\r\n    text = 'caf\u00e9 \\u2028'\r\n"
    f"    return F.softplus(-beta * ({RHO})) * (len(text) / 6)\r\n"
)
TEXTS = {
    "function": (EXAMPLES / "dpo.py").read_bytes(),
    "method": (EXAMPLES / "discopop_method.py").read_bytes(),
    "reply": (EXAMPLES / "reply.json").read_bytes(),
    "helpers": (EXAMPLES / "helpers.py").read_bytes(),
    "batch statistics": (EXAMPLES / "dbaql.py").read_bytes(),
    "scalar": (EXAMPLES / "scalar.py").read_bytes(),
    "lengths": (EXAMPLES / "aipo.py").read_bytes(),
    "progress": (EXAMPLES / "annealed.py").read_bytes(),
    "match": (EXAMPLES / "match_statement.py").read_bytes(),
    "classes": CLASSES.encode(),
    "order": ORDER.encode(),
    "hostile": HOSTILE.encode(),
}


@pytest.mark.parametrize("name", TEXTS)
def test_the_oracles_bits(tmp_path: Path, ring: Keyring, name: str) -> None:
    folder = exported(tmp_path, ring, TEXTS[name])
    bits = imported(folder, "test_bits")
    assert len(json.loads((folder / "oracle.json").read_bytes())["asked"]) == 24
    assert bits.different() == []
    known = json.loads((folder / "loss.json").read_bytes())["candidate"]
    assert (folder / known["file"]).read_bytes() == TEXTS[name]
    assert known["file"] == ("candidate.txt" if name == "reply" else "candidate.py")


def test_tuned_values_are_bound_and_others_are_noticed(tmp_path: Path, ring: Keyring) -> None:
    data = (EXAMPLES / "tunable.py").read_bytes()
    middle = exported(tmp_path / "middle", ring, data)
    constants = json.loads((middle / "loss.json").read_bytes())["program"]["constants"]
    assert constants
    tuned = {name: value * 1.25 for name, value in constants.items()}
    folder = exported(tmp_path / "tuned", ring, data, chosen=tuned)
    known = json.loads((folder / "loss.json").read_bytes())
    assert known["program"]["constants"] == tuned
    assert not known["limits"]["by_rho"], "the map is of the middle"
    assert imported(folder, "test_bits").different() == []
    assert "as they were tuned" in (folder / "README.md").read_text()
    assert "middle of their ranges" in (middle / "README.md").read_text()
    known["program"]["constants"] = constants
    (folder / "loss.json").write_text(json.dumps(known))
    imported(folder).about.cache_clear()
    assert imported(folder, "test_bits").different()


def test_a_process_of_its_own_says_so_too(tmp_path: Path, ring: Keyring) -> None:
    """What differs makes it fail; `tests/integration/test_export_loss.py` has one that passes."""
    folder = exported(tmp_path, ring)
    told = json.loads((folder / "oracle.json").read_bytes())
    told["environment"] = {"EXPORT_TEST": "1"}
    told["asked"][1]["beta"] *= 1.5
    (folder / "oracle.json").write_text(json.dumps(told))
    with pytest.raises(AssertionError, match="question 1: values, chosen, rejected"):
        imported(folder, "test_bits").test_the_bits_are_the_oracles()


def test_a_text_that_was_changed_does_not_run(tmp_path: Path, ring: Keyring) -> None:
    folder = exported(tmp_path, ring)
    (folder / "candidate.py").write_bytes(DISCOPOP + b"\n")
    with pytest.raises(ImportError, match="not the text that was judged"):
        imported(folder).Loss()


def test_it_finds_what_the_sandbox_has_and_nothing_more(tmp_path: Path, ring: Keyring) -> None:
    """A loss that looks whether it is guarded sees no difference: what is refused there is refused here."""
    text = f"""
def loss({FOUR}, beta):
    try:
        free = 0.0 * len([[torch][0].sinc_])  # of a tensor it is admitted, and so the screen cannot see it
    except Exception:
        free = 1.0
    return F.softplus(-beta * ({RHO})) * free
"""
    folder = exported(tmp_path, ring, text.encode())
    z = torch.zeros(2)
    assert imported(folder).Loss()(z, z, z, z).tolist() == pytest.approx([0.6931472] * 2)


def test_a_module_of_that_name_is_left_alone(tmp_path: Path, ring: Keyring, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = exported(tmp_path, ring, CLASSES.encode())
    monkeypatch.setitem(sys.modules, "candidate", pytest)
    loss = imported(folder).Loss()
    z = torch.zeros(2)
    loss(z, z, z, z)
    assert sys.modules["candidate"] is pytest


def test_torchtune_and_torch(tmp_path: Path, ring: Keyring) -> None:
    folder = exported(tmp_path, ring)
    tune, plain = imported(folder, "torchtune_loss"), imported(folder, "torch_loss")
    four = [torch.tensor(v) for v in ([-10.0, -12.0], [-11.0, -9.0], [-10.5, -12.0], [-10.0, -9.5])]
    losses, chosen, rejected = tune.TorchtuneLoss(beta=0.5)(*four)
    assert losses.tolist() == imported(folder).Loss(0.5)(*four).tolist()
    assert (chosen.tolist(), rejected.tolist()) == ([0.25, 0.0], [-0.5, 0.25])

    class Outputs:
        def __init__(self, chosen: torch.Tensor, rejected: torch.Tensor) -> None:
            self.chosen_logps, self.rejected_logps = chosen, rejected

    again, *_ = tune.TorchtuneLoss(beta=0.5)(Outputs(*four[:2]), Outputs(*four[2:]))
    assert again.tolist() == losses.tolist()
    assert plain.TorchLoss(0.5)(*four).item() == losses.mean().item()
    curve = plain.example()
    assert curve[-1] < curve[0]
