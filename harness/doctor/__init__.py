"""`harness doctor`: proves that this host isolates, before it is trusted with a candidate."""

from __future__ import annotations

from harness.doctor.model import Examination, Result
from harness.doctor.run import CHECKS, Wishes, examine

__all__ = ["CHECKS", "Examination", "Result", "Wishes", "examine"]
