"""The end of every probe: the function that the oracle calls.

Covered: the findings go back as the bytes of a JSON text, one number each, so that what is proved is the
very sandbox, wire and supervisor that candidates get.
"""

import json
from collections.abc import Callable
from typing import Any

#: Defined by the text that stands before this one.
probe: Callable[[], dict[str, Any]]


def loss(
    policy_chosen_logps: Any,
    policy_rejected_logps: Any,  # noqa: ARG001 - the contract's arguments
    reference_chosen_logps: Any,  # noqa: ARG001 - the contract's arguments
    reference_rejected_logps: Any,  # noqa: ARG001 - the contract's arguments
    beta: float,  # noqa: ARG001 - the contract's arguments
) -> Any:
    """Answer with the findings: one byte of their JSON text a pair, filled up with spaces."""
    import torch  # noqa: PLC0415 - the sandbox has it, the host need not

    room = policy_chosen_logps.numel()
    text = json.dumps(probe()).encode("ascii").ljust(room)  # noqa: F821 - see above
    if len(text) > room:
        raise ValueError(f"the findings take {len(text)} bytes, and there is room for {room}")
    return torch.tensor(list(text), dtype=torch.float64)
