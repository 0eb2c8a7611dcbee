"""Question sets and other models' answers in their published forms, and in forms that are none."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from harness.core.errors import UserError
from harness.llm_judge.mtbench import read_answers
from harness.llm_judge.pairwise import read_file
from harness.llm_judge.questions import (
    AskedQuestion,
    as_conversation,
    numbers_of,
    read_outputs,
    read_questions,
    with_references,
)

if TYPE_CHECKING:
    from pathlib import Path

MT_BENCH = {
    "question_id": 81,
    "category": "writing",
    "turns": ["Write a post.", "Rewrite it."],
    "reference": ["a", "b"],
}
ARENA = {"question_id": "328c", "category": "arena-hard-v0.1", "cluster": "x", "turns": [{"content": "Use abc."}]}
ARENA_2 = {"uid": "2edb", "category": "hard_prompt", "subcategory": "coding", "prompt": "Write a loop."}
ALPACA = {"dataset": "helpful_base", "instruction": "Name actors.", "output": "Jane.", "generator": "gpt4_1106_preview"}
TLDR = {"id": "t3_1", "subreddit": "AskDocs", "title": "A pain", "post": "It hurts.", "summary": "A pain that hurts."}
PLAIN = {"prompt": "Say hello.", "answer": "Hello."}
SETS = {
    "mt-bench": MT_BENCH,
    "arena-hard": ARENA,
    "arena-hard-2": ARENA_2,
    "alpaca": ALPACA,
    "tldr": TLDR,
    "any": PLAIN,
}


def written(folder: Path, *rows: Any, name: str = "set.jsonl", listed: bool = False) -> Path:
    path = folder / name
    text = json.dumps(list(rows)) if listed else "".join(json.dumps(row) + "\n" for row in rows)
    path.write_text(text, "utf-8")
    return path


def test_each_set_is_read_in_its_own_form(tmp_path: Path) -> None:
    found = {name: read_questions(written(tmp_path, row))[0] for name, row in SETS.items()}
    assert found["mt-bench"].turns == ("Write a post.", "Rewrite it.")
    assert found["mt-bench"].reference == ("a", "b")
    assert (found["arena-hard"].name, found["arena-hard"].turns) == ("328c", ("Use abc.",))
    assert (found["arena-hard-2"].name, found["arena-hard-2"].turns) == ("2edb", ("Write a loop.",))
    assert (found["alpaca"].name, found["alpaca"].output) == ("Name actors.", ("Jane.",))
    assert found["tldr"].turns == ("SUBREDDIT: r/AskDocs\n\nTITLE: A pain\n\nPOST: It hurts.\n\nTL;DR:",)
    assert found["tldr"].output == ("A pain that hurts.",)
    assert found["any"].output == ("Hello.",)
    assert read_questions(written(tmp_path, ALPACA, PLAIN, listed=True))[1].turns == ("Say hello.",)


def test_answers_are_written_so_that_whoever_judges_reads_them(tmp_path: Path) -> None:
    two, one = read_questions(written(tmp_path, MT_BENCH))[0], read_questions(written(tmp_path, ALPACA))[0]
    assert read_answers(written(tmp_path, two.answered(["x", "y"], "m"))) == {"81": ("x", "y")}
    assert two.answered(["x", "y"], "m")["question_id"] == 81, "numbers stay numbers"
    (pair,) = read_file(written(tmp_path, one.answered(["x"], "m")))
    assert (pair.instruction, pair.answer) == ("Name actors.", "x")
    plain = read_questions(written(tmp_path, TLDR))[0]
    (pair,) = read_file(written(tmp_path, plain.answered(["x"], "m")))
    assert (pair.name, pair.answer) == ("t3_1", "x")


def test_outputs_belong_to_their_questions_by_id_or_by_text(tmp_path: Path) -> None:
    asked = read_questions(written(tmp_path, ARENA, ALPACA, name="q.jsonl"))
    mine = {"question_id": "328c", "model_id": "gpt-4", "choices": [{"index": 0, "turns": [{"content": "abc it is"}]}]}
    other = {"question_id": "unknown", "choices": [{"index": 0, "turns": ["no"]}]}
    found = read_outputs(written(tmp_path, mine, ALPACA, other), asked)
    assert found == {"328c": ("abc it is",), "Name actors.": ("Jane.",)}
    newer = {
        "uid": "2edb",
        "messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": {"answer": "y"}}],
    }
    asked = read_questions(written(tmp_path, ARENA_2, name="q.jsonl"))
    assert read_outputs(written(tmp_path, newer), asked) == {"2edb": ("y",)}


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([mine := {"question_id": 81, "choices": [{"turns": ["only one"]}]}], "turn 2"),
        ([{"question_id": 82, "choices": [{"turns": ["x", "y"]}]}], "no answer to turn 1"),
        ([mine, mine], "once more"),
        ([{"question_id": 81}], "has no answer"),
        ([{"question_id": 81, "choices": []}], "choices"),
        ([], "is empty"),
        ([{"question_id": 81, "messages": [{"role": "assistant"}]}], "turn 2"),
    ],
)
def test_outputs_that_are_none_are_refused(tmp_path: Path, rows: list[Any], told: str) -> None:
    asked = read_questions(written(tmp_path, MT_BENCH, name="q.jsonl"))
    with pytest.raises(UserError, match=told):
        read_outputs(written(tmp_path, *rows), asked)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is empty"),
        ("[]", "is empty"),
        ("{", "line 1"),
        ('{"prompt": "a"}\n\n{"prompt": ', "line 3"),
        ("[1]", "entry 1"),
        ('{"question_id": 1}', "has no question"),
        ('{"question_id": 1, "turns": []}', "turns"),
        ('{"question_id": 1, "turns": ["a", "b", "c"]}', "turns"),
        ('{"question_id": 1, "turns": [{"text": "a"}]}', "turns"),
        ('{"question_id": 1, "turns": ["a", " "]}', "has no question"),
        ('{"prompt": "a"}\n{"prompt": "a"}', "once more"),
        ('{"instruction": 7}', "instruction"),
        ('{"id": true, "prompt": "a"}', "id"),
        ('{"id": 1.5, "prompt": "a"}', "id"),
        ("[" * 100_000, "nested|no JSON"),
    ],
)
def test_questions_that_are_none_are_refused_with_their_line(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "q.jsonl"
    path.write_text(text, "utf-8")
    with pytest.raises(UserError, match=told) as raised:
        read_questions(path)
    assert raised.value.remedy
    path.write_bytes(b"\xff")
    with pytest.raises(UserError, match="UTF-8"):
        read_questions(path)
    with pytest.raises(UserError, match="no such file"):
        read_questions(tmp_path / "nothing")


def test_references_are_for_those_that_have_some(tmp_path: Path) -> None:
    asked = read_questions(written(tmp_path, MT_BENCH, MT_BENCH | {"question_id": 82}, name="q.jsonl"))
    given = {"question_id": 82, "choices": [{"turns": ["right", "also right"]}]}
    found = with_references(asked, written(tmp_path, given))
    assert [one.reference for one in found] == [("a", "b"), ("right", "also right")]
    with pytest.raises(UserError, match="has no answer"):
        with_references(asked, written(tmp_path, {"question_id": 82}))


def test_numbers_are_one_for_each_question(tmp_path: Path) -> None:
    asked = [AskedQuestion("1", ("a",)), AskedQuestion("2", ("b",))]
    place = tmp_path / "d.json"
    for content in ({"1": 0.5, "b": 2}, [0.5, 2]):
        place.write_text(json.dumps(content), "utf-8")
        assert numbers_of(place, asked) == {"1": 0.5, "2": 2.0}
    for wrong in (
        {"1": 0.5},
        [1],
        {"1": 1, "2": "x"},
        {"1": 1, "2": True},
        {"1": 1, "2": float("inf")},
        {"1": 1, "2": 10**400},
        {"1": 1, "2": 1e308},
        3,
    ):
        place.write_text(json.dumps(wrong), "utf-8")
        with pytest.raises(UserError, match="number"):
            numbers_of(place, asked)


def test_two_turns_are_one_text_for_whoever_compares_pairs() -> None:
    assert as_conversation(["a"], ["x"]) == ("a", "x")
    assert as_conversation(["a", "b"], ["x", "y"]) == ("turn 1: a\n\nturn 2: b", "to turn 1: x\n\nto turn 2: y")


def test_an_id_is_looked_for_before_a_text(tmp_path: Path) -> None:
    asked = read_questions(written(tmp_path, {"id": "b", "prompt": "a"}, {"id": "a", "prompt": "b"}, name="q.jsonl"))
    rows = [{"id": "b", "prompt": "a", "answer": "to a"}, {"id": "a", "prompt": "b", "answer": "to b"}]
    assert read_outputs(written(tmp_path, *rows), asked) == {"b": ("to a",), "a": ("to b",)}
