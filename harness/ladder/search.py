"""The search for values of declared parameters: Optuna's TPE, seeded, one trial at a time.

What was told so far is all its state: a search that was interrupted is gone through again from the ledger, asks for the
same values, and goes on to the bit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.core.errors import InfrastructureError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.core.program import Parameter

#: Trials before the sampler models anything: the middle of all ranges, and a few at random.
_AT_RANDOM = 5


class Search:
    """Asks for values and is told what they reached, the more the better. Raises InfrastructureError without Optuna."""

    def __init__(self, parameters: Sequence[Parameter], seed: int) -> None:
        try:
            import optuna  # noqa: PLC0415 - a candidate without parameters needs none
        except ImportError as error:
            raise InfrastructureError(
                "this candidate declares parameters, and Optuna, which tunes them, is not installed",
                remedy="install the extra: pip install 'preference-loss-harness[discover]'",
            ) from error
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.version = f"optuna {optuna.__version__}"
        self._parameters = tuple(parameters)
        sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=_AT_RANDOM)
        self._study = optuna.create_study(direction="maximize", sampler=sampler)
        # The middle is what an untuned candidate has: nothing worse on the seeds of the tuning can come out.
        self._study.enqueue_trial({p.name: p.middle for p in self._parameters})
        self._trial: Any = None

    def ask(self) -> dict[str, float]:
        """The values of the next trial; the same again until it is told what they reached."""
        if self._trial is None:
            self._trial = self._study.ask()
        drawn = {p.name: self._trial.suggest_float(p.name, p.low, p.high, log=p.log) for p in self._parameters}
        return {p.name: min(max(float(drawn[p.name]), p.low), p.high) for p in self._parameters}

    def tell(self, value: float) -> None:
        """What the last trial reached."""
        self._study.tell(self._trial, value)
        self._trial = None

    def again(self, trials: Sequence[tuple[Mapping[str, float], float]]) -> list[tuple[Mapping[str, float], float]]:
        """Go through earlier trials: give those that this search makes too, in order, and stand behind them.

        Where one has other values, it and those after it were another search's: they are left out.
        """
        out = []
        for values, reached in trials:
            if self.ask() != dict(values):
                break
            self.tell(reached)
            out.append((values, reached))
        return out
