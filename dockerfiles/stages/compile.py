"""Runs in the build: compile the sandbox's own files, so that a start neither compiles nor writes."""

# ruff: noqa: INP001 - a script of the image build, not a package
from __future__ import annotations

import compileall
import py_compile
import sys

UNCHECKED = py_compile.PycInvalidationMode.UNCHECKED_HASH

if not compileall.compile_dir(sys.argv[1], quiet=1, force=True, invalidation_mode=UNCHECKED, workers=1):
    raise SystemExit("the sandbox does not compile")
