"""The loss as a module of plain PyTorch, and a loop that trains with it: `python -m FOLDER.torch_loss`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from harness.loss_export.module.loss import Loss

if TYPE_CHECKING:
    from harness.loss_export.module.loss import Guard


class TorchLoss(nn.Module):
    """The mean loss of a batch, a scalar: what a training step calls `backward()` on. See `Loss` for the arguments."""

    def __init__(self, beta: float = 0.1, *, guard: Guard = "raise") -> None:
        super().__init__()
        self.loss = Loss(beta, guard=guard)

    def forward(self, *four: torch.Tensor, **more: Any) -> torch.Tensor:
        """Mean over the values of four vectors of log-probabilities; `more` are lengths and progress, by name."""
        return self.loss(*four, **more).mean()


def example(steps: int = 20, pairs: int = 16) -> list[float]:
    """Train a linear "policy" on made-up features of completions; gives the loss of each step."""
    draw = torch.Generator().manual_seed(0)
    policy = nn.Linear(8, 1, bias=False)
    nn.init.zeros_(policy.weight)
    loss = TorchLoss(beta=0.1)
    optimizer = torch.optim.SGD(policy.parameters(), lr=1.0)
    curve = []
    for step in range(steps):
        chosen, rejected = (torch.randn(pairs, 8, generator=draw) + shift for shift in (0.5, -0.5))
        reference = torch.full((pairs,), -20.0)
        lengths = torch.full((pairs,), 10.0)
        optimizer.zero_grad()
        value = loss(
            reference + policy(chosen)[:, 0],
            reference + policy(rejected)[:, 0],
            reference,
            reference,
            chosen_lengths=lengths,
            rejected_lengths=lengths,
            progress=step / steps,
        )
        value.backward()
        optimizer.step()
        curve.append(value.item())
    return curve


if __name__ == "__main__":
    print("\n".join(f"{value:.6f}" for value in example()))  # noqa: T201 - an example shows something
