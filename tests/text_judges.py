"""Judges of reports as text and as data: what a reader of each format would act on.

They look by other means than those that the reports are made safe by. Each takes a written report and raises
AssertionError where a text has become more than text.
"""

from __future__ import annotations

import json
import re
import unicodedata
import xml.etree.ElementTree as ET
from typing import Any

import jsonschema
from sarif_schema import LOG

from harness.report.json_report import shipped_schema

#: Invisible although their category says letter, mark or symbol: fillers, variation selectors, Braille blank.
_FILLERS = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")
#: Colours and weights that Rich sets: the reset, one digit, or two; no cursor, title, link or mode.
_COLOUR = re.compile(r"\x1b\[(?:[0-9]|[34][0-7])?(?:;(?:[0-9]|[349][0-7]))*m")
#: How a line may begin at the left edge.
_WORDS = "accepted|screened|rejected|undecided"
_OURS = re.compile(rf"\S (?i:{_WORDS})  |verdict  |\d+ ({_WORDS})|\s|$")
#: Longest text that any report may hold in one place, in characters.
_LONGEST = 30_000


def judge_characters(text: str) -> None:
    """No character but line feed and tab acts, hides, reorders, or is none; marks stand on letters, a few on each."""
    text.encode("utf-8")
    if text.isascii():
        assert not re.search(r"[^\n\t -~]", text)
        return
    for char in set(text) - {"\n", "\t"}:
        assert unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}, f"U+{ord(char):04X}"
    assert not _FILLERS.search(text)
    marks = 0
    for before, char in zip("\n" + text, text, strict=False):
        marks = marks + 1 if unicodedata.category(char) in {"Mn", "Me"} else 0
        assert marks < 5
        assert not (marks == 1 and before.isspace()), f"U+{ord(char):04X} after {before!r}"


def judge_log(text: str) -> None:
    """No line is a command of a CI service's log: see what `actions/runner` trims and looks for."""
    assert not re.search(r"##(\[|vso\[|teamcity\[)", text, re.IGNORECASE)
    for line in re.split(r"[\n\r\x0b\x0c\x85\u2028\u2029]", text):
        assert not line.strip().startswith("::"), line[:80]


def judge_composition(text: str) -> None:
    """No mark stands on a letter of the markup: whoever composes characters would take both away."""
    assert not any(unicodedata.category(mark) in {"Mn", "Me"} for mark in re.findall("[<>]([^ -~\n])", text))


def judge_terminal(text: str, words: list[str], *, coloured: bool = False) -> None:
    """Nothing but colours acts, and no line passes for a verdict: `words` are those of the candidates."""
    assert ("\x1b" in text) <= coloured
    plain = _COLOUR.sub("", text)
    judge_characters(plain)
    judge_log(text)
    judge_log(plain)
    # A terminal brings the carriage return along that GitLab wants after it.
    assert not re.search(r"section_(start|end):\d", plain)
    assert len(text) < 200_000
    heads = re.findall(r"^\S ([A-Z]+)  examples/", plain, re.MULTILINE)
    assert heads == [word.upper() for word in words]
    rows = re.findall(rf"^\S ({_WORDS})  +examples/", plain, re.MULTILINE)
    assert rows == (words if len(words) > 1 else [])
    ours = re.compile(rf"\S ({_WORDS.upper()}|{_WORDS})  |verdict  |\d+ (acc|scr|rej|und)|\s|$")
    for line in plain.split("\n"):
        assert ours.match(line), line[:80]


def read_json(text: str) -> Any:
    """Strict JSON in ASCII without a key twice, whose texts are harmless and not endless."""

    def refuse(token: str) -> None:
        raise AssertionError(f"{token} is no JSON")

    def object_of(pairs: list[tuple[str, object]]) -> dict[str, object]:
        assert len({key for key, _ in pairs}) == len(pairs)
        for key, value in pairs:
            for part in (key, value):
                if isinstance(part, str):
                    judge_characters(part)
                    assert len(part) < _LONGEST
        return dict(pairs)

    assert text.isascii()
    judge_log(text)
    return json.loads(text, parse_constant=refuse, object_pairs_hook=object_of)


def judge_json(text: str, words: list[str]) -> None:
    document = read_json(text)
    jsonschema.Draft202012Validator(json.loads(shipped_schema())).validate(document)
    assert [result["verdict"] for result in document["results"]] == words


def judge_sarif(text: str, rules: list[str]) -> None:
    log = read_json(text)
    jsonschema.Draft202012Validator(LOG).validate(log)
    (run,) = log["runs"]
    assert [each["ruleId"] for each in run["results"]] == rules
    notices = run["invocations"][0]["toolExecutionNotifications"]
    for each in (*run["results"], *notices):
        assert not re.search(r"\[[^\]]*\]\(", each["message"]["text"]), "an embedded link"
        assert "\n" not in each["message"]["text"]
        uri = each["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        assert re.fullmatch(r"(file:///)?[A-Za-z0-9_.~/%-]+", uri), uri


def judge_gitlab(text: str, rules: list[str]) -> None:
    issues = read_json(text)
    assert [issue["check_name"] for issue in issues] == rules
    for issue in issues:
        assert set(issue) == {"description", "check_name", "fingerprint", "severity", "location"}
        assert "\n" not in issue["description"] + issue["location"]["path"]
        assert re.fullmatch("[0-9a-f]{64}", issue["fingerprint"])


_XML = {
    "testsuites": {"name", "tests", "failures", "errors", "skipped", "time"},
    "testsuite": {"name", "tests", "failures", "errors", "skipped", "time"},
    "testcase": {"name", "classname", "time"},
    "failure": {"type", "message"},
    "error": {"type", "message"},
    "skipped": {"message"},
    "system-out": set(),
}


def judge_junit(text: str, counts: list[tuple[int, int]]) -> None:
    """`counts` are failures and errors of each suite."""
    judge_log(text)
    judge_composition(text)
    assert "<!" not in text, "a declaration, a comment or CDATA"
    root = ET.fromstring(text.encode())  # noqa: S314 - our own text, which is what is tested
    for element in root.iter():
        assert set(element.attrib) <= _XML[element.tag]
        for part in (element.text or "", element.tail or "", *element.attrib.values()):
            judge_characters(part)
            assert len(part) < _LONGEST
            assert not re.search(r"\[\[\s*\w+\s*\|", part), "an attachment"
    found = [(len(suite.findall("*/failure")), len(suite.findall("*/error"))) for suite in root]
    assert found == counts


def judge_github(text: str, commands: list[str]) -> None:
    """Each line is one command of ours as the runner reads it, and nothing that it reads differs from what we said."""
    judge_characters(text)
    assert not re.search(r"##(\[|vso\[|teamcity\[)", text)
    found = []
    for line in text.splitlines():
        match = re.fullmatch(r"::([a-z]+) ([^\r\n]*?)::(.*)", line)
        assert match, line[:80]
        found.append(match[1])
        properties = dict(pair.split("=", 1) for pair in match[2].split(","))
        assert list(properties) == sorted(properties, key=["file", "line", "col", "title"].index)
        for value in (*properties.values(), match[3]):
            assert not re.search("%(?!25|0A|3A|2C)", value)
            assert len(value) < _LONGEST
        assert "%0A" not in match[2]
    assert found == commands
