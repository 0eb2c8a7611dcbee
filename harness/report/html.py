"""The report as one self-contained HTML page: no script, no request, a policy that allows neither."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.core import text as sanitize
from harness.core.errors import UserError
from harness.core.verdict import Screened, Undecided
from harness.plots.plots import inline_pictures
from harness.report.wording import SCREENED_ALONE, assignments, fact_rows, not_run, stability_story, tally

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.core.result import CheckReport, CheckResult
    from harness.core.verdict import Finding

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_SYMBOLS = {"accepted": "✓", "screened": "~", "rejected": "✗", "undecided": "?"}
_STYLE = """
:root { color-scheme: light dark; --paper: #ffffff; --page: #f4f5f7; --ink: #1f2a37; --muted: #6b7280;
  --grid: #e3e6eb; --accent: #2457c5; --grey: #9aa3af; --alarm: #c8322b; --caution: #a86a0b; --calm: #dfe9e2;
  --good: #1c7a43; --code: #f4f5f7; }
@media (prefers-color-scheme: dark) { :root {
  --paper: #171c23; --page: #0f1318; --ink: #e4e8ee; --muted: #98a2b0; --grid: #2c343f; --accent: #7ba4f7;
  --grey: #66707e; --alarm: #e5675f; --caution: #dfa03c; --calm: #26392d;
  --good: #5fc288; --code: #0f1318; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 60rem; overflow-wrap: anywhere;
  background: var(--page); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; }
h2 { font-size: 1.1rem; margin: 0; font-weight: 600; }
h3 { font-size: .95rem; margin: 0 0 .4rem; }
p { margin: .4rem 0; }
a { color: inherit; }
.muted { color: var(--muted); }
.accepted { color: var(--good); } .rejected { color: var(--alarm); } .undecided, .screened { color: var(--caution); }
.badge { font-weight: 700; margin-right: .6rem; white-space: nowrap; }
section { background: var(--paper); border: 1px solid var(--grid); border-radius: 10px;
  padding: 1.25rem 1.4rem; margin: 1.25rem 0; }
.finding { border-left: 4px solid var(--muted); padding: .1rem 0 .1rem .9rem; margin: 1rem 0; }
.finding.error { border-color: var(--alarm); } .finding.warning { border-color: var(--caution); }
.finding.note { border-color: var(--accent); }
table { border-collapse: collapse; width: 100%; margin: .8rem 0; }
th, td { text-align: left; vertical-align: top; padding: .35rem .9rem .35rem 0;
  border-bottom: 1px solid var(--grid); }
th { font-weight: 500; color: var(--muted); white-space: nowrap; }
pre { background: var(--code); border: 1px solid var(--grid); border-radius: 6px; padding: .6rem .8rem;
  margin: .5rem 0; overflow-x: auto; white-space: pre-wrap;
  font: 13px/1.5 ui-monospace, "DejaVu Sans Mono", Menlo, monospace; }
figure { margin: 1.2rem 0 0; } figcaption { color: var(--muted); font-size: .88rem; }
.picture { width: 100%; height: auto; display: block; stroke-linejoin: round; stroke-linecap: butt; }
summary { cursor: pointer; color: var(--muted); }
"""


def write_html(report: CheckReport) -> str:
    """Write the page. Without matplotlib the pictures are missing, and the page says so."""
    lines = [
        "<!DOCTYPE html>",
        '<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>Harness report</title><style>{_STYLE}</style></head><body>",
        f'<header><h1>Harness report</h1><p class="muted">{sanitize.html(tally(report))}</p></header><main>',
    ]
    if len(report.results) > 1:
        lines += _summary(report)
    for index, result in enumerate(report.results):
        lines += _section(result, index)
    lines.append("</main></body></html>")
    return "\n".join(lines) + "\n"


def _summary(report: CheckReport) -> Iterator[str]:
    yield "<section><table><tr><th>verdict</th><th>candidate</th><th>findings</th></tr>"
    for index, result in enumerate(report.results):
        rules = ", ".join(dict.fromkeys(f"{f.rule} {f.name}" for f in result.verdict.findings))
        yield (
            f'<tr><td>{_badge(result)}</td><td><a href="#c{index}">'
            f"{sanitize.html(sanitize.path(result.path))}</a></td><td>{sanitize.html(rules)}</td></tr>"
        )
    yield "</table></section>"


def _badge(result: CheckResult) -> str:
    word = result.verdict.word
    return f'<span class="badge {word}">{_SYMBOLS[word]} {word}</span>'


def _section(result: CheckResult, index: int) -> Iterator[str]:
    verdict = result.verdict
    yield f'<section id="c{index}"><h2>{_badge(result)}{sanitize.html(sanitize.path(result.path))}</h2>'
    name = sanitize.html(sanitize.name(result.name))
    yield f'<p class="muted">{name}, sha256 {sanitize.html(result.sha256[:16])}</p>'
    if isinstance(verdict, Undecided):
        yield f"<p><strong>The harness could not decide:</strong> {sanitize.html(verdict.reason)}</p>"
        if verdict.remedy:
            yield f"<p><strong>What to do:</strong> {sanitize.html(verdict.remedy)}</p>"
    if isinstance(verdict, Screened):
        yield f"<p><strong>{sanitize.html(SCREENED_ALONE)}</strong></p>"
    for finding in verdict.findings:
        yield from _finding(finding)
    if rows := fact_rows(result.loss_facts):
        yield "<table>"
        yield from (f"<tr><th>{sanitize.html(k)}</th><td>{sanitize.html(v)}</td></tr>" for k, v in rows)
        yield "</table>"
    yield from (f"<p>{sanitize.html(told)}</p>" for told in (*stability_story(result.loss_facts), *not_run(result)))
    yield from _pictures(result, index)
    if result.output:
        printed = sanitize.html(result.output)
        yield f"<details><summary>what it printed</summary><pre>{printed}</pre></details>"
    yield "</section>"


def _finding(finding: Finding) -> Iterator[str]:
    place = f", line {finding.location.line}" if finding.location and finding.location.line > 0 else ""
    severity = finding.severity.value
    title = sanitize.html(f"{severity} {finding.rule} {finding.name}{place}")
    yield f'<div class="finding {severity}"><h3>{title}</h3><p>{sanitize.html(finding.message)}</p>'
    if finding.counterexample:
        lines = "\n".join(assignments(finding.counterexample))
        yield f"<pre>{sanitize.html(lines)}</pre>"
    if finding.fix:
        yield f"<p><strong>Fix:</strong> {sanitize.html(finding.fix)}</p>"
    if finding.detail:
        yield f"<details><summary>detail</summary><pre>{sanitize.html(finding.detail)}</pre></details>"
    yield "</div>"


def _pictures(result: CheckResult, index: int) -> Iterator[str]:
    if not ({"curve", "stability"} & result.facts.keys()):
        return
    try:
        pictures = inline_pictures(result, f"c{index}")
    except UserError as error:
        words = sanitize.html(f"No pictures: {error.message}. {error.remedy}")
        yield f'<p class="muted">{words}</p>'
        return
    for words, svg in pictures:
        yield f"<figure>{svg}<figcaption>{words}</figcaption></figure>"
