"""The operating domain: inside it a failure rejects, outside it the stability map reports."""

from __future__ import annotations

from dataclasses import dataclass

#: The beta sweep of the DiscoPOP paper (arXiv 2406.08414).
PAPER_BETAS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


@dataclass(frozen=True)
class Domain:
    """Where a loss must behave: beta from `beta_low` to `beta_high`, and |beta rho| up to `reach`."""

    beta_low: float = 0.025
    beta_high: float = 1.0
    reach: float = 50.0

    @property
    def ends(self) -> tuple[float, float]:
        """The least and the largest beta."""
        return self.beta_low, self.beta_high

    @property
    def usual(self) -> float:
        """The beta nearest to the usual 0.1."""
        return min(max(0.1, self.beta_low), self.beta_high)

    @property
    def betas(self) -> tuple[float, ...]:
        """The paper's betas inside the domain."""
        return tuple(b for b in PAPER_BETAS if self.beta_low <= b <= self.beta_high)
