"""Which of a run's models can be asked, and the commands that ask it and tell what is kept."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from support import ROOT

from harness.cli.answer import answer_command
from harness.cli.weights import weights_command
from harness.core.errors import UserError
from harness.ladder.answering import model_of
from harness.ladder.ladder import load
from harness.training.kept import digests
from harness.training.weights import KeptWeights

if TYPE_CHECKING:
    from pathlib import Path

STAGE = load(str(ROOT / "examples" / "stage" / "stage.toml"))


@pytest.fixture
def kept(tmp_path: Path) -> dict[str, str]:
    """The digests of weights that are kept in the folder."""
    (tmp_path / "trained").mkdir()
    (tmp_path / "trained" / "weights.safetensors").write_bytes(b"weights")
    files = digests(tmp_path / "trained")
    assert KeptWeights(tmp_path / "weights").keep("key", tmp_path / "trained", files, "fine-tune, seed 0", 1000)
    return files


def ledger_of(monkeypatch: pytest.MonkeyPatch, files: dict[str, str] | None, ladder: Any = STAGE) -> Any:
    monkeypatch.setattr("harness.ladder.answering.ladder_for", lambda *_: ladder)
    data = json.dumps({"data": {}, "weights": files}).encode()
    there = [(SimpleNamespace(rung="fine-tune"), data)] if files is not None else []
    return SimpleNamespace(documents=lambda _, name: there if name == "files-0.json" else [])


def test_the_model_of_a_run_is_found_by_what_its_record_names(
    tmp_path: Path, kept: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run: Any = SimpleNamespace(id=3)
    found = model_of(ledger_of(monkeypatch, kept), run, tmp_path, rung=None, seed=0)
    assert (found.plan.name, found.weights) == ("fine-tune", KeptWeights(tmp_path / "weights").of_training("key"))
    assert model_of(ledger_of(monkeypatch, None), run, tmp_path, rung=None, seed=0, start=True).weights is None


def test_a_model_that_is_not_there_is_told_with_the_next_step(
    tmp_path: Path, kept: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run: Any = SimpleNamespace(id=3)
    cases: list[tuple[Any, dict[str, Any], str]] = [
        (ledger_of(monkeypatch, kept), {"rung": "judge"}, "no rung judge that fine-tunes"),
        (ledger_of(monkeypatch, kept), {"seed": 1}, "has not trained seed 1"),
        (ledger_of(monkeypatch, {"weights.safetensors": "0" * 64}), {}, "are not kept here"),
    ]
    for ledger, given, told in cases:
        with pytest.raises(UserError, match=told) as raised:
            model_of(ledger, run, tmp_path, **{"rung": None, "seed": 0, **given})
        assert raised.value.remedy
    with pytest.raises(UserError, match="no rung that fine-tunes"):
        model_of(ledger_of(monkeypatch, kept, load("bandit")), run, tmp_path, rung=None, seed=0)
    with pytest.raises(UserError, match="no rung that fine-tunes"):
        model_of(ledger_of(monkeypatch, kept, None), run, tmp_path, rung=None, seed=0)


def test_what_is_kept_is_listed_and_removed(tmp_path: Path, kept: dict[str, str]) -> None:
    del kept
    (one,) = KeptWeights(tmp_path / "weights").listed()

    def told(*words: str) -> str:
        done = CliRunner().invoke(weights_command, [*words, "--folder", str(tmp_path)], catch_exceptions=False)
        return done.output

    assert one.address in told()
    assert "fine-tune, seed 0" in told()
    assert json.loads(told("--json"))["weights"][0]["bytes"] == 7
    for wrong in ("", "zz"):
        with pytest.raises(UserError, match="0 addresses begin"):
            told("--remove", wrong)
    assert f"removed {one.address}" in told("--remove", one.address[:6])
    assert "0 kept" in told()


def test_a_command_that_would_write_over_its_questions_or_ask_at_no_temperature_is_refused(tmp_path: Path) -> None:
    questions = tmp_path / "q.jsonl"
    questions.write_text('{"prompt": "a"}', "utf-8")
    common = ["1", "--questions", str(questions), "--folder", str(tmp_path / "none")]
    for more, told in (
        (["--output", str(questions)], "holds the questions"),
        (["--temperature", "nan"], "temperature"),
    ):
        with pytest.raises(UserError, match=told):
            answer_command.main([*common, *more], standalone_mode=False)
    assert questions.read_text("utf-8") == '{"prompt": "a"}'
