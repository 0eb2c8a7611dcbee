"""`harness explain` and `harness rules`, and the rules of the wire that they speak of."""

from __future__ import annotations

import json
import re

import pytest
from click.testing import CliRunner
from markdown_it import MarkdownIt

from harness.checks import catalogue as rules
from harness.cli.explain import explain_command
from harness.cli.rules import rules_command, rules_markdown
from harness.core.errors import UserError
from harness.core.rules import Rule
from harness.core.verdict import Severity
from harness.protocol.rules import WIRE_RULES

ODD = Rule(
    "P399",
    "odd-rule",
    Severity.WARNING,
    "A | pipe and [bold]brackets[/bold].",
    "Because.",
    "Fix `it`.",
    "```\nbefore[0]",
    "after[/]",
    stability="preview",
)


@pytest.fixture(autouse=True)
def _catalogue(monkeypatch):
    monkeypatch.setattr(rules, "all_rules", lambda: (*WIRE_RULES, ODD))


def invoke(command, *arguments):
    return CliRunner().invoke(command, arguments)


@pytest.mark.parametrize("key", ["W202", "w202", "raises", "Raises"])
def test_a_rule_is_explained_by_id_or_name(key):
    done = invoke(explain_command, key)
    assert done.exit_code == 0
    (rule,) = (r for r in WIRE_RULES if r.id == "W202")
    shown = " ".join(done.output.split())
    assert "W202 raises error, stable, since profile 2026.1" in shown
    for text in (rule.summary, rule.why, rule.fix, rule.before, rule.after):
        assert " ".join(text.split()) in shown


@pytest.mark.parametrize(("command", "arguments"), [(explain_command, ["W202"]), (rules_command, [])])
def test_lines_have_no_blanks_at_their_end(command, arguments):
    assert not re.search(r"[ \t]+$", invoke(command, *arguments).output, flags=re.MULTILINE)


def test_brackets_in_a_rule_are_text():
    output = invoke(explain_command, "P399").output
    assert "[bold]brackets[/bold]" in output
    assert "after[/]" in output


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("W222", "Did you mean W202 (raises)?"),
        ("rases", "Did you mean W202 (raises)?"),
        ("time-limt", "Did you mean W203 (time-limit)?"),
    ],
)
def test_an_unknown_rule_names_the_nearest(key, hint):
    error = invoke(explain_command, key).exception
    assert isinstance(error, UserError)
    assert error.exit_code == 2
    assert hint in error.remedy
    assert "harness rules" in error.remedy


def test_a_key_like_no_rule_has_no_hint():
    error = invoke(explain_command, "\x1b[31m" + "z" * 500).exception
    assert isinstance(error, UserError)
    assert "Did you mean" not in error.remedy
    assert len(error.message) < 100
    assert "\x1b" not in error.message


def test_the_table_lists_every_rule():
    output = invoke(rules_command).output
    assert all(f"{rule.id}  " in output for rule in (*WIRE_RULES, ODD))
    assert "(preview)" in output


def test_the_json_holds_every_text():
    document = json.loads(invoke(rules_command, "--json").output)
    assert document["schema"] == "harness.rules/v1"
    assert [r["id"] for r in document["rules"]] == [r.id for r in (*WIRE_RULES, ODD)]
    assert document["rules"][-1] == {
        "id": "P399",
        "name": "odd-rule",
        "severity": "warning",
        "summary": ODD.summary,
        "why": "Because.",
        "fix": "Fix `it`.",
        "before": ODD.before,
        "after": ODD.after,
        "introduced_in": "2026.1",
        "stability": "preview",
    }


def test_the_page_has_a_section_that_each_row_links_to():
    page = invoke(rules_command, "--markdown").output
    tokens = MarkdownIt("commonmark").enable("table").parse(page)
    headings = [tokens[i + 1].content for i, t in enumerate(tokens) if t.type == "heading_open" and t.tag == "h3"]
    assert headings == [f"{r.id} {r.name}" for r in (*WIRE_RULES, ODD)]
    anchors = [h.lower().replace(" ", "-") for h in headings]
    links = [c.attrs["href"] for t in tokens for c in t.children or [] if c.type == "link_open"]
    assert links == [f"#{a}" for a in anchors]
    fences = [t.content for t in tokens if t.type == "fence"]
    assert fences == [f"{text}\n" for r in (*WIRE_RULES, ODD) for text in (r.before, r.after)]
    assert page == rules_markdown(rules.all_rules())


def test_json_and_markdown_together_are_a_usage_error():
    assert invoke(rules_command, "--json", "--markdown").exit_code == 2


def test_the_rules_of_the_wire_are_numbered_without_gaps_and_named_apart():
    assert [r.id for r in WIRE_RULES] == [f"W{n}" for n in range(201, 211)]
    assert len({r.name for r in WIRE_RULES}) == 10


@pytest.mark.parametrize("rule", WIRE_RULES, ids=lambda r: r.id)
def test_the_examples_of_the_wire_rules_are_python(rule):
    for text in (rule.before, rule.after):
        compile("def f():\n" + "".join(f"    {line}\n" for line in text.splitlines()) + "    pass", rule.id, "exec")
