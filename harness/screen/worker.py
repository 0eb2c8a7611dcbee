"""The screening process: it reads a candidate's text on stdin, and answers with JSON on stdout.

Started once per candidate, with limits on time, memory and files that it sets itself before it sees the
text. It says `ready` first, so that a failure to start can be told from a parser that died of its input.
It parses and never executes.
"""

from __future__ import annotations

import ast
import io
import json
import resource
import sys
import warnings
from typing import Any

from harness.contract import CONTRACTS, PREFERENCE, CallPlan, Contract
from harness.screen.parameters import not_taken, read_parameters
from harness.screen.reply import begins_as_python, is_prose, line_in_reply, looks_like_reply, take_code
from harness.screen.signature import find_plan
from harness.screen.text import Complaint, check_text, look_alike

READY = b"ready\n"
_CPU_SECONDS = 3
_MEMORY = 512 * 1024 * 1024
#: The map of a text to itself.
_SAME: tuple[int, ...] = ()
_MOST_NODES = 40_000
_MOST_DEPTH = 120
_MOST_COMPLAINTS = 50
#: What CPython's parser says when a text is too much for it.
_OVERWHELMED = {
    "too many nested parentheses": "There are too many nested parentheses.",
    "too many levels of indentation": "There are too many levels of indentation.",
    "integer string conversion": "An integer literal has more than a thousand digits.",
}
_SPLIT = "Split the expression into named steps, and use a loop where a term repeats."


class _Refused(Exception):
    """Reading cannot go on; complaints say why."""

    def __init__(self, *complaints: Complaint) -> None:
        super().__init__()
        self.complaints = list(complaints)


def main(arguments: list[str]) -> None:
    """Screen the text on stdin; `arguments` are "on" or "off", the entry's name or an empty string, a contract."""
    policy, entry, *named = arguments
    if policy == "on":
        # RestrictedPython is a third of the start; without the policy it stays out.
        import harness.screen.policy  # noqa: F401, PLC0415
    limit()
    sys.stdout.buffer.write(READY)
    sys.stdout.buffer.flush()
    text = sys.stdin.buffer.read().decode("utf-8")
    try:
        answer = read(
            text, entry or None, guarded=policy == "on", contract=CONTRACTS[named[0]] if named else PREFERENCE
        )
    except (RecursionError, MemoryError):
        answer = _faults([Complaint("S106", "The text is nested too deeply to be read.", fix=_SPLIT)])
    except Exception as error:  # noqa: BLE001 - a defect of ours has to be told apart from the candidate's
        answer = {"defect": f"{type(error).__name__}: {error}"[:500]}
    sys.stdout.write(json.dumps(answer))
    sys.stdout.flush()


def limit() -> None:
    """Give up time, memory, files and children beyond what reading needs."""
    limits = (
        # The soft limit ends it by a signal that nobody else sends; SIGKILL is then from outside.
        (resource.RLIMIT_CPU, _CPU_SECONDS, _CPU_SECONDS + 1),
        (resource.RLIMIT_AS, _MEMORY, _MEMORY),
        (resource.RLIMIT_NOFILE, 16, 16),
        (resource.RLIMIT_FSIZE, 0, 0),
        (resource.RLIMIT_CORE, 0, 0),
        (resource.RLIMIT_NPROC, 0, 0),
    )
    for which, soft, most in limits:
        hard = resource.getrlimit(which)[1]
        allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
        if which == resource.RLIMIT_AS and allowed < _MEMORY:
            raise SystemExit("too little memory to screen a text in: this is no fault of the text")
        resource.setrlimit(which, (min(soft, allowed), allowed))
    warnings.simplefilter("ignore")
    sys.setrecursionlimit(5000)


def read(text: str, entry: str | None, *, guarded: bool, contract: Contract = PREFERENCE) -> dict[str, Any]:
    """Screen a text; give what the parent makes a Program of, or complaints."""
    extracted = False
    try:
        source, name, tree, extracted = _parse(text)
        declared = read_parameters(tree, contract)
        plan = find_plan(tree, entry, declared, contract)
        line = 0 if isinstance(plan, Complaint) else _line_of(plan.entry, tree)
        complaints = _look_alikes(source) if guarded else []
        complaints += declared.complaints
        complaints += [plan] if isinstance(plan, Complaint) else not_taken(declared, plan.entry, plan.parameters)
        written, mapped = source, _SAME
        if guarded:
            written, mapped = _transform(tree, source, complaints)
    except _Refused as refused:
        return _faults(refused.complaints, extracted=extracted)
    if complaints or not isinstance(plan, CallPlan):
        return _faults(complaints, extracted=extracted)
    return {
        "text": written,
        "lines": list(mapped),
        "source": source,
        "name": name or plan.entry,
        "plan": _as_list(plan),
        "line": line_in_reply(text, source, line) if extracted else line,
    }


def _line_of(entry: str, tree: ast.Module) -> int:
    """The line on which the function of this name begins: the last one, where it is defined twice."""
    for statement in reversed(tree.body):
        targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", statement)]
        if any(entry in {getattr(t, "name", None), getattr(t, "id", None)} for t in targets):
            return statement.lineno
    return 0


def _as_list(plan: CallPlan) -> list[Any]:
    """The plan; its parameters stand at the end, where it has any."""
    parameters = [[p.name, p.low, p.high, p.log] for p in plan.parameters]
    pairs = [list(pair) for pair in plan.keyword]
    return [plan.entry, plan.dialect, list(plan.positional), pairs, *([parameters] if parameters else [])]


def _parse(text: str) -> tuple[str, str, ast.Module, bool]:
    """Give source, name, tree, and whether the source was taken out of a reply."""
    try:
        tree = _tree(text)
    except _Refused as refused:
        if refused.complaints[0].rule != "S105" or begins_as_python(text) or not looks_like_reply(text):
            raise
    else:
        functions = any(
            isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)) for node in ast.walk(tree)
        )
        # A JSON object is a valid Python expression, and so may a word of prose be.
        is_reply = tree.body and all(isinstance(node, ast.Expr) for node in tree.body)
        is_reply = is_reply and looks_like_reply(text) and not begins_as_python(text)
        if functions or not (is_reply and (is_prose(text) or text.lstrip()[:1] in {"{", "["})):
            return text, "", tree, False
    reply = take_code(text)
    if isinstance(reply, Complaint):
        raise _Refused(reply)
    return reply.code, reply.name, _extracted(reply.code), True


def _extracted(code: str) -> ast.Module:
    try:
        code.encode("utf-8")
    except UnicodeEncodeError as error:
        raise _Refused(Complaint("S116", "The reply's code holds half of a surrogate pair.")) from error
    complaints = check_text(code)
    if complaints:
        raise _Refused(*map(_in_code, complaints))
    try:
        return _tree(code)
    except _Refused as refused:
        raise _Refused(*(_in_code(complaint) for complaint in refused.complaints)) from refused


def _tree(source: str) -> ast.Module:
    """Parse; complain about syntax, depth and size."""
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        line, column = error.lineno or 0, max(error.offset or 0, 0)
        message = str(error.msg)
        for words, sentence in _OVERWHELMED.items():
            if words in message:
                raise _Refused(Complaint("S106", sentence, line, column, _SPLIT)) from error
        raise _Refused(Complaint("S105", f"The syntax is not valid: {message}.", line, column)) from error
    except (RecursionError, MemoryError) as error:
        raise _Refused(Complaint("S106", "The text is nested too deeply to be parsed.", fix=_SPLIT)) from error
    except ValueError as error:
        raise _Refused(Complaint("S105", f"The text cannot be parsed: {error}.")) from error
    _measure(tree)
    return tree


def _measure(tree: ast.Module) -> None:
    """Refuse what the compiler inside the sandbox would choke on."""
    count = 0
    level: list[tuple[ast.AST, int]] = [(tree, 1)]
    for _ in range(_MOST_DEPTH):
        following: list[tuple[ast.AST, int]] = []
        for node, line in level:
            here = getattr(node, "lineno", line)
            following.extend((child, here) for child in ast.iter_child_nodes(node))
        count += len(following)
        if count > _MOST_NODES:
            message = f"The text has more than {_MOST_NODES} elements."
            raise _Refused(Complaint("S106", message, fix="Keep the loss and its helpers only."))
        if not following:
            return
        level = following
    message = f"The text is nested more than {_MOST_DEPTH} levels deep."
    raise _Refused(Complaint("S106", message, level[0][1], fix=_SPLIT))


def _look_alikes(source: str) -> list[Complaint]:
    if source.isascii():
        return []
    import tokenize  # noqa: PLC0415 - only text beyond ASCII pays for it

    found: dict[str, Complaint] = {}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.NAME and not token.string.isascii() and token.string not in found:
            words = look_alike(token.string)
            if words:
                line, column = token.start
                found[token.string] = Complaint("S111", f"{words[0].upper()}{words[1:]}.", line, column + 1)
    return list(found.values())


def _transform(tree: ast.Module, source: str, complaints: list[Complaint]) -> tuple[str, tuple[int, ...]]:
    from harness.screen.lines import line_map  # noqa: PLC0415 - loaded in main() already
    from harness.screen.names import Names  # noqa: PLC0415
    from harness.screen.policy import Policy  # noqa: PLC0415

    policy = Policy(Names(tree))
    policy.visit(tree)
    complaints += (_in_characters(complaint, source) for complaint in policy.complaints)
    if complaints:
        return "", ()
    ast.fix_missing_locations(tree)
    text = ast.unparse(tree)
    try:
        return text, line_map(tree, text)
    except SyntaxError as error:
        # Guards nest calls in calls: a chain that was just short enough may be too deep now.
        raise _Refused(Complaint("S106", f"The parser gave up: {error.msg}.", fix=_SPLIT)) from error


def _in_characters(complaint: Complaint, source: str) -> Complaint:
    """Count the column in characters; the parser counts bytes."""
    lines = source.splitlines() if not source.isascii() else []
    if not 0 < complaint.line <= len(lines):
        return complaint
    before = lines[complaint.line - 1].encode()[: complaint.column - 1]
    return complaint._replace(column=len(before.decode("utf-8", "ignore")) + 1)


def _in_code(complaint: Complaint) -> Complaint:
    if not complaint.line:
        return complaint
    return complaint._replace(message=f"{complaint.message.rstrip('.')} (counted in the extracted code).")


def _faults(complaints: list[Complaint], *, extracted: bool = False) -> dict[str, Any]:
    if extracted:
        complaints = [_in_code(complaint) for complaint in complaints]
    ordered = sorted(complaints, key=lambda c: (c.line, c.column))[:_MOST_COMPLAINTS]
    return {"faults": [list(complaint) for complaint in ordered]}
