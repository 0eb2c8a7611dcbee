"""Matrix products of float32 on the CPU by oneDNN, whose sums are in the same order on every processor with AVX2.

MKL's are so only in its slowest mode (`harness.core.pins`). Covered: `mm` and `addmm` of float32, and so linear layers
and their gradients. Not covered: batched products, attention's own, other types and GPUs: those stay as they are.
"""

from __future__ import annotations

import torch

_KEPT: list[torch.library.Library] = []
#: Multiplications below which MKL is as quick, and there is nothing to gain.
_FEW = 1 << 17


def by_onednn() -> None:
    """From here on, in this process."""
    if _KEPT or not torch.backends.mkldnn.is_available():
        return
    library = torch.library.Library("aten", "IMPL")
    library.impl("mm", _product, "CPU", allow_override=True)
    library.impl("addmm", _sum_with_product, "CPU", allow_override=True)
    _KEPT.append(library)


def _product(left: torch.Tensor, right: torch.Tensor, start: torch.Tensor | None = None) -> torch.Tensor:
    out: torch.Tensor
    if _is_small(left, right):
        # Its own kernel is the one that this stands in for, so the batched one has to do.
        out = torch.bmm(left.unsqueeze(0), right.unsqueeze(0))[0]
        return out if start is None else out + start
    out = torch.ops.mkldnn._linear_pointwise(left, right.t(), start, "none", [], "")  # noqa: SLF001
    return out


def _sum_with_product(
    start: torch.Tensor, left: torch.Tensor, right: torch.Tensor, *, beta: float = 1, alpha: float = 1
) -> torch.Tensor:
    if alpha == beta == 1:
        return (
            _product(left, right, start) if start.ndim == 1 and start.is_contiguous() else _product(left, right) + start
        )
    product = _product(left, right) * alpha
    # A start that counts for nothing may hold what is no number.
    return product + (start * beta if beta else torch.zeros_like(start))


def _is_small(left: torch.Tensor, right: torch.Tensor) -> bool:
    rows, inner = left.shape
    return left.dtype != torch.float32 or right.dtype != torch.float32 or rows * inner * right.shape[-1] < _FEW
