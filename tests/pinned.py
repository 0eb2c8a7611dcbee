"""Imported before anything loads numpy: what tests draw in their own process is what the command draws."""

from __future__ import annotations

import sys

from harness.core.pins import pin_host

assert "numpy" not in sys.modules, "it has chosen its instructions before the tests could"
pin_host()
