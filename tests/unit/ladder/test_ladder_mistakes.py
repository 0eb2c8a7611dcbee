"""Mistakes in a ladder of one's own: told when it is named, with the line, and never to a candidate."""

from __future__ import annotations

import importlib.resources
import re
from typing import TYPE_CHECKING

import pytest

from harness.api import submit, text_candidate
from harness.cli.leaderboard import leaderboard_command
from harness.cli.profiles import profiles_command
from harness.cli.run import run_command
from harness.cli.submit import submit_command
from harness.cli.worker import worker_command
from harness.core.errors import UserError
from harness.ladder.checks import line_of, mistakes
from harness.ladder.ladder import load, names
from harness.ladder.rungs import declared_by
from harness.ledger import Ledger

if TYPE_CHECKING:
    from pathlib import Path

    import click

FILES = importlib.resources.files("harness.ladder.profiles")
TEXT = "def loss(pc, pr, rc, rr, beta):\n    return -beta * (pc - pr - rc + rr)\n"
PROPERTIES = '[[rungs]]\nname = "properties"\nkind = "properties"\nneeds = "cpu"\n\n'

#: What is changed in which ladder; what is said of it. The line is that of the change, or of the mark § in it.
MISTAKES: dict[str, tuple[str, str, str, str]] = {
    # What a gate reads.
    "no such metric": ("bandit", 'metric = "score"', 'metric = "scroe"', "no metric 'scroe'"),
    "another rung's metric": ("bandit", 'metric = "score"', 'metric = "reward"', "no metric 'reward'"),
    "a rail on no metric": ("bandit", '{ metric = "kl"', '{ metric = "grammar"', "no metric 'grammar'"),
    "a point of a curve": ("bandit", 'metric = "score"', 'metric = "score@30"', "points of learning curves"),
    "a time": ("reviews", 'metric = "reward"', 'metric = "seconds_per_step"', "no metric"),
    "no grammar in files": ("imdb", '{ metric = "kl_forward"', '{ metric = "grammar"', "no metric 'grammar'"),
    "no test images": ("digits", 'metric = "accuracy"', 'metric = "test_accuracy"', "no metric 'test_accuracy'"),
    "nothing is sampled": ("zephyr-7b-gemma", 'metric = "length_ratio"', 'metric = "length"', "no metric 'length'"),
    "a set that is not trained on": ("control", 'metric = "score"', 'metric = "score_expert"', "no metric"),
    "not measured after an early end": ("control", '{ metric = "quick", least = 0.03 }',
                                        '{ metric = "accuracy", least = 0.03 }', "only where quick"),
    # Looks.
    "a look after one seed": ("bandit", "looks = [2, 4, 8]", "looks = [1, 4, 8]", "two at least"),
    "a look after none": ("bandit", "looks = [2, 4, 8]", "looks = [0]", "two at least"),
    "a negative seed": ("bandit", "looks = [2, 4, 8]", "looks = [-2, 4]", "two at least"),
    "looks that descend": ("bandit", "looks = [2, 4, 8]", "looks = [8, 4, 2]", "do not ascend"),
    "the same look twice": ("bandit", "looks = [2, 4, 8]", "looks = [2, 2, 8]", "do not ascend"),
    "a look at seeds of others": ("bandit", "looks = [2, 4, 8]", "looks = [2, 200000]", "200000 seeds"),
    "half a seed": ("bandit", "looks = [2, 4, 8]", "looks = [2.5]", "looks"),
    "no looks": ("bandit", "looks = [2, 4, 8]", "looks = []", "looks"),
    # Margins, bounds.
    "a margin in words": ("bandit", "margin = 0.55", 'margin = "0.55"', "margin"),
    "a margin that is a switch": ("bandit", "margin = 0.55", "margin = true", "margin"),
    "a margin that is no number": ("bandit", "margin = 0.55", "margin = nan", "the margin is nan"),
    "a margin without end": ("bandit", "margin = 0.55", "margin = inf", "the margin is inf"),
    "nobody is that much better": ("reviews", "margin = 0.25", "margin = -1.5", "lets nobody pass"),
    "nobody is that much worse": ("digits", "margin = 0.01", "margin = 1.0", "rejects nobody"),
    "an error beyond one": ("bandit", "alpha = 0.05", "alpha = 1.5", "alpha"),
    "an error that is no number": ("bandit", "alpha = 0.05", "alpha = nan", "alpha"),
    "a share above one": ("bandit", "least = 1.0", "least = 1.5", "lets nothing of that pass"),
    "a divergence below nothing": ("bandit", "most = 4.0", "most = -4.0", "lets nothing of that pass"),
    "bounds that cross": ("reviews", "least = 0.67, most = 1.5", "least = 1.5, most = 0.67", "no room"),
    "a rail without a bound": ("bandit", '{ metric = "kl", most = 4.0 }', '{ metric = "kl" }', "no bound"),
    "a bound that is no number": ("bandit", "most = 4.0", "most = nan", "no room"),
    "two rails for one metric": ("bandit", '"kl", most = 4.0', '"finite", most = 4.0', "two rails for finite"),
    # Rungs.
    "an unknown kind": ("bandit", 'kind = "bandit"', 'kind = "bandits"', "did you mean bandit?"),
    "two of one name": ("bandit", 'name = "bandit"', 'name = "screen"', "two rungs are called"),
    "a name that paints": ("bandit", 'name = "bandit"', 'name = "\\u001b[31mred"', "cannot be called"),
    "a name of the harness's own": ("bandit", 'name = "bandit"', 'name = "tuning-1"', "cannot be called"),
    "the screen twice": ("bandit", 'kind = "properties"', 'kind = "screen"', "stands there twice"),
    "nothing that judges": ("bandit", PROPERTIES, "", "no rung of the properties"),
    "a gate after nothing": ("bandit", PROPERTIES, PROPERTIES + "[rungs.gate]§\nmetric = 'score'\nmargin = 0.1\n"
                             "alpha = 0.05\nlooks = [2]\n\n", "its gate is never looked at"),
    "settings of nothing": ("bandit", PROPERTIES, PROPERTIES + "[rungs.settings]§\nexamples = 5\n\n", "its settings"),
    "no gate": ("bandit", "[rungs.gate]", "[rungs.ungated]", "rungs.ungated"),
    "a need that nobody has": ("bandit", 'needs = "cpu"', 'needs = "tpu"', "needs"),
    # Baselines and contracts.
    "no such baseline": ("bandit", 'baseline = "dpo"', 'baseline = "dop"', "no baseline 'dop'"),
    "a path for a baseline": ("bandit", 'baseline = "dpo"', 'baseline = "../dpo"', "no baseline"),
    "no baseline": ("bandit", 'baseline = "dpo"', 'baseline = ""', "no baseline to compare with"),
    "a baseline of the other contract": ("bandit", 'baseline = "dpo"', 'baseline = "cross_entropy"', "classification"),
    "a rung of the other contract": ("bandit", 'kind = "bandit"', 'kind = "images"', "for the contract classification"),
    "no such profile": ("bandit", 'properties = "2026.2"', 'properties = "2030.1"', "no profile '2030.1'"),
    # Settings.
    "no such setting": ("bandit", "steps = 150", "step = 150", "no setting 'step'"),
    "no steps": ("bandit", "steps = 150", "steps = 0", "whole number above 0"),
    "a rate that is no number": ("bandit", "rate = 0.1", "rate = nan", "rate"),
    "a rate in words": ("bandit", "rate = 0.1", 'rate = "fast"', "rate"),
    "one arm": ("bandit", "arms = 8", "arms = 1", "arms"),
    "the same beta twice": ("bandit", "betas = [0.25, 1.0]", "betas = [1.0, 1.0]", "betas"),
    "a beta that nobody judges at": ("bandit", "betas = [0.25, 1.0]", "betas = [0.25, 5.0]", "trains at beta 5"),
    "a beta of a fine-tune": ("zephyr-7b-gemma", "beta = 0.05", "beta = 7", "trains at beta 7"),
    "a beta of the short training": ("control", "quick_beta = 0.3", "quick_beta = 30.0", "trains at beta 30"),
    "nothing is enough": ("control", "quick_least = 0.03", "quick_least = nan", "quick_least"),
    "no such set": ("control", 'sets = "on_policy,noisy,mixed"', 'sets = "on_policy,loud"', "sets"),
    "no such network": ("cifar10", 'network = "resnet18"', 'network = "resnet-18"', "network"),
    "no time": ("digits", "minutes = 5", "minutes = 0", "minutes"),
    "less than no memory": ("digits", "memory_mib = 2048", "memory_mib = -1", "memory_mib"),
    "half a process": ("zephyr-7b-gemma", "beta = 0.05", "beta = 0.05\nprocesses = 1.5§", "whole number"),
    "a step that cannot be shared": ("zephyr-7b-gemma", "step_pairs = 128", "step_pairs = 127", "step_pairs"),
    # A judge.
    "a judge of nothing": ("mt-bench", 'rung = "fine-tune"', 'rung = "finetune"', "no rung of that name fine-tunes"),
    "a judge of what answers nothing": ("mt-bench", 'rung = "fine-tune"', 'rung = "bandit"', "one of: fine-tune"),
    "a judge without a name": ("mt-bench", 'judge = "gpt-4"', 'judge = " "', "judge has to name"),
    "another baseline's models": ("mt-bench", 'baseline = "dpo"', 'baseline = "slic"', "the models are of dpo"),
    "a gate by what has no value for a prompt": ("mt-bench", 'metric = "preference"', 'metric = "score"',
                                                 "decides by prompts"),
    "a preference beyond one": ("mt-bench", "margin = 0.1", "margin = 1.0", "within -1 and 1"),
    "at equal length of what is not compared": ("mt-bench", 'metric = "preference"',
                                                'metric = "preference_at_equal_length"', "equal length"),
    "a form that nobody knows": ("mt-bench", 'form = "scores"', 'form = "stars"', "form has to be one of"),
    "scores against a file": ("mt-bench", 'form = "scores"', 'form = "scores"\nagainst = "outputs"§', "against"),
    "dollars without a price": ("tldr", "price_in = 10.0\nprice_out = 30.0",
                                "budget_dollars = 1.0§", "budget_dollars needs"),
    "a token that is none": ("tldr", "reply_tokens = 512", "reply_tokens = 0", "reply_tokens"),
    "verdicts by a token of five words": ("arena-hard", 'form = "arena"', 'form = "arena"\nweighted = 1§', "weighted"),
    "a template that nobody knows": ("tldr", 'template = "none"', 'template = "mine"', "template has to be one of"),
    "no budget of weights": ("mt-bench", "keep_gib = 160", "keep_gib = 0", "keep_gib"),
    # Spelling.
    "a key twice": ("bandit", "margin = 0.55", "margin = 0.55\nmargin = 0.6§", "overwrite"),
    "a table twice": ("bandit", "[rungs.gate]", "[rungs.settings]", "twice"),
    "a key that nobody knows": ("bandit", "margin = 0.55", "margin = 0.55\nmargins = 0.6§", "margins"),
    "a date in words": ("bandit", "date = 2026-11-28", 'date = "soon"', "date"),
    "an end that is missing": ("bandit", 'metric = "score"', 'metric = "score', "this is no ladder"),
    "another name's": ("bandit", 'name = "mine"', 'name = "reviews-2026.1"', "cannot be called"),
}  # fmt: skip


def written(folder: Path, case: str) -> tuple[Path, int, str]:
    """The file with a mistake, its line, and what has to be said of it."""
    family, old, new, said = MISTAKES[case]
    text = FILES.joinpath(f"{load(family).name}.toml").read_text("utf-8")
    text = re.sub(r"^name = .*$", 'name = "mine"', text, count=1, flags=re.MULTILINE)
    assert old in text, case
    before, _, after = text.rpartition(old)  # the last of them: that of the rung that trains
    line = (before + new.partition("§")[0]).count("\n") + 1 if "§" in new else before.count("\n") + 1
    path = folder / "mine.toml"
    path.write_text(before + new.replace("§", "") + after, "utf-8")
    return path, line, said


def refused(command: click.Command, *arguments: object) -> UserError:
    """The error of a command; nothing else may come of it."""
    with pytest.raises(UserError) as error:
        command.main([str(word) for word in arguments], standalone_mode=False)
    assert error.value.exit_code == 2
    return error.value


@pytest.mark.parametrize("case", MISTAKES)
def test_it_is_told_when_the_ladder_is_named_with_the_line(tmp_path: Path, case: str) -> None:
    path, line, said = written(tmp_path, case)
    with pytest.raises(UserError) as error:
        load(str(path))
    assert error.value.message.startswith(f"{path}:{line}: "), error.value.message
    assert said in f"{error.value.message} {error.value.remedy}"
    assert error.value.exit_code == 2


def test_every_command_that_a_ladder_is_named_to_refuses_it_and_queues_nothing(tmp_path: Path) -> None:
    path, line, _ = written(tmp_path, "no such metric")
    loss, folder = tmp_path / "loss.py", tmp_path / "project"
    loss.write_text(TEXT)
    ledger = ["--folder", folder]
    for error in (
        refused(run_command, loss, "--profile", path, *ledger),
        refused(submit_command, loss, "--profile", path, *ledger),
        refused(worker_command, "--drain", "--profile", path, *ledger),
        refused(leaderboard_command, "--profile", path, *ledger),
        refused(profiles_command, path),
    ):
        assert error.message.startswith(f"{path}:{line}: this is no ladder: the rung bandit has no metric 'scroe'")
        assert error.remedy.startswith("did you mean score? there are: accuracy_clean, ")
    with Ledger(folder) as kept:
        with pytest.raises(UserError, match="no metric 'scroe'"):
            submit([text_candidate(TEXT)], ledger=kept, profile=str(path))
        assert not kept.runs()


def test_several_mistakes_are_told_at_once_in_the_order_of_their_lines(tmp_path: Path) -> None:
    path, first, _ = written(tmp_path, "a look after none")
    text = path.read_text("utf-8").replace('"finite", least = 1.0', '"finit", least = 1.0')
    path.write_text(text, "utf-8")
    second = text[: text.index('"finit"')].count("\n") + 1
    with pytest.raises(UserError, match=rf":{first}: .*a look after 0 seeds.*; line {second}: .*no metric 'finit'"):
        load(str(path))


@pytest.mark.parametrize("name", names())
def test_the_ladders_of_the_package_have_none(name: str) -> None:
    assert not list(mistakes(load(name)))
    for plan in load(name).rungs:
        if plan.gate is not None:
            assert plan.gate.metric in declared_by(plan).metrics


def test_what_is_not_utf8_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(b'name = "mine"\n# caf\xe9\n')
    with pytest.raises(UserError, match=r"mine.toml:2: this is no ladder: it is not UTF-8"):
        load(str(path))


@pytest.mark.parametrize("long", ["9" * 5000, "0x" + "f" * 5000, "9" * 400])
@pytest.mark.parametrize("key", ["looks", "margin", "minutes", "memory_mib"])
def test_an_integer_that_nothing_can_reckon_with_is_refused(key: str, long: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    text = (FILES / f"{[name for name in names() if name.startswith('digits')][-1]}.toml").read_text("utf-8")
    value = f"[{long}]" if key == "looks" else long
    path.write_text(re.sub(f"^{key} = .*", f"{key} = {value}", text, count=1, flags=re.MULTILINE))
    with pytest.raises(UserError, match="this is no ladder") as caught:
        load(str(path))
    assert str(path) in caught.value.message
    assert len(caught.value.message) < 1000


def test_lines_are_found_in_every_spelling_of_toml() -> None:
    text = '''a = 1
b.c = """
x
"""
d = [
  1,
  2, # two
]
[e]
f = { g = 1, h = [
2 ] }
[[i]]
[[i]]
[i.j]
"k l" = [[1], [
  2]]
'''
    wanted = {
        ("a",): 1,
        ("b", "c"): 4,
        ("d", 0): 6,
        ("d", 1): 7,
        ("e", "f", "g"): 10,
        ("e", "f", "h", 0): 11,
        ("e", "nothing"): 9,
    }
    wanted |= {("i", 1): 13, ("i", 1, "j", "k l", 0): 15, ("i", 1, "j", "k l", 1, 0): 16, ("nowhere",): 1}
    assert {path: line_of(text, path) for path in wanted} == wanted


def test_a_judge_of_models_that_nobody_keeps_is_told_at_its_own_line(tmp_path: Path) -> None:
    text = (FILES / f"{load('mt-bench').name}.toml").read_text("utf-8").replace("keep_gib = 160\n", "")
    path = tmp_path / "mine.toml"
    path.write_text(text.replace('name = "mt-bench-2026.1"', 'name = "mine"'), "utf-8")
    with pytest.raises(UserError, match="keeps no weights") as error:
        load(str(path))
    assert "keep_gib" in error.value.remedy
