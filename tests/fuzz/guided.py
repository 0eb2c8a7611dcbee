"""Atheris as the driver of one target, in a process of its own: `run.py` starts it, and reads what libFuzzer says.

`guided.py TARGET` and options of libFuzzer; a file in place of a folder is replayed once.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["harness.oracle", "harness.protocol", "harness.screen", "harness.sandbox"]):
    # Of all that is imported here, the product's own side of the conversation is instrumented.
    from targets import TARGETS


def main() -> None:
    """Fuzz until libFuzzer has had its runs, or until an input breaks a promise."""
    target = TARGETS[sys.argv.pop(1)]
    atheris.Setup(sys.argv, target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
