"""The fuzzer fuzzed: each check is taken out of the host's side in turn, and a kept input has to notice.

Drawn inputs are not asked here: what Hypothesis draws depends on which modules are loaded, and so on what ran before.
"""

from __future__ import annotations

import importlib
import inspect
import types
from dataclasses import dataclass, replace

import pytest
from hunt import hunt
from inputs_kept import kept
from targets import TARGETS
from watchdog import within


@dataclass(frozen=True)
class Mutant:
    """A line of a module, what stands there instead, the names that are taken from the mutant, who notices."""

    module: str
    line: str
    instead: str
    names: tuple[str, ...]
    target: str


_FRAMES = "harness.protocol.frames"
_WIRE = "harness.protocol.wire"
_BOX = "harness.oracle.sandbox"
_STREAM = "harness.containers.stream"
_ORACLE = "harness.oracle.oracle"
_REPLY = "harness.screen.reply"
HEADER, ANSWERS, BOX, STREAMS = ("parse_header",), ("parse_answers",), ("Sandbox",), ("Streams",)
MUTANTS = {
    "magic": Mutant(_FRAMES, "magic != layout.MAGIC or ", "", HEADER, "header"),
    "padding": Mutant(_FRAMES, ' or data[5:8] != b"\\0\\0\\0"', "", HEADER, "header"),
    "kind": Mutant(_FRAMES, "if kind not in expected:", "if False:", HEADER, "header"),
    "sequence": Mutant(_FRAMES, "if got != sequence:", "if False:", HEADER, "header"),
    "sequence, in a conversation": Mutant(_FRAMES, "if got != sequence:", "if False:", HEADER, "conversation"),
    "length": Mutant(_FRAMES, "if length > MAX_REPLY:", "if False:", HEADER, "header"),
    "cut header": Mutant(_FRAMES, "if len(data) != HEADER.size:", "if len(data) < HEADER.size:", HEADER, "header"),
    "end of a fork": Mutant(
        _FRAMES, "    reader.finish()\n    return status", "    return status", ("parse_ended",), "ended"
    ),
    "printable": Mutant(_FRAMES, "w and w.isprintable()", "w", ("parse_ready",), "ready"),
    "long versions": Mutant(_FRAMES, "        or len(said) > VERSIONS_CAP\n", "", ("parse_ready",), "ready"),
    "trailing bytes": Mutant(
        _WIRE, "    reader.finish()\n    return answers", "    return answers", ANSWERS, "answers"
    ),
    "bytes after a complaint": Mutant(
        _WIRE, "    reader.finish()\n    return complaint", "    return complaint", ("parse_fault",), "fault"
    ),
    "count": Mutant(_WIRE, "count != expected or ", "", ANSWERS, "answers"),
    "omitted": Mutant(_WIRE, " or bool(flags & layout.OMITTED) != (expected == 0)", "", ANSWERS, "answers"),
    "unknown flags": Mutant(_WIRE, "flags & ~_KNOWN or ", "", ANSWERS, "answers"),
    "echo": Mutant(_WIRE, " or bool(flags & layout.HAS_ECHO) != echo", "", ANSWERS, "answers"),
    "no gradient": Mutant(_WIRE, "    if detached and not (count", "    if False and not (count", ANSWERS, "answers"),
    "dtype": Mutant(_WIRE, " or code not in DTYPES", "", ANSWERS, "answers"),
    "dimensions": Mutant(_WIRE, "dimensions > layout.MAX_DIMENSIONS or ", "", ANSWERS, "answers"),
    "status": Mutant(_WIRE, "    if status not in STATUS:", "    if False:", ANSWERS, "answers"),
    "complaint's cap": Mutant(
        _WIRE,
        "    if type_size > layout.TYPE_CAP or message_size",
        "    if message_size",
        ("parse_fault",),
        "fault",
    ),
    "shape": Mutant(_WIRE, "return Answer(shape,", "return Answer((rows,),", ANSWERS, "answers"),
    "gradients exchanged": Mutant(
        _WIRE,
        "for tensor in batch.differentiated())\n    else",
        "for tensor in batch.differentiated())[::-1]\n    else",
        ANSWERS,
        "answers",
    ),
    "payload's cap": Mutant(_BOX, "if length > cap:", "if False:", BOX, "conversation"),
    "removal": Mutant(_BOX, "        self.close()\n        if self._saw", "        if self._saw", BOX, "conversation"),
    "whose fault before the first request": Mutant(
        _BOX, "if self._saw_candidate or ", "if True or ", BOX, "conversation"
    ),
    "bytes after a start": Mutant(
        _ORACLE, "if kind == layout.STARTED and payload:", "if False:", ("Oracle",), "conversation"
    ),
    "bytes of an end": Mutant(
        _ORACLE, "            frames.parse_ended(payload)\n", "            pass\n", ("Oracle",), "conversation"
    ),
    "flood": Mutant(_STREAM, "if self._printed > self._cap:", "if False:", STREAMS, "stream"),
    "shown": Mutant(_STREAM, "max(0, self._shown - len(self.output))", "1 << 20", STREAMS, "stream"),
    "stderr on the wire": Mutant(_STREAM, "if self._kind == _STDOUT:", "if self._kind:", STREAMS, "stream"),
    "pieces": Mutant(_STREAM, "self._left -= len(piece)", "self._left = 0", STREAMS, "stream"),
    "hoarding": Mutant(_STREAM, "                self._out.clear()\n", "", STREAMS, "conversation"),
    "long numbers": Mutant(_REPLY, ", parse_int=float", "", ("take_code",), "reply"),
    "unclean names": Mutant(_REPLY, "[:_NAME_LENGTH]", "", ("take_code",), "reply"),
    "dialect": Mutant("harness.screen.front", "_text(dialect) not in", "dialect not in", ("program_of",), "screened"),
}
#: Where a name is used besides the module that it is from.
USERS = {"Streams": ("harness.oracle.sandbox", "targets"), "Sandbox": (_BOX,), "Oracle": (_ORACLE,)}


def mutated(mutant: Mutant) -> types.ModuleType:
    """The module with the line changed; it raises and makes the same classes as the module itself."""
    module = importlib.import_module(mutant.module)
    source = inspect.getsource(module)
    assert source.count(mutant.line) == 1, f"{mutant.line!r} is there {source.count(mutant.line)} times"
    made = types.ModuleType(mutant.module)
    made.__file__ = module.__file__
    code = compile(source.replace(mutant.line, mutant.instead), str(module.__file__), "exec")
    with pytest.MonkeyPatch.context() as patch:
        # Data classes look their own module up by its name.
        patch.setitem(importlib.sys.modules, mutant.module, made)  # type: ignore[attr-defined]
        exec(code, made.__dict__)  # noqa: S102 - the product's own text, but for one line
    for name, value in vars(module).items():
        if isinstance(value, type) and value.__module__ == mutant.module and name not in mutant.names:
            setattr(made, name, value)
    return made


def put_in(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have everybody use what the mutant makes."""
    made = mutated(mutant)
    for taken in mutant.names:
        for user in {mutant.module, *USERS.get(taken, ())}:
            monkeypatch.setattr(importlib.import_module(user), taken, getattr(made, taken))
    if "_DRAIN_SECONDS" in vars(made):
        made._DRAIN_SECONDS = 0.001  # type: ignore[attr-defined]


def put_what_is_kept(target: str) -> None:
    """The kept inputs of a target, one after the other."""
    for data in kept(target):
        TARGETS[target](data)


@pytest.mark.parametrize("name", MUTANTS)
def test_a_check_that_is_taken_out_is_missed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    put_in(MUTANTS[name], monkeypatch)
    if name == "hoarding":  # on a busy host nothing has come within the millisecond that the others wait
        monkeypatch.setattr(importlib.import_module(_BOX), "_DRAIN_SECONDS", 0.02)
    with within(120), pytest.raises(Exception):  # noqa: B017, PT011 - whatever breaks is a find
        put_what_is_kept(MUTANTS[name].target)


@pytest.mark.parametrize("name", ["sequence", "count", "payload's cap", "bytes after a start", "flood", "long numbers"])
def test_nothing_is_missed_where_nothing_is_taken_out(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same exchange of a module, without a change in it."""
    mutant = replace(MUTANTS[name], instead=MUTANTS[name].line)
    put_in(mutant, monkeypatch)
    with within(60):
        hunt(mutant.target, 100)
