"""Replies of language models: what is put up with, and S116 for the rest."""

import json

import pytest
from screening import faults, read

CODE = (
    "def dpo(self, policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps):\n"
    "    x = self.beta * (policy_chosen_logps - policy_rejected_logps)\n"
    "    return -F.logsigmoid(x)\n"
)
OTHER = CODE.replace("dpo", "slic")
PROMPTED = ">>> " + CODE.replace("\n    ", "\n...     ")
REPLY = json.dumps({"thought": "Let x be {rho}.", "name": "dpo_one", "code": CODE})
# As models write it: raw line breaks inside strings, and backslashes of formulas.
RAW = f'{{\n"thought": "use \\sigma(\\beta x)\nand {{more}}",\n"name": "dpo_one",\n"code": "{CODE}"\n}}'


@pytest.mark.parametrize(
    "text",
    [
        REPLY,
        RAW,
        f"```json\n{REPLY}\n```",
        f"Sure! Here {{is}} my idea:\n\n{REPLY}\n\nI hope {{that}} helps.",
        f"Here:\n```json\n{RAW}\n```\nGood luck.",
        json.dumps({"name": "dpo_one", "code": f"```python\n{CODE}```"}),
        json.dumps({"name": "dpo_one", "code": "    " + CODE.replace("\n", "\n    ")}),
        f"[{REPLY}]",
        f"{REPLY}\n{REPLY}",
        json.dumps({"thought": "x = lambda: 0", "name": "dpo_one", "code": CODE}),
    ],
)
def test_the_code_is_found_in_an_object(text):
    answer = read(text)
    assert answer["name"] == "dpo_one"
    assert answer["plan"][:2] == ["dpo", "method"]
    assert answer["source"].startswith("def dpo(self")


@pytest.mark.parametrize(
    "text",
    [
        f"Here is my loss:\n\n```python\n{CODE}```\nIt is smooth.",
        f"```\n{CODE}```",
        f"~~~py\n{CODE}~~~\n",
        f"Loss:\n```python\n{CODE}```\nUse:\n```python\nprint(dpo)\n```\nShell:\n```bash\ndef x\n```",
        f"1. It:\n\n   ```python\n   {CODE.strip().replace(chr(10), chr(10) + '   ')}\n   ```\n",
        f"# My answer\n\nThe loss:\n```python\n{CODE}```",
    ],
)
def test_the_code_is_found_in_a_fence(text):
    answer = read(text)
    assert answer["name"] == "dpo"
    assert answer["plan"][0] == "dpo"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (json.dumps({"thought": "t", "name": "n"}), "no key code; it has: name, thought"),
        (json.dumps({"name": "n", "loss": CODE}), "no key code"),
        ('{"name": "n", "code": ""}', "code is empty"),
        ('{"name": "n", "code": ["def f(): pass"]}', "not a string"),
        ('{"name": "n", "code": "x", "code": "y"}', "code twice"),
        (REPLY[:150], "cut off inside its JSON"),
        (RAW[:150], "cut off inside its JSON"),
        (f"```json\n{REPLY[:-1]}\n```", "cut off inside its JSON"),
        (f"Here:\n```python\n{CODE}", "cut off inside its fenced block"),
        (f"{REPLY}\n{json.dumps({'name': 'b', 'code': OTHER})}", "2 candidates"),
        ("I am sorry, but I cannot help with that request.", "no code"),
        ("As a language model I would rather not.", "no code"),
        ("Look:\n```python\nprint(1)\n```", "defines no function"),
        (f"```pycon\n{PROMPTED}```", "prompts of an interpreter"),
        (f"```python\n{PROMPTED}```", "prompts of an interpreter"),
        (f"```\nIn [1]: {CODE}```", "prompts of an interpreter"),
        (f"My loss:\n\n{PROMPTED}", "prompts of an interpreter"),
        (">>> 1 + 1\nI would rather not", "no code"),
        (f'{{"name": "n", "code": """{CODE}"""}}', "malformed"),
        ('{"name": "n", "code": "def f(): return \'\\ud800\'"}', "surrogate"),
    ],
)
def test_unusable(text, words):
    (fault,) = read(text)["faults"]
    assert fault[0] == "S116"
    assert words in fault[1]


def test_prompts_inside_an_object_are_told():
    (fault,) = read(json.dumps({"code": PROMPTED}))["faults"]
    assert (fault[0], "prompts of an interpreter" in fault[1]) == ("S105", True)
    assert read(f"```python\n{CODE}```\nUse:\n```pycon\n{PROMPTED}```")["plan"][0] == "dpo"


ENDS = ["return", "im_end", "eot_id", "eom_id", "eot", "end", "endoftext", "end_of_text", "end_of_turn"]
ENDS = [f"<|{end}|>" for end in ENDS]
ENDS += ["<|END_OF_TURN_TOKEN|>", "</s>", "<eos>", "<end_of_turn>", "<\uff5cend\u2581of\u2581sentence\uff5c>"]


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("text", [f"```python\n{CODE}```", REPLY, f"```json\n{REPLY}\n```", CODE.rstrip()])
def test_the_mark_of_the_end_is_put_up_with(text, end):
    for tail in (end, f"{end}{end}\n", f" {end}", f"\n{end}\r\n"):
        for start in ("", "<think>\nSo.\n</think>\n", "<|channel|>analysis<|message|>So.<|channel|>final<|message|>"):
            got = read(start + text + tail)
            assert "faults" not in got, got["faults"]
            assert got["plan"][0] == "dpo"
            assert got["source"].rstrip() == CODE.rstrip() or start
    assert "cut off inside its fenced block" in read(f"```python\n{CODE}{end}")["faults"][0][1]
    assert "cut off inside its JSON" in read(REPLY[:150] + end)["faults"][0][1]


def test_marks_of_the_end_move_no_line_and_take_no_time():
    assert faults(CODE.replace("self.beta", "numpy.beta") + "</s>") == [("S113", 2)]
    assert read(CODE + "# <|im_end|>")["source"] == CODE + "# <|im_end|>"
    assert "no code" in read("<|channel|>analysis<|message|>I wonder.<|end|>")["faults"][0][1]
    assert "faults" in read("</s>" * 16_000 + "x")
    assert read(f"```python\n{CODE}```" + "</s>" * 15_000)["plan"][0] == "dpo"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("def f(x:\n    pass", ("S105", 1)),
        (CODE.replace("F.log", "np.log"), ("S113", 3)),
        ("def f(a):\n    return '\0'", ("S102", 2)),
        (CODE.replace("x =", "x\u200b ="), ("S111", 2)),
        ("x = 1\n\nclass A: pass", ("S107", 3)),
    ],
)
def test_places_count_in_the_extracted_code(code, expected):
    (fault,) = read(json.dumps({"name": "n", "code": code}))["faults"]
    assert (fault[0], fault[2]) == expected
    assert fault[1].endswith("(counted in the extracted code).")


@pytest.mark.parametrize("name", ["\x1b[31mred\u202e", "x" * 500, "two\nlines", "\ud800"])
def test_names_are_made_printable(name):
    shown = read(json.dumps({"name": name, "code": CODE}))["name"]
    assert shown.isprintable()
    assert 0 < len(shown) <= 80


@pytest.mark.parametrize("name", [None, 7, "", " \n"])
def test_without_a_name_the_function_gives_it(name):
    assert read(json.dumps({"name": name, "code": CODE}))["name"] == "dpo"


@pytest.mark.parametrize(
    "source",
    [
        "import torch\nx = '''```'''\ndef f(x:\n",
        "def loss(pc, pr:\n    '''\n```python\n'''\n",
        "x = {\n'\"code\": ': 1\n",
    ],
)
def test_broken_python_is_not_taken_for_a_reply(source):
    assert faults(source)[0][0] == "S105"


def test_python_that_mentions_fences_is_python():
    source = f'"""Docs.\n\n```python\n{OTHER}```\n"""\n{CODE}'
    assert read(source)["plan"][0] == "dpo"
