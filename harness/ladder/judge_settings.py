"""What a rung at which a judge decides is set up with."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from harness.protocol.job import ANY, COUNT, SHARE, Declared, StepError
from harness.protocol.settings import read_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.ladder.plan import Ladder, RungPlan
    from harness.protocol.job import Range, Setting

#: How answers are judged: in pairs with verdicts of three words, of five (Arena-Hard), or each by a score of 1 to 10.
FORMS = ("pairs", "arena", "scores")
#: Whom pairs are held against: the baseline's model, the one that training began with, or somebody's answers in a file.
OPPONENTS = ("baseline", "start", "outputs")
CRITERIA = ("helpful", "concise")
TEMPLATES = ("chat", "none")
#: Metrics that decide: the mean preference over the baseline in [-1, 1], as it is, and at equal length.
PREFERENCE, AT_EQUAL_LENGTH = "preference", "preference_at_equal_length"
#: The temperatures of MT-Bench's published settings, by category, and of all others.
BY_CATEGORY = {
    "writing": 0.7, "roleplay": 0.7, "extraction": 0.0, "math": 0.0, "coding": 0.0, "reasoning": 0.0, "stem": 0.1,
    "humanities": 0.1,
}  # fmt: skip
OTHER_CATEGORY = 0.7
#: The folder of recordings below the project's.
RECORDINGS = "judgements"
#: What its sentence tells beside the preference, where it was measured.
BESIDE = ("win_rate", "win_rate_at_equal_length", "win_rate_at_equal_style", "score", "length_ratio", "calls", "tokens",
          "dollars")  # fmt: skip
_UNIT: Range = (-1.0, 1.0)


@dataclass(frozen=True)
class JudgeSettings:
    """Whose answers, how they are made, and how they are judged. Switches are 0 or 1.

    `rung` is the fine-tune below whose trained models answer, at `seed`. Answers have up to `answer` tokens at
    `temperature`, or at MT-Bench's temperatures (`by_category`); `template` "none" gives a question to the model as it
    is, and in no chat template. `questions` is the most of them (0: all).

    `judge` is the judge model's name; `reply_tokens`, `reply_cap`, `judge_temperature` (below 0: the endpoint's own),
    `weighted` and `workers` are as `harness judge` has them, as are the budgets (0: none) and prices (US dollars for a
    million tokens). A budget is for a candidate; the baseline, judged once for all, has one of its own.
    """

    rung: str = ""
    seed: int = 0
    form: str = "pairs"
    against: str = "baseline"
    criterion: str = "helpful"
    questions: int = 0
    answer: int = 1024
    temperature: float = 0.0
    by_category: int = 0
    template: str = "chat"
    judge: str = ""
    reply_tokens: int = 2048
    reply_cap: str = "max_tokens"
    judge_temperature: float = 0.0
    weighted: int = 0
    workers: int = 4
    budget_tokens: float = 0.0
    budget_dollars: float = 0.0
    price_in: float = 0.0
    price_out: float = 0.0

    @property
    def inputs(self) -> tuple[str, ...]:
        """The user's files that it cannot do without."""
        more = {"scores": ("prompts",)}.get(self.form, ())
        return ("questions", *more)

    @property
    def compares(self) -> bool:
        """Whether candidate and baseline are compared with each other: else their lengths are held against others'."""
        return self.form != "scores" and self.against == "baseline"

    def declared(self) -> Declared:
        """What is measured."""
        metrics: dict[str, Range] = {PREFERENCE: _UNIT, "length_ratio": COUNT}
        metrics |= {AT_EQUAL_LENGTH: _UNIT} if self.compares else {}
        metrics |= {"excluded": SHARE, "ended": SHARE}
        metrics |= {"score": (1.0, 10.0)} if self.form == "scores" else {}
        metrics |= {} if self.form == "scores" else {"win_rate": SHARE, "win_rate_at_equal_length": SHARE}
        metrics |= {"win_rate_at_equal_style": SHARE} if self.form == "arena" else {}
        metrics |= {"calls": COUNT, "tokens": COUNT, "dollars": ANY}
        return Declared(metrics, self.inputs)

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        for what, holds in self._rules():
            if not holds:
                raise StepError(f"these settings make no sense: {what}", fault="user", remedy=what)

    def _rules(self) -> tuple[tuple[str, bool], ...]:
        choices = {"form": FORMS, "against": OPPONENTS, "criterion": CRITERIA, "template": TEMPLATES}
        choices["reply_cap"] = ("max_tokens", "max_completion_tokens")
        numbers = ("budget_tokens", "budget_dollars", "price_in", "price_out", "temperature")
        prices = self.price_in > 0.0 or self.price_out > 0.0
        return (
            ("rung has to name the rung that fine-tunes", bool(self.rung)),
            ("judge has to name the model that judges", bool(self.judge.strip())),
            *(
                (f"{name} has to be one of {', '.join(each)}", getattr(self, name) in each)
                for name, each in choices.items()
            ),
            *((f"{name} has to be 0 or 1", getattr(self, name) in {0, 1}) for name in ("by_category", "weighted")),
            *(
                (f"{name} has to be at least 1", getattr(self, name) >= 1)
                for name in ("answer", "reply_tokens", "workers")
            ),
            *((f"{name} has to be at least 0", getattr(self, name) >= 0) for name in ("seed", "questions")),
            *((f"{name} has to be finite and at least 0", 0.0 <= getattr(self, name) < math.inf) for name in numbers),
            ("judge_temperature has to be at most 2", self.judge_temperature <= 2.0),
            ("budget_dollars needs price_in or price_out", not self.budget_dollars or prices),
            ("weighted has to be 0 unless pairs are judged", not self.weighted or self.form == "pairs"),
            (
                "against is for pairs: scores are held against the baseline's",
                self.form != "scores" or self.against == "baseline",
            ),
            ("criterion is for pairs", self.form != "scores" or self.criterion == "helpful"),
        )

    @classmethod
    def of(cls, given: Mapping[str, Setting]) -> JudgeSettings:
        """The settings of a rung. Raises StepError for one that does not exist or is of another type."""
        return read_settings(cls, given, "a judge")


def settings_of_plan(plan: RungPlan) -> JudgeSettings:
    """The settings of a rung at which a judge decides. Raises StepError for what makes no sense."""
    return JudgeSettings.of(cast("dict[str, Setting]", dict(plan.settings)))


def fine_tune_of(ladder: Ladder, plan: RungPlan) -> RungPlan:
    """The rung below whose models answer. `checks` refuses a ladder without it."""
    wanted = settings_of_plan(plan).rung
    return next(each for each in ladder.rungs if each.name == wanted)
