"""A reply that is almost JSON is told what is wrong with it, and where."""

import json

import pytest
from screening import LOSS, faults, read

CODE = json.dumps(LOSS)


def told(text):
    """The one complaint's message, place and fix."""
    (fault,) = read(text)["faults"]
    assert fault[0] == "S116"
    assert fault[4]
    return fault[1], (fault[2], fault[3]), fault[4]


@pytest.mark.parametrize(
    ("text", "words", "place"),
    [
        (f"{{“thought”: “t”, “code”: {CODE}}}", "typographic quotes (U+201C", (1, 2)),
        (f'{{"thought": “t”, "code": {CODE}}}', "typographic quotes (U+201C", (1, 13)),
        (f"```json\n{{\n  ”code”: ”{LOSS}”\n}}\n```", "typographic quotes (U+201D", (3, 3)),
        (f"{{«thought»: «t», «code»: {CODE}}}", "typographic quotes (U+00AB", (1, 2)),
        (f"{{‘code’: ‘{LOSS}’}}", "typographic quotes (U+2018", (1, 2)),
        (f"{{'thought': 't', 'code': {LOSS!r}}}", "single quotes", (1, 2)),
        (f"Here:\n```python\n{{'code': {LOSS!r}}}\n```\n", "single quotes", (3, 2)),
        (f'{{"thought": \'t\', "code": {CODE}}}', "single quotes", (1, 13)),
        (f'{{"thought": "t", "code": {CODE},}}', "comma before the closing }", None),
        (f'{{"parents": ["a", ], "code": {CODE}}}', "comma before the closing ]", (1, 19)),
        (f'{{"thought": "t",\n "code": {CODE},\n}}\n', "comma before the closing }", (3, 1)),
        (f'{{"thought": "t", // why\n "code": {CODE}}}', "a comment", (1, 18)),
        (f'{{"thought": "t", /* why */ "code": {CODE}}}', "a comment", (1, 18)),
        (f'{{ // why\n "code": {CODE}}}', "a comment", (1, 3)),
        (f'{{"thought": "t", # why\n "code": {CODE}}}', "a comment", (1, 18)),
        (f'{{"thought": "t", "code": `{LOSS}`}}', "backticks", (1, 26)),
        (f"{{`code`: `{LOSS}`}}", "backticks", (1, 2)),
        (f'{{"thought": None, "code": {CODE}}}', "word of Python's", (1, 13)),
        (f'{{"novel": True, "code": {CODE}}}', "word of Python's", (1, 11)),
        (f'{{"thought": "t", "code": """{LOSS}"""}}', "triple quotes", None),
        (f'{{"thought": "t", "code": r"{LOSS}"}}', "prefix", (1, 26)),
        (f'{{"thought": "t", "code": ({CODE})}}', "parentheses", (1, 26)),
        (f'{{"thought": "t", "code": "def a" + {CODE}}}', "put together", (1, 34)),
        (f'{{thought: "t", code: {CODE}}}', "without quotes", (1, 2)),
        (f'{{"thought": "t", code: {CODE}}}', "without quotes", (1, 18)),
        (f"{{&quot;code&quot;: {CODE}}}", "HTML", (1, 2)),
        ('{"code": "def f():\n    """Text."""\n    return 1"}', "not escaped", (2, 6)),
    ],
)
def test_each_mistake_has_its_sentence(text, words, place):
    message, where, _ = told(text)
    assert words in message
    assert "malformed" in message
    assert place is None or where == place


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (json.dumps({"response": {"code": LOSS}}), "stands inside response"),
        (json.dumps({"name": "propose", "arguments": json.dumps({"code": LOSS})}), "stands inside arguments"),
        (json.dumps({"Code": LOSS}), "told apart by case"),
        ("<<<<<<< SEARCH\n    return x\n=======\n    return y\n>>>>>>> REPLACE\n", "search and replace"),
        ("```\n<<<<<<< SEARCH\n    return x\n=======\n    return y\n>>>>>>> REPLACE\n```\n", "search and replace"),
        (f"<name>n</name>\n<code>\n{LOSS}</code>\n", "among sentences or tags"),
        (f"<think>\nx\n</think>\nHere it is:\n{LOSS}", "among sentences or tags"),
    ],
)
def test_other_forms_have_theirs(text, words):
    assert words in told(text)[0]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (LOSS.replace("\n", "\\n"), "escaped twice"),
        (LOSS.replace("):", ") -&gt; torch.Tensor:"), "escaped for HTML"),
    ],
)
def test_code_that_was_escaped_once_too_often(code, words):
    (fault,) = read(json.dumps({"code": code}))["faults"]
    assert fault[0] == "S105"
    assert words in fault[1]


@pytest.mark.parametrize(
    "source", [f"proposal = {{'name': 'n', 'code': {LOSS!r}}}\n", f"x: dict = {{'code': {LOSS!r}}}\nprint(x)\n"]
)
def test_a_dictionary_that_is_assigned(source):
    assert faults(source) == [("S107", 1)]
    assert "a dictionary with a key code" in read(source)["faults"][0][1]


@pytest.mark.parametrize(
    "text",
    [
        f"The “margin” isn’t {{x: x > 0}} but:\n```python\n{LOSS}```\n",
        json.dumps({"thought": "“soft” – isn’t it?", "code": LOSS}, ensure_ascii=False),
        json.dumps({"thought": "{'code': 1} or {code: `x`,} // no", "code": LOSS}),
        f'{{"fitness": NaN, "low": -Infinity, "code": {CODE}}}',
        f"Set {{'code': 'x'}} aside:\n```python\n{LOSS}```\n",
    ],
)
def test_the_same_marks_elsewhere_are_no_mistakes(text):
    assert read(text)["plan"][0] == "loss"
