"""The trusted side: it reads candidates as text, asks the oracle for numbers, and judges the numbers.

`from harness import check, submit, Ledger` is the interface for programs; see `harness.api`.
"""

from __future__ import annotations

# Nothing is imported here, by `typing` either: with `python -m` it might come from the caller's folder.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from harness.api import check, submit, text_candidate
    from harness.ledger import Ledger

__all__ = ["Ledger", "check", "submit", "text_candidate"]


def __getattr__(name: str) -> Any:
    """Load the interface when it is used: the command, the screen and the set-up do without most of it."""
    if name == "__version__":
        from harness.core.version import __version__  # noqa: PLC0415 - see above

        return __version__
    if name == "Ledger":
        from harness.ledger import Ledger  # noqa: PLC0415 - see above

        return Ledger
    if name in __all__:
        from harness import api  # noqa: PLC0415 - see above

        return getattr(api, name)
    raise AttributeError(name)
