"""A search in the contract for classification: what is asked, what is read, who refuses, which ladder is taken."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from scripted import FakeJudge, Script, discovery

from harness.cli.discover import _prepare, discover_command
from harness.core.errors import UserError
from harness.discover.archive import cell
from harness.discover.journal import Journal
from harness.discover.prompts import messages
from harness.discover.proposers import Ask, Context, Known, Proposal, open_proposer
from harness.discover.reading import read
from harness.discover.templates import TEMPLATES
from harness.discover.track import CLASSIFICATION_BURN_IN
from harness.ladder.baselines import baseline_candidate
from harness.llm.account import Usage

if TYPE_CHECKING:
    from pathlib import Path

CODE = "def mine(logits, targets):\n    return F.cross_entropy(logits, targets, reduction='none')\n"
REPLY = Proposal(json.dumps({"thought": "t", "name": "mine", "parents": [], "code": CODE}), Usage(1, 1, None, 1))
#: The command's options as click gives them where only a proposer is named.
GIVEN: dict[str, Any] = {parameter.name: None for parameter in discover_command.params if parameter.name}
GIVEN |= {"proposer": "replay:x", "timeout": 1.0, "retries": 0, "reply_tokens": 64, "pictures": False}


def context(contract: str, **more: Any) -> Context:
    return Context(
        contract=contract, metric="accuracy", baseline="cross_entropy", generation=0, attempt=0, seed=1, **more
    )


def test_the_words_are_the_contracts() -> None:
    system, question = (str(one["content"]) for one in messages(context("classification")))
    assert "def loss(logits, targets)" in system
    assert "classifying images" in system
    assert not {word for word in ("policy", "rho", "beta", "preference") if word in system.lower()}
    assert "accuracy" in question
    preference = str(messages(context("preference"))[0]["content"])
    assert preference.startswith("You design loss functions for learning from preferences. You propose")
    assert "logits" not in preference


@pytest.mark.parametrize("template", TEMPLATES)
def test_no_way_to_ask_speaks_of_margins_of_preferences(template: str) -> None:
    asked = str(messages(context("classification", template=template))[1]["content"])
    assert not {word for word in ("rho", "beta", "reference", "turned") if word in asked}


def test_facts_are_told() -> None:
    facts: dict[str, Any] = {"statistic": "pointwise", "value_at_uniform": 2.302585, "slope_at_uniform": -0.9}
    one = Known(id="a", name="one", code=CODE, score=0.9, low=0.8, high=1.0, gain=0.01, facts=facts)
    asked = str(messages(context("classification", burn_in=(one,)))[1]["content"])
    assert "slope of the right logit -0.9000" in asked


def test_replies_are_read_by_their_contract() -> None:
    assert read(REPLY, "classification").program is not None
    assert read(REPLY).program is None
    wrong = Proposal(json.dumps({"code": "def loss(logits):\n    return logits\n"}), Usage(1, 1, None, 1))
    assert [f.rule for f in read(wrong, "classification").findings] == ["S109"]


def test_kinds_are_told_apart() -> None:
    slopes = (-2.0, -0.9, -0.1)
    assert len({cell({"statistic": "pointwise", "slope_at_uniform": slope}) for slope in slopes}) == 3


def test_evolution_refuses() -> None:
    with pytest.raises(UserError, match="no grammar"):
        open_proposer("evolve", Ask(contract="classification"))


def test_the_contract_chooses_ladder_and_burn_in() -> None:
    plan, ask, ladder = _prepare({**GIVEN, "contract": "classification"}, {})
    assert ladder == "digits-2026.3"
    assert (plan.contract, ask.contract) == ("classification", "classification")
    assert plan.burn_in == CLASSIFICATION_BURN_IN
    assert all(baseline_candidate(name).data for name in plan.burn_in)
    assert _prepare({**GIVEN, "profile": "digits"}, {})[0] == plan
    assert _prepare(GIVEN, {})[0].contract == "preference"
    with pytest.raises(UserError, match="is for the contract preference"):
        _prepare({**GIVEN, "contract": "classification", "profile": "bandit"}, {})


def test_the_command_knows_the_contracts() -> None:
    assert "preference|classification" in CliRunner().invoke(discover_command, ["--help"]).output


def test_a_run_reads_what_is_proposed_by_its_contract(tmp_path: Path) -> None:
    with Journal(tmp_path / "j") as journal:
        track = discovery(journal, Script([REPLY.text]), FakeJudge(), generations=1, contract="classification").run()
    assert [row.name for row in track.rows] == ["mine"]
