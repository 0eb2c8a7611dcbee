"""`python -m bench.gpu.server`: a sandbox's process 1 without its container, for texts of this repository alone.

As `sandbox.server`: torch is loaded once, and each START gets a fork of its own, which opens CUDA if anybody does. Not
`sandbox.server` itself, which empties /tmp and kills what is left over: that is right in a container and nowhere else.
"""

from __future__ import annotations

import contextlib
import json
import os
from typing import Any

from harness.sandbox import wire
from harness.sandbox.preload import load_torch


def main() -> None:
    """Serve on descriptors 0 and 1 until the other end is closed; what is printed goes to stderr."""
    requests, replies = os.dup(0), os.dup(1)
    os.dup2(2, 1)
    torch = load_torch()
    if torch.cuda.is_initialized():
        raise RuntimeError("CUDA was opened before the fork, and does not survive it")
    wire.write_frame(replies, wire.READY, 0, torch.__version__.encode())
    program: dict[str, Any] = {}
    while True:
        kind, sequence, payload = wire.read_frame(requests)
        if kind == wire.LOAD:
            program = json.loads(payload)
            wire.write_frame(replies, wire.LOADED, sequence)
        elif kind == wire.START:
            child = os.fork()
            if child == 0:
                from harness.sandbox.worker import work  # noqa: PLC0415 - only forks need it

                try:
                    work(requests, replies, program, sequence)
                finally:
                    os._exit(0)
            _, status = os.waitpid(child, 0)
            wire.write_frame(replies, wire.ENDED, 0, status.to_bytes(4, "little") + b"\0")


if __name__ == "__main__":
    with contextlib.suppress(EOFError, BrokenPipeError):
        main()
