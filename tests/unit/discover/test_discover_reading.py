"""What kind a reply is, where its form is another one than was asked for."""

from __future__ import annotations

import json

import pytest
from scripted import code

from harness.discover.proposers import Proposal
from harness.discover.reading import read

CODE = code("k * 0.25")
PROMPTED = ">>> " + CODE.replace("\n    ", "\n...     ")


@pytest.mark.parametrize("text", [PROMPTED, f"My loss:\n\n{PROMPTED}", f"```pycon\n{PROMPTED}```"])
def test_code_behind_prompts_is_told_so(text: str) -> None:
    assert read(Proposal(text)).kind == "prompted"


@pytest.mark.parametrize("end", ["<|im_end|>", "</s>", "\n<|eot_id|>\n"])
@pytest.mark.parametrize("fence", ["```python", "~~~~"])
def test_the_mark_of_an_end_shows_that_only_the_fence_is_missing(fence: str, end: str) -> None:
    text = f"My loss:\n{fence}\n{CODE}"
    got = read(Proposal(text + end))
    assert (got.kind, got.source.rstrip()) == ("code-in-prose", CODE.rstrip())
    assert read(Proposal(f"{fence}\n{CODE[:-9]}({end}")).kind == "invalid-code"
    assert read(Proposal(text)).kind == "cut"
    assert read(Proposal(text + end, cut=True)).kind == "cut", "whoever was asked says so"
    assert read(Proposal(json.dumps({"code": text}) + end)).kind == "cut"
