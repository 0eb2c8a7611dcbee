"""Drafts make no second candidate, prose may hold any character, and lines may end as they like."""

import json

import pytest
from screening import VECTORS, faults, findings, read

HEAD = "    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)\n"


def loss(name, body="return -F.logsigmoid(self.beta * rho)"):
    return f"def {name}(self, {VECTORS}):\n{HEAD}    {body}\n"


FINAL, DRAFT = loss("final"), loss("draft")
#: No loss, though a function: it takes other things.
HELPER = "def show(losses):\n    return losses.mean()\n"
SKETCH = f"def sketch(self, {VECTORS}):\n    ...\n"


def fence(code, tag="python"):
    return f"```{tag}\n{code}```\n"


def answer(code, **more):
    return json.dumps({"thought": "t", "name": "", "code": code, **more}) + "\n"


THOUGHTS = [
    f"<think>\n{fence(DRAFT)}</think>\n",
    f"<thinking>\nFirst:\n{fence(DRAFT)}</thinking>\n",
    f"<reasoning>{answer(DRAFT)}</reasoning>\n",
    f"<THOUGHT>\n{fence(DRAFT)}\n</THOUGHT>\n",
    f"<scratchpad>\n{fence(DRAFT)}</scratchpad>",
    f"<seed:think>\n{fence(DRAFT)}</seed:think>",
    f"<think budget=3>\n<draft>\n{fence(DRAFT)}</draft>\nNo.\n</think>\n",
    f"<think>\n{fence(DRAFT)}</think>\nAgain.\n<think>\n{fence(loss('other'))}</think>\n",
    f"[THINK]\n{fence(DRAFT)}[/THINK]\n",
    f"◁think▷\n{fence(DRAFT)}◁/think▷\n",
    f"<|START_THINKING|>\n{fence(DRAFT)}<|END_THINKING|>\n",
    f"<|channel|>analysis<|message|>{answer(DRAFT)}<|end|><|start|>assistant<|channel|>final<|message|>",
    f"analysisI try this: {answer(DRAFT)} No.assistantfinal",
    # The chat template has written the beginning.
    f"I try this:\n{fence(DRAFT)}Too simple.\n</think>\n",
]
#: Thoughts that would hide the answer, or be taken for a broken one.
BROKEN_THOUGHTS = [
    f"<think>\n```python\n{DRAFT}</think>\n",
    '<think>\nMaybe {"thought": "x", "code": "def f(\n</think>\n',
    "<think>\nI would write {'code': ...} or ``` around it.\n</think>\n",
    '<think>\n```json\n{"thought": "half\n</think>\n',
]


@pytest.mark.parametrize("thought", [*THOUGHTS, *BROKEN_THOUGHTS])
@pytest.mark.parametrize("given", [fence(FINAL), answer(FINAL), f"Here:\n{fence(answer(FINAL), 'json')}Bye.", FINAL])
def test_a_draft_in_a_thought_is_none_of_the_answer(thought, given):
    got = read(thought + given)
    assert "faults" not in got, got["faults"]
    assert got["plan"][0] == "final"


@pytest.mark.parametrize("thought", THOUGHTS)
def test_what_was_left_aside_is_told(thought):
    (note,) = read(thought + fence(FINAL))["told"][4]
    assert "the last one outside its thoughts is judged" in note
    assert read(fence(FINAL))["told"][4] == ()
    assert read(f"<think>\nplain words\n</think>\n{fence(FINAL)}")["told"][4] == ()


@pytest.mark.parametrize(
    "text",
    [
        fence(DRAFT) + "Better:\n" + fence(FINAL),
        fence(DRAFT) + fence(loss("other")) + fence(FINAL),
        # The same name twice.
        fence(loss("final", "return -rho")) + "Corrected:\n" + fence(FINAL),
        # Whole, and not merely last.
        fence(FINAL) + "Use:\n" + fence(HELPER),
        fence(FINAL) + "Its form:\n" + fence(SKETCH),
        fence(FINAL) + fence("def broken(self, policy_chosen_logps:\n"),
        fence(DRAFT) + fence(FINAL) + "And now\n```python\ndef cut(self, policy_ch",
        fence(answer(DRAFT), "json") + "Better:\n" + answer(FINAL),
        fence(answer(DRAFT), "json") + "Better:\n" + fence(answer(FINAL), "json"),
        # An object is the form that was asked for.
        fence(DRAFT) + answer(FINAL),
        answer(FINAL) + "\nFor comparison:\n" + fence(DRAFT),
        answer(fence(DRAFT) + "better\n" + fence(FINAL)),
    ],
)
def test_the_last_whole_one_counts(text):
    got = read(text)
    assert "faults" not in got, got["faults"]
    assert got["plan"][0] == "final"
    assert "return -F.logsigmoid" in got["source"]
    assert any("pieces of code" in note for note in got["told"][4])


@pytest.mark.parametrize(
    ("text", "which"),
    [
        (fence(DRAFT) + fence(FINAL), "the last one"),
        (fence("def broken(:\n") + fence(HELPER), "the last one"),
        (
            fence(FINAL) + "A test:\n" + fence("def test_final():\n    assert final\n"),
            "the last one that can be the loss",
        ),
        (fence(FINAL) + fence(SKETCH), "the last one that can be the loss"),
        (answer(FINAL) + fence(DRAFT), "the last one in a JSON object"),
        (f"{fence(FINAL)}<think>\n{fence(DRAFT)}</think>\n", "the last one outside its thoughts"),
    ],
)
def test_which_one_is_judged_is_told(text, which):
    got = read(text)
    notes = [fault[1] for fault in got["faults"]] if "faults" in got else got["told"][4]
    assert any(f"pieces of code; {which} is judged" in note for note in notes)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (answer(DRAFT) + "\n" + answer(FINAL), "2 candidates"),
        (f"[{answer(DRAFT)}, {answer(FINAL)}]", "2 candidates"),
        (fence(f"{answer(DRAFT)}\n{answer(FINAL)}", "json"), "2 candidates"),
        (f"<think>\n{fence(DRAFT)}</think>\n```python\n{FINAL[:120]}", "cut off inside its fenced block"),
        (f"<think>\n{fence(DRAFT)}</think>\n{answer(FINAL)[:150]}", "cut off inside its JSON"),
        ("<think>\nI wonder whether a hinge would do", "cut off inside its thoughts"),
        (f"<think>\nSo:\n```python\n{DRAFT}", "cut off inside its fenced block"),
        ("<think>\nNo.\n</think>\nI would rather not write this.", "no code"),
        (fence(HELPER) + fence("print(1)\n"), "show"),
    ],
)
def test_what_is_no_single_answer(text, words):
    got = read(text)
    assert words in got["faults"][0][1]


@pytest.mark.parametrize(
    "text",
    [
        f"<think>\n{fence(FINAL)}</think>\n",
        f"<think>\nThis is it: {answer(FINAL)}",
        f"<think>\nDone.\n{answer(FINAL)}\n</think>\nI hope that helps.",
    ],
)
def test_an_answer_inside_a_thought_is_taken_and_told(text):
    got = read(text)
    assert got["plan"][0] == "final"
    assert "stands in the reply's thoughts" in got["told"][4][0]


@pytest.mark.parametrize(
    "thought", ["the <think> tag", "</think> ends it", "<analysis>", "say [THINK] or <|end|>", "<think>a</think>"]
)
def test_a_mark_that_is_only_mentioned_changes_nothing(thought):
    got = read(json.dumps({"thought": thought, "name": "", "code": FINAL}))
    assert (got["plan"][0], got["told"][4]) == ("final", ())
    python = FINAL.replace("self, ", "").replace("):", ", beta):").replace("self.", "") + f"# {thought}\n"
    assert read(python)["source"] == python


def test_places_count_in_the_whole_reply():
    text = f"<think>\n{fence(DRAFT)}</think>\n" + FINAL.replace("self.beta", "numpy.beta")
    got = read(text)["faults"][0]
    assert text.splitlines()[got[2] - 1].strip().startswith("return")


def test_notes_stand_beside_findings_too():
    text = fence(DRAFT) + fence(FINAL.replace("F.logsigmoid", "F.nothing_of_the_kind"))
    assert [(f.rule, str(f.severity)) for f in findings(text)] == [("S114", "error"), ("S118", "note")]


@pytest.mark.parametrize("end", ["\r\n", "\r\r\n"])
@pytest.mark.parametrize(
    "text",
    [
        fence(FINAL),
        f"Here:\n{fence(FINAL)}Bye.\n",
        f"~~~py\n{FINAL}~~~\n",
        fence(answer(FINAL), "json"),
        f"<think>\n{fence(DRAFT)}</think>\n{fence(FINAL)}",
        f"1. It:\n\n   ```python\n   {FINAL.strip().replace(chr(10), chr(10) + '   ')}\n   ```\n",
        f"{fence(DRAFT)}Or:\n{fence(FINAL)}",
    ],
)
def test_lines_may_end_as_windows_ends_them(text, end):
    assert read(text.replace("\n", end))["plan"][0] == "final"
    inside = json.dumps({"code": text.replace("\n", end)})
    if "```python" in text and "<think>" not in text and not text.startswith("1."):
        assert read(inside)["plan"][0] == "final"


def test_carriage_returns_alone_have_their_own_sentence():
    (fault,) = read(fence(FINAL).replace("\n", "\r"))["faults"]
    assert (fault[0], "carriage return" in fault[1]) == ("S116", True)


HIDDEN = ["\u200b", "\u00ad", "\u200e", "\u200f", "\u202e", "\u2060", "\ufeff", "\x1b", "\u2028", "\ue000"]


@pytest.mark.parametrize("character", HIDDEN)
def test_prose_may_hold_any_character(character):
    for text in (
        f"My{character} idea:\n{fence(FINAL)}Good{character} luck.\n",
        f'{{"thought": "soft{character}ly", "name": "n{character}", "code": {json.dumps(FINAL)}}}',
        f"<think>\nso{character}ft\n</think>\n{fence(FINAL)}",
        f"<think>\nso{character}ft\n</think>\n{FINAL}",
        f"```text\n{character}\n```\n{fence(FINAL)}",
    ):
        got = read(text)
        assert got["plan"][0] == "final"
        assert character not in got["source"]
        assert got["name"].isprintable()


@pytest.mark.parametrize("character", HIDDEN)
@pytest.mark.parametrize("place", ["    # soft{}ly\n", "    x = 'soft{}ly'\n", "    y{} = 1\n"])
def test_what_runs_may_not(character, place):
    code = FINAL.replace(HEAD, HEAD + place.format(character))
    for text in (
        code,
        fence(code),
        answer(code),
        f"<think>\nso\n</think>\n{code}",
        f"<think>{fence(DRAFT)}</think>{fence(code)}",
    ):
        assert "S111" in {rule for rule, _ in faults(text)}, text
        assert "S111" in {rule for rule, _ in faults(text, guarded=False)}


def test_a_heading_declares_no_encoding():
    assert read(f"# Encoding: explained\n\n{fence(FINAL)}")["plan"][0] == "final"
    assert faults(f"# coding: latin-1\n{FINAL}") == [("S103", 1)]
    assert faults(f"<think>\nx\n</think>\n# coding: latin-1\n{FINAL}") == []
