"""The screening process: it reads a candidate's text from a file, and answers with JSON on stdout.

Started once per candidate, perhaps before its text is known, with limits on time, memory and files that it sets itself
before it sees the text. It says `ready` first, so that a failure to start can be told from a parser that died of its
input. It parses and never executes.
"""

from __future__ import annotations

import ast
import io
import json
import os
import resource
import sys
import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.core.contract import CONTRACTS, PREFERENCE, Contract
from harness.core.look_alike import look_alike
from harness.core.program import NAMES, CallPlan, Told
from harness.screen.malformed import of_code
from harness.screen.parameters import not_taken, read_parameters
from harness.screen.pointwise import Known, read_off
from harness.screen.reply import begins_as_python, is_prose, line_in_reply, looks_like_reply, take_code
from harness.screen.signature import find_plan
from harness.screen.telling import is_sketch, told
from harness.screen.text import Complaint, check_source, check_text
from harness.screen.thoughts import after_thoughts, without_end

if TYPE_CHECKING:
    from collections.abc import Callable

READY = b"ready\n"
_CPU_SECONDS = 3
_MEMORY = 512 * 1024 * 1024
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
    """Screen a text when stdin ends; `arguments` are "on" or "off", and the number of the descriptor that it is in.

    Before it stands a line with the entry's name or nothing, a contract and a binding, as JSON.
    """
    policy, number = arguments
    if policy == "on":
        # RestrictedPython is a third of the start; without the policy it stays out.
        import harness.screen.policy  # noqa: F401, PLC0415
    limit()
    sys.stdout.buffer.write(READY)
    sys.stdout.buffer.flush()
    sys.stdin.buffer.read()
    place = int(number)
    question, _, data = os.pread(place, os.fstat(place).st_size, 0).partition(b"\n")
    if not question:
        return  # whoever started it has nothing to ask
    entry, *named = json.loads(question)
    contract = CONTRACTS[named[0]] if named else PREFERENCE
    binding = named[1] if len(named) > 1 else NAMES
    text = data.decode("utf-8")
    try:
        answer = read(text, entry or None, guarded=policy == "on", contract=contract, binding=binding)
    except (RecursionError, MemoryError):
        answer = _faults([Complaint("S106", "The text is nested too deeply to be read.", fix=_SPLIT)], None)
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


def read(
    text: str, entry: str | None, *, guarded: bool, contract: Contract = PREFERENCE, binding: str = NAMES
) -> dict[str, Any]:
    """Screen a text; give what the parent makes a Program of, or complaints."""
    parsed = None
    try:
        parsed = _parse(text, lambda code: _is_whole(code, entry, contract, binding))
        source, tree = parsed.source, parsed.tree
        declared = read_parameters(tree, contract)
        plan = find_plan(tree, entry, declared, contract, binding)
        line = 0 if isinstance(plan, Complaint) else _line_of(plan.entry, tree)
        complaints = _look_alikes(source) if guarded else []
        complaints += declared.complaints
        complaints += [plan] if isinstance(plan, Complaint) else not_taken(declared, plan.entry, plan.parameters)
        # Before the tree is rewritten.
        known = told(tree, plan, declared, contract) if isinstance(plan, CallPlan) else Told()
        read = read_off(tree, plan, contract) if guarded and isinstance(plan, CallPlan) else Known()
        written, mapped = _transform(tree, source, complaints) if guarded else (source, ())
    except _Refused as refused:
        return _faults(refused.complaints, parsed)
    if complaints or not isinstance(plan, CallPlan):
        return _faults(complaints, parsed)
    return {
        "text": written,
        "lines": list(mapped),
        "source": source,
        "name": parsed.name or plan.entry,
        "plan": _as_list(plan),
        "line": line_in_reply(text, source, line) if parsed.extracted else line,
        **read._asdict(),
        "told": [known.bound, known.by_position, known.fixed, known.crossed, parsed.notes],
    }


def _line_of(entry: str, tree: ast.Module) -> int:
    """The line on which the function of this name begins: the last one, where it is defined twice."""
    for statement in reversed(tree.body):
        targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", statement)]
        if any(entry in {getattr(t, "name", None), getattr(t, "id", None)} for t in targets):
            return statement.lineno
    return 0


def _is_whole(code: str, entry: str | None, contract: Contract, binding: str) -> bool:
    """Whether code from a reply could be its answer: it parses, has a loss, and the loss has a body."""
    try:
        tree = _tree(code)
    except _Refused:
        return False
    plan = find_plan(tree, entry, read_parameters(tree, contract), contract, binding)
    return isinstance(plan, CallPlan) and not is_sketch(tree, plan.entry)


def _as_list(plan: CallPlan) -> list[Any]:
    """The plan; its parameters stand at the end, where it has any."""
    parameters = [[p.name, p.low, p.high, p.log] for p in plan.parameters]
    pairs = [list(pair) for pair in plan.keyword]
    return [plan.entry, plan.dialect, list(plan.positional), pairs, *([parameters] if parameters else [])]


class _Parsed(NamedTuple):
    """A candidate's source and tree, and, where it was taken out of a reply, its name there and what is to be told."""

    source: str
    tree: ast.Module
    name: str = ""
    extracted: bool = False
    notes: tuple[str, ...] = ()


def _parse(text: str, whole: Callable[[str], bool]) -> _Parsed:
    # The characters of a reply's prose are nobody's concern: it never runs.
    hidden = check_source(text)
    try:
        tree = _tree(text)
    except _Refused as refused:
        # Only here: a comment may end in such a mark.
        if refused.complaints[0].rule == "S105" and (ended := without_end(text)) != text:
            return _parse(ended, whole)
        if refused.complaints[0].rule != "S105" or begins_as_python(text) or not looks_like_reply(text):
            raise (_Refused(*hidden) if hidden else refused) from refused
    else:
        functions = any(
            isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)) for node in ast.walk(tree)
        )
        # A JSON object is a valid Python expression, and so may a word of prose be.
        is_reply = tree.body and all(isinstance(node, ast.Expr) for node in tree.body)
        is_reply = is_reply and looks_like_reply(text) and not begins_as_python(text)
        if functions or not (is_reply and (is_prose(text) or text.lstrip()[:1] in {"{", "["})):
            if hidden:
                raise _Refused(*hidden)
            return _Parsed(text, tree)
    bare = after_thoughts(text)
    if bare != text and begins_as_python(bare):
        hidden = check_source(bare)
        if hidden:
            raise _Refused(*hidden)
        return _Parsed(bare, _tree(bare))
    reply = take_code(text, whole)
    if isinstance(reply, Complaint):
        raise _Refused(reply)
    return _Parsed(reply.code, _extracted(reply.code), reply.name, extracted=True, notes=reply.notes)


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
        complaints = [_in_code(complaint) for complaint in refused.complaints]
        if (why := of_code(code)) and complaints[0].rule == "S105":
            message = f"{complaints[0].message} Look at the code: {why[0]}."
            complaints[0] = complaints[0]._replace(message=message, fix=why[1])
        raise _Refused(*complaints) from refused


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
    from harness.screen.names import Names  # noqa: PLC0415 - loaded in main() already
    from harness.screen.policy import Policy, line_map  # noqa: PLC0415

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


def _faults(complaints: list[Complaint], parsed: _Parsed | None) -> dict[str, Any]:
    ordered = sorted(complaints, key=lambda c: (c.line, c.column))[:_MOST_COMPLAINTS]
    if parsed is not None and parsed.extracted:
        ordered = [_in_code(complaint) for complaint in ordered] + [Complaint("S118", note) for note in parsed.notes]
    return {"faults": [list(complaint) for complaint in ordered]}
