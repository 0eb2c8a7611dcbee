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
        (f'{{"name": "n", "code": """{CODE}"""}}', "malformed"),
        ('{"name": "n", "code": "def f(): return \'\\ud800\'"}', "surrogate"),
    ],
)
def test_unusable(text, words):
    (fault,) = read(text)["faults"]
    assert fault[0] == "S116"
    assert words in fault[1]


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
