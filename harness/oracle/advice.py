"""What to say of a complaint from a sandbox whose cause is usual: a sentence of ours in place of Python's.

The complaint is untrusted text. It chooses between these sentences, and nothing else.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.core.program import Program
    from harness.protocol.batch import Complaint

_UNKNOWN_NAME = re.compile(r"name '(\w{1,40})' is not defined")
_MODULES = {"Optional": "typing", "Tuple": "typing", "List": "typing", "Dict": "typing", "Callable": "typing"}
_MODULES |= {"Union": "typing", "Any": "typing", "partial": "functools", "dataclass": "dataclasses"}
_RETURNED = (
    (r"a (?:tuple|list) of 1 \(Tensor\)", "Return the tensor alone: a comma behind it makes a tuple."),
    (
        r"a (?:tuple|list) of \d+ \((?:\w+, )*Tensor(?:, \w+)*\)",
        "Return the losses alone: rewards, margins and metrics are not asked for.",
    ),
    (r"None", "End every path of the function with a return of the values."),
    (r"(?:float|int|bool)\b", "Return the tensor itself: item(), float() and the like cut the gradient."),
    (r"dict", "Return the losses alone, and not a dictionary that holds them."),
    (r"(?:function|method|partial)", "Return values, and not the function that computes them."),
)


def advice(complaint: Complaint, program: Program, *, loading: bool) -> tuple[str, str] | None:
    """A message and a way out; an empty message leaves the complaint's own, None both."""
    if complaint.status == "wrong-output":
        returned = complaint.message.removeprefix("it returned ")
        return next((("", fix) for pattern, fix in _RETURNED if re.match(pattern, returned)), None)
    match = _UNKNOWN_NAME.match(complaint.message) if complaint.type == "NameError" else None
    return _of_name(match[1], program, loading=loading) if match else None


def _of_name(name: str, program: Program, *, loading: bool) -> tuple[str, str] | None:
    """What to say of a name that is not defined."""
    if name in _MODULES:
        return "", f"Write from {_MODULES[name]} import {name} at the top."
    if name not in program.contract.arguments:
        return None
    if loading:
        return f"{name} is an argument, and not known outside of the function", "Compute it inside the function."
    more = ", or write self.beta." if name == "beta" and program.plan.dialect == "method" else "."
    return f"{name} is not a parameter of the function that uses it", f"Add {name} to its parameters{more}"
