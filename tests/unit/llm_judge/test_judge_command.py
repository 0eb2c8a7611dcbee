"""`harness judge`: files and runs in, figures out; what makes no sense is told before anybody is paid."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from judging_server import KEY, Server, serving
from ledger_samples import claim, submit

from harness.cli.judge import judge_command
from harness.core.errors import HarnessError, InfrastructureError, UserError
from harness.ladder.climb import SAMPLES
from harness.ledger import Ledger
from harness.llm_judge.pairwise import against, read_lines

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

QUESTION = {"question_id": 1, "category": "writing", "turns": ["Write."]}
ANSWER = {"question_id": 1, "choices": [{"turns": ["a poem"]}]}
PROMPT = {
    "name": "single-v1",
    "type": "single",
    "system_prompt": "Be a judge.",
    "prompt_template": "{question} {answer}",
    "output_format": "[[rating]]",
}


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


def write(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def answers(path: Path, lengths: list[int], **more: object) -> Path:
    rows = [{"prompt": f"Question {n}?", "answer": "x" * length, **more} for n, length in enumerate(lengths)]
    return write(path, *rows)


def run(tmp_path: Path, *words: object) -> str:
    every = [*words, "--model", "judge", "--folder", tmp_path / "harness"]
    done = CliRunner().invoke(judge_command, [str(word) for word in every])
    if isinstance(done.exception, HarnessError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.stdout


def test_two_files_are_judged_in_both_orders_recorded_and_judged_again_for_nothing(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = answers(tmp_path / "a", [9, 9, 9, 2, 5, 9]), answers(tmp_path / "b", [5] * 6)
    words = [ours, theirs, "--json", "--length-controlled"]
    first = json.loads(run(tmp_path, *words, "--base-url", server.url))
    assert (first["schema"], first["kind"]) == ("harness.judge/v1", "pairwise")
    assert first["result"]["preferences"] == {f"Question {n}?": p for n, p in enumerate([1, 1, 1, 0, 0.5, 1])}
    assert first["result"]["win_rate"] == pytest.approx(4.5 / 6)
    assert first["result"]["length_controlled"]["plain"] == pytest.approx(4.5 / 6)
    assert len(server.heard) == 10, "the same text is not asked about"
    again = json.loads(run(tmp_path, *words, "--base-url", server.url))
    assert again == first
    assert len(server.heard) == 10, "what is recorded is not asked for again"
    monkeypatch.delenv("OPENAI_API_KEY")
    replayed = json.loads(run(tmp_path, *words, "--replay", first["recording"]))
    assert replayed["result"] == first["result"]
    assert KEY not in (tmp_path / "harness" / "judge.jsonl").read_text("utf-8")
    with pytest.raises(UserError, match="no reply"):
        run(tmp_path, ours, answers(tmp_path / "c", [6] * 6), "--replay", first["recording"])


def test_people_get_a_table(server: Server, tmp_path: Path) -> None:
    told = run(tmp_path, answers(tmp_path / "a", [9, 2], reference="xxxxx"), "--base-url", server.url)
    assert "win rate" in told
    assert "0.500" in told
    assert "holds 4 calls, 440 tokens" in told


def test_answers_of_runs_are_taken_from_the_ledger(server: Server, tmp_path: Path) -> None:
    with Ledger(tmp_path / "harness") as ledger:
        submit(ledger, range(2))
        for length in (9, 5):
            data = answers(tmp_path / "made", [length, length], reference="x" * 7).read_bytes()
            ledger.attach(claim(ledger), "finetune", SAMPLES.format(0), data)
    rates = [
        json.loads(run(tmp_path, *runs, "--json", "--base-url", server.url))["result"]["win_rate"]
        for runs in ((1, 2), (2, 1), (1,), (2,))
    ]
    assert rates == [1.0, 0.0, 1.0, 0.0]
    with pytest.raises(UserError, match="run 1 has no answers of seed 3"):
        run(tmp_path, 1, 2, "--seed", 3, "--base-url", server.url)


def test_single_scores_take_questions_and_prompts_of_the_user(tmp_path: Path) -> None:
    files = [write(tmp_path / "a", ANSWER), "--questions", write(tmp_path / "q", QUESTION), "--prompts"]
    with serving(lambda _: "Good.\nRating: [[7]]") as server:
        found = json.loads(run(tmp_path, *files, write(tmp_path / "p", PROMPT), "--json", "--base-url", server.url))
        assert "all" in run(tmp_path, *files, tmp_path / "p", "--base-url", server.url)
    assert (found["kind"], found["result"]["score"]) == ("single", 7.0)
    assert found["result"]["ratings"] == [["1", 1, 7.0]]


FIVE = [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["nowhere", "B"], "cannot be read"),
        (["A", "SHORT"], "no answer in the second file"),
        (["SHORT", "A"], "no answer in the first file"),
        (["A", "OTHER"], "not the same in both"),
        (["A"], "no reference"),
        (["A", "EMPTY"], "holds no answers"),
        (["A", "TWICE"], "line 2 of .* once more"),
        (["A", "ODD"], "line 1 of .* is no answer: answer"),
        (["A", "BYTES"], "UTF-8"),
        (["SHORT", "SHORT", "--length-controlled"], "5 prompts at least"),
        (["A", "B", "--questions", "A"], "--questions and --prompts"),
        (["A", "B", "--questions", "A", "--prompts", "A"], "one file of answers"),
        (["A", "B", "--references", "A"], "single scores"),
        (["A", "B", "--replay", "A", "--recording", "B"], "asks nobody"),
        (["A", "B", "--replay", "nowhere"], "recording"),
        (["A", "B", "--budget-dollars", "1"], "prices"),
        (["A", "B", "--temperature", "1", "--no-temperature"], "exclude"),
        (["7", "A"], "there is no ledger"),
        (["A", "--questions", "A", "--prompts", "A"], "line 1 of .* is no answer"),
    ],
)
def test_what_makes_no_sense_is_told_before_anybody_is_paid(
    server: Server, tmp_path: Path, words: list[str], told: str
) -> None:
    files = {"A": answers(tmp_path / "A", FIVE), "B": answers(tmp_path / "B", FIVE[::-1])}
    files["SHORT"] = answers(tmp_path / "SHORT", FIVE[:4])
    files["OTHER"] = write(
        tmp_path / "OTHER", *({"prompt": "?", "id": f"Question {n}?", "answer": "x"} for n in range(5))
    )
    files["EMPTY"] = write(tmp_path / "EMPTY")
    files["TWICE"] = write(tmp_path / "TWICE", *[{"prompt": "p", "answer": "x"}] * 2)
    files["ODD"] = write(tmp_path / "ODD", {"prompt": "p", "response": "x"})
    (tmp_path / "BYTES").write_bytes(b"\xff\n")
    files["BYTES"] = tmp_path / "BYTES"
    address = () if "--replay" in words else ("--base-url", server.url)
    with pytest.raises(UserError, match=told):
        run(tmp_path, *(files.get(word, word) for word in words), *address)
    assert server.heard == []


def test_no_key_for_the_real_endpoint_is_told_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(UserError, match="OPENAI_API_KEY"):
        run(tmp_path, answers(tmp_path / "a", [1]), answers(tmp_path / "b", [2]))


@pytest.mark.parametrize(
    ("fault", "kind"), [("broken", InfrastructureError), ("key", UserError), ("unknown", UserError)]
)
def test_a_fault_of_the_endpoint_is_the_fault_of_whom_it_is(
    server: Server, tmp_path: Path, fault: str, kind: type[HarnessError]
) -> None:
    server.faults.extend([fault] * 8)
    pair = answers(tmp_path / "a", [1]), answers(tmp_path / "b", [2])
    with pytest.raises(kind) as raised:
        run(tmp_path, *pair, "--base-url", server.url, "--retries", 0, "--workers", 1)
    assert raised.value.exit_code == {InfrastructureError: 3, UserError: 2}[kind]


def test_a_judge_of_nonsense_gives_no_figure(tmp_path: Path) -> None:
    pair = answers(tmp_path / "a", FIVE), answers(tmp_path / "b", FIVE[::-1])
    with serving(lambda _: "who knows") as server, pytest.raises(InfrastructureError, match="nonsense"):
        run(tmp_path, *pair, "--base-url", server.url)


def test_a_spent_budget_stops_the_calls(server: Server, tmp_path: Path) -> None:
    pair = answers(tmp_path / "a", FIVE), answers(tmp_path / "b", FIVE[::-1])
    with pytest.raises(UserError, match="budget"):
        run(tmp_path, *pair, "--base-url", server.url, "--budget-tokens", 100)
    assert server.heard == []


def test_names_of_other_tools_and_chat_prompts_are_read() -> None:
    (one,) = read_lines(b'{"instruction": "Do.", "output": "Done.", "generator": "m"}', "x")
    assert (one.name, one.instruction, one.answer, one.reference) == ("Do.", "Do.", "Done.", None)
    chat = [{"role": "user", "content": "Do."}]
    (other,) = read_lines(json.dumps({"row": 3, "prompt": chat, "answer": "No."}).encode(), "x")
    assert (other.name, other.instruction) == ("3", "Do.")
    more: list[Any] = [*chat, {"role": "assistant", "content": "Done."}]
    (long,) = read_lines(json.dumps({"prompt": more, "answer": "No."}).encode(), "x")
    assert long.instruction == "user: Do.\n\nassistant: Done."
    with pytest.raises(UserError, match="no answer in the second"):
        against([one], [other])
