"""Record the corpus anew: what real sandboxes say to the fuzzer's questions. Needs the engine and the image."""

from __future__ import annotations

import hashlib
import shutil
import struct
from typing import TYPE_CHECKING

from honest import QUESTIONS
from inputs_kept import CORPUS
from targets import TARGETS

from harness.containers.engine import Engine
from harness.containers.request import Recipe
from harness.core.candidate import Candidate
from harness.core.errors import CandidateFault
from harness.core.limits import Limits
from harness.images import current
from harness.oracle.oracle import Oracle
from harness.oracle.sandbox import Sandbox
from harness.screen import process, screen

if TYPE_CHECKING:
    import socket

ARGUMENTS = "policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta"
RHO = "(policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)"
CANDIDATES = {
    "vector": f"return -beta * ({RHO})",
    "scalar": f"return (-beta * ({RHO})).mean()",
    "column": f"return (-beta * ({RHO}))[:, None]",
    "double": f"return -beta * ({RHO}).double()",
    "detached": "return reference_chosen_logps * beta",
    "printing": f"print('p' * 20)\n    return -beta * ({RHO})",
    "raising": "raise ValueError('no')",
    "wrong": "return 1.0",
    "missing": "return 0\n\nraise KeyError('at once')",
}
#: Language models' replies around one loss.
REPLIES = {
    "object": '{"thought": "a margin\\n", "name": "plain", "code": "def loss(pc, pr, rc, rr, beta):\\n    return pc"}',
    "formula": '{"thought": "$\\sigma$", "code": "def loss(pc, pr, rc, rr, beta):\\n    return -(pc - pr)"}',
    "fence": "Sure:\n```python\ndef loss(pc, pr, rc, rr, beta):\n    return pc\n```\n",
    "two": "```\ndef a():\n    pass\n```\n~~~py\ndef b():\n    pass\n~~~\n",
    "cut": '{"code": "def loss(pc',
    "prose": "I would rather not write a loss today.",
}


class _Recorder:
    """A socket that remembers what came."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.heard = bytearray()

    def recv(self, size: int) -> bytes:
        data = self._sock.recv(size)
        self.heard += data
        return data

    def __getattr__(self, name: str) -> object:
        return getattr(self._sock, name)


def main() -> None:
    """Write one file an input."""
    shutil.rmtree(CORPUS, ignore_errors=True)
    engine = Engine()
    recipe = Recipe(current().digest, Limits())
    for name, body in CANDIDATES.items():
        _record(engine, recipe, name, f"def loss({ARGUMENTS}):\n    {body}\n")
    for name, text in REPLIES.items():
        _write("reply", name, text.encode())
        answer = process.ask(text.encode(), "on", "")
        assert isinstance(answer, bytes)
        _write("screened", name, b"\0" + answer)
    engine.close()
    for number in range(24):
        # Plans, and no bytes of the wire: a few that lead far.
        _write("conversation", f"plan-{number:02}", hashlib.sha512(bytes([number])).digest()[: 4 + 2 * number])
    _write("conversation", "honest", b"\0")


def _record(engine: Engine, recipe: Recipe, name: str, text: str) -> None:
    data = text.encode()
    program = screen(Candidate(name, data, ""), policy=False)
    sandbox = Sandbox(engine, recipe)
    line = _Recorder(sandbox._streams._sock)
    sandbox._streams._sock = line  # type: ignore[assignment]
    try:
        sandbox.wait_ready()
        oracle = Oracle(sandbox, program, recipe.limits)
        for place, asked in enumerate(QUESTIONS):
            begin = len(line.heard)
            oracle.ask(asked.batches, echo=asked.echo)
            said = _stdout(bytes(line.heard[begin:]))
            _write("answers", f"{name}-{place}", struct.pack("<H", place) + said[16:])
        oracle.fresh()
    except CandidateFault:
        pass
    finally:
        sandbox.close()
    raw = bytes(line.heard)
    _write("stream", name, struct.pack("<HHHHHHH", 3, 7, 20, 11, 15, 59, 29) + raw[: TARGETS["stream"].longest - 14])
    _frames(name, _stdout(raw))


def _frames(name: str, said: bytes) -> None:
    """Each kind of frame, once a candidate."""
    while said:
        kind, sequence, length = struct.unpack_from("<4xB3xII", said)
        _write("header", f"{name}-{kind}", struct.pack("<HBI", 5, 1, sequence) + said[:16])
        payload, said = said[16 : 16 + length], said[16 + length :]
        for target, wanted in (("ready", 16), ("fault", 20), ("ended", 21)):
            if kind == wanted:
                _write(target, name, payload)


def _stdout(raw: bytes) -> bytes:
    out = b""
    while raw:
        size = int.from_bytes(raw[4:8], "big")
        out += raw[8 : 8 + size] if raw[0] == 1 else b""
        raw = raw[8 + size :]
    return out


def _write(target: str, name: str, data: bytes) -> None:
    if len(data) <= TARGETS[target].longest:
        folder = CORPUS / target
        folder.mkdir(parents=True, exist_ok=True)
        if all(other.read_bytes() != data for other in folder.iterdir()):
            (folder / name).write_bytes(data)


if __name__ == "__main__":
    main()
