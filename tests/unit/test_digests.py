"""Digests of JSON documents are kept in ledgers, journals and file names: what is frozen here may never change."""

from __future__ import annotations

import hashlib
import json

import pytest

from harness.core.digests import json_digest

DOCUMENT = {"b": [1, 2.5, True, None, ("x", 1e-9)], "a": {"ä": "δ", "": float("inf")}}


def test_values_are_what_they_always_were() -> None:
    assert json_digest({}) == hashlib.sha256(b"{}").hexdigest()
    wanted = b'{"a": {"": Infinity, "\\u00e4": "\\u03b4"}, "b": [1, 2.5, true, null, ["x", 1e-09]]}'
    assert json_digest(DOCUMENT) == hashlib.sha256(wanted).hexdigest()
    assert json_digest(DOCUMENT, compact=True) == hashlib.sha256(_compact(wanted)).hexdigest()


def _compact(text: bytes) -> bytes:
    return json.dumps(json.loads(text), separators=(",", ":")).encode()


def test_the_order_of_keys_does_not_matter_and_that_of_lists_does() -> None:
    assert json_digest({"a": 1, "b": 2}) == json_digest({"b": 2, "a": 1})
    assert json_digest([1, 2]) != json_digest([2, 1])


def test_what_json_has_no_form_of_makes_no_digest() -> None:
    with pytest.raises(TypeError):
        json_digest({"a set": {1}})
