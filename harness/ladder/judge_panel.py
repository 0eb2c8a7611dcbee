"""What the judge says of each side, prompt by prompt, and what that comes to."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from harness.ladder.evidence import effects_of
from harness.ladder.judge_sets import BASELINE, CANDIDATE, rated
from harness.ladder.judge_settings import AT_EQUAL_LENGTH, PREFERENCE
from harness.llm_judge import mtbench
from harness.llm_judge.length import FOLDS, Compared, length_controlled
from harness.llm_judge.pairwise import Form, Pair, compare
from harness.llm_judge.questions import as_conversation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.ladder.evidence import Unit
    from harness.ladder.judge_sets import Answered, Sets
    from harness.ladder.judge_settings import JudgeSettings
    from harness.llm_judge.judge import Judge


@dataclass
class Panel:
    """What the judge said of each side, prompt by prompt."""

    settings: JudgeSettings
    sets: Sets
    sides: Mapping[str, Answered]
    judge_of_candidate: Judge
    judge_of_baseline: Judge | None

    #: By whose answers, and by the number of the prompt: a preference in [0, 1], or the mean of scores.
    said: dict[str, dict[int, float | None]] = field(default_factory=lambda: {CANDIDATE: {}, BASELINE: {}})
    ratings: dict[str, list[mtbench.Rating]] = field(default_factory=lambda: {CANDIDATE: [], BASELINE: []})

    def judges(self) -> list[tuple[str, Judge]]:
        """Whoever asks, by whose answers it asks about."""
        both = [(CANDIDATE, self.judge_of_candidate), (BASELINE, self.judge_of_baseline)]
        return [(whose, judge) for whose, judge in both if judge is not None]

    def judge(self, numbers: Sequence[int]) -> None:
        """Ask about these prompts, as far as they were not asked about."""
        for whose, judge in self.judges():
            new = [number for number in numbers if number not in self.said[whose]]
            if new:
                ask = self._scores if self.settings.form == "scores" else self._preferences
                self.said[whose] |= zip(new, ask(judge, whose, new), strict=True)

    def _preferences(self, judge: Judge, whose: str, numbers: Sequence[int]) -> Sequence[float | None]:
        side, other = self.sides[whose], self.sides[self.settings.against]
        pairs = []
        for number in numbers:
            one = self.sets.asked[number]
            asked, mine = as_conversation(one.turns, side.turns[one.name])
            _, theirs = as_conversation(one.turns, other.turns[one.name])
            pairs.append(Pair(one.name, asked, mine, theirs))
        settings = self.settings
        form = Form(settings.criterion, weighted=bool(settings.weighted), five=settings.form == "arena")
        return compare(judge, pairs, form).preferences

    def _scores(self, judge: Judge, whose: str, numbers: Sequence[int]) -> Sequence[float | None]:
        asked = [self.sets.asked[number] for number in numbers]
        scores = mtbench.rate(judge, rated(asked), self.sets.prompts, self.sides[whose].turns)
        self.ratings[whose] += scores.ratings
        given: dict[str, list[float | None]] = {}
        for name, _, value in scores.ratings:
            given.setdefault(name, []).append(value)
        return [_mean(given[one.name]) for one in asked]

    def effects(self) -> dict[int, float]:
        """By the number of a prompt, how much the candidate is preferred over the baseline, in [-1, 1].

        A prompt without a readable verdict is lost: whoever can make a judge babble would have it left out.
        """
        return {number: -1.0 if (known := self._effect(number)) is None else known for number in self.said[CANDIDATE]}

    def _effect(self, number: int) -> float | None:
        mine, base = self.said[CANDIDATE][number], self.said[BASELINE].get(number)
        if self.judge_of_baseline is None:
            return None if mine is None else 2.0 * mine - 1.0
        scale = 9.0 if self.settings.form == "scores" else 1.0
        return None if mine is None or base is None else (mine - base) / scale

    def metrics(self, equal: Sequence[Unit]) -> tuple[dict[str, float], dict[str, float]]:
        """The candidate's, and the baseline's beside it."""
        effects = self.effects()
        level = effects_of(equal, effects)
        lost = sum(self._effect(number) is None for number in self.said[CANDIDATE])
        mine = {PREFERENCE: _mean(list(effects.values())) or 0.0, "excluded": lost / max(len(effects), 1)}
        mine |= {AT_EQUAL_LENGTH: _mean(level) or 0.0} if self.settings.compares else {}
        base = {PREFERENCE: 0.0, "excluded": 0.0} | ({AT_EQUAL_LENGTH: 0.0} if self.settings.compares else {})
        asking = dict(self.judges())
        mine |= self._price(asking[CANDIDATE]) | self._own(CANDIDATE)
        return mine, base | self._price(asking.get(BASELINE)) | self._own(BASELINE)

    def _price(self, judge: Judge | None) -> dict[str, float]:
        """What was asked about one side, recorded replies included."""
        replies = [reply for heard in judge.heard for _, reply in heard] if judge is not None else []
        prompt, completion = (sum(getattr(r, n) for r in replies) for n in ("prompt_tokens", "completion_tokens"))
        dollars = (prompt * self.settings.price_in + completion * self.settings.price_out) / 1e6
        return {"calls": float(len(replies)), "tokens": float(prompt + completion), "dollars": dollars}

    def _own(self, whose: str) -> dict[str, float]:
        """What one side's answers come to by themselves."""
        said = {n: value for n, value in self.said[whose].items() if value is not None}
        if self.settings.form == "scores":
            return self._means_of_scores(whose)
        if whose == BASELINE and self.judge_of_baseline is None:  # it is its own opponent
            style = {"win_rate_at_equal_style": 0.5} if self.settings.form == "arena" else {}
            return {"win_rate": 0.5, "win_rate_at_equal_length": 0.5, **style}
        if not said:
            return {}
        out = {"win_rate": sum(said.values()) / len(said)}
        side, other = self.sides[whose], self.sides[self.settings.against]
        names = {number: self.sets.asked[number].name for number in said}
        if len(said) >= FOLDS:
            hard = self.sets.difficulties
            rows = [
                Compared(p, side.length(names[n]), other.length(names[n]), hard.get(names[n], 0.0))
                for n, p in said.items()
            ]
            out["win_rate_at_equal_length"] = length_controlled(rows, self.sets.anchors, resamples=0).win_rate
        if self.settings.form == "arena":
            from harness.llm_judge.arena import Styled, at_equal_style  # noqa: PLC0415 - one form of several

            texts = [("\n\n".join(side.turns[names[n]]), "\n\n".join(other.turns[names[n]])) for n in said]
            styled = [Styled(p, *both) for p, both in zip(said.values(), texts, strict=True)]
            out["win_rate_at_equal_style"] = at_equal_style(styled).win_rate
        return out

    def _means_of_scores(self, whose: str) -> dict[str, float]:
        """Of all ratings, as MT-Bench reports them, of each turn, and of each category."""
        category = {one.name: one.category for one in self.sets.asked}
        groups: dict[str, list[float]] = {}
        for name, turn, value in self.ratings[whose]:
            if value is not None:
                for key in ("score", f"score_turn_{turn}", f"score.{metric_name(category[name])}"):
                    groups.setdefault(key, []).append(value)
        return {key: sum(values) / len(values) for key, values in groups.items()}

    def document(self) -> dict[str, Any]:
        """What came of each prompt, for whoever wants to look closer."""
        names = [one.name for one in self.sets.asked]
        return {
            "schema": "harness.judgement/v1",
            "settings": asdict(self.settings),
            "prompts": {
                names[number]: {whose: said[number] for whose, said in self.said.items() if number in said}
                for number in sorted(self.said[CANDIDATE])
            },
            "effects": {names[number]: value for number, value in sorted(self.effects().items())},
            "lengths": {whose: {name: side.length(name) for name in names} for whose, side in self.sides.items()},
            "ratings": {whose: rows for whose, rows in self.ratings.items() if rows},
        }


def metric_name(category: str) -> str:
    """A category's name as a part of a metric's; one that does not fit in has a digest of its own behind it."""
    plain = "".join(c if c.isascii() and c.isalnum() else "_" for c in category.lower())[:40] or "general"
    return plain if plain == category else f"{plain}_{hashlib.sha256(category.encode()).hexdigest()[:6]}"


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None
