"""The first step: read, check and tokenize the preference set, and ask the reference once for everything."""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.protocol.job import Progress, StepError
from harness.trainer import hub
from harness.trainer.checkpoint import Pieces
from harness.trainer.finetune import model as models
from harness.trainer.finetune import store
from harness.trainer.finetune.asking import answers, check_finite, log_probabilities
from harness.trainer.finetune.pairs import pairs
from harness.trainer.finetune.settings import Settings
from harness.trainer.finetune.tokens import Cut, Tokens, load_tokenizer, tokenize

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from harness.protocol.job import Job, Say
    from harness.trainer.finetune.pairs import Pair


def prepare(job: Job, say: Say) -> Mapping[str, float]:
    """Make the data of one seed. Everything that can be wrong with the inputs is found here, before any training."""
    settings = Settings.of(job.settings)
    model, out = models.folder(job, "model"), Path(job.out)
    models.check_disk(out, model, settings)
    train, test = _split(models.folder(job, "preferences"), settings, job.seed)
    say(Progress(0, 1, "tokenizing"))
    tokenizer = load_tokenizer(model, conversational=train[0].conversational)
    train_tokens, cut = tokenize(train, tokenizer, settings)
    test_tokens, _ = tokenize(test, tokenizer, settings)
    if len(train_tokens) * settings.epochs < settings.step_pairs:
        said = f"{len(train_tokens)} pairs in {settings.epochs:g} epochs do not fill one step of {settings.step_pairs}"
        raise StepError(said, fault="user", remedy="lower step_pairs, or give more pairs")
    held = models.load(model, settings, job.device)
    models.check_fit(held, tokenizer, [*train_tokens, *test_tokens], settings)
    key = store.key((train_tokens, test_tokens), model, settings, job.device)
    pieces = Pieces(out, repr((job.seed, key, settings)))
    parts = []
    for name, tokens in (("train", train_tokens), ("test", test_tokens)):
        logps = log_probabilities(
            held,
            tokens,
            tokenizer.pad_token_id,
            settings,
            device=job.device,
            say=say,
            what=f"reference, {name}",
            pieces=pieces,
        )
        try:
            check_finite(tokens, logps)
        except StepError:
            pieces.clear()  # of no use to anybody
            raise
        parts.append(store.Part(tuple(tokens), logps))
    rows = _answered(held, tokenizer, {pair.row: pair for pair in test}, test_tokens, settings, job)
    store.write_lines(out / store.ANSWERS, rows)
    store.save(out, store.Prepared(parts[0], parts[1], key))
    pieces.clear()
    return _facts(train_tokens, parts[1].reference, cut, len(test_tokens))


def _split(path: Path, settings: Settings, seed: int) -> tuple[list[Pair], list[Pair]]:
    """Training and held-out pairs; where the set has no part for the latter, they are drawn by seed."""
    found = hub.rows(path, settings.train_split)
    if found is None:
        remedy = f"set train_split to one of: {', '.join(hub.splits(path))}"
        raise StepError(f"the preference set has no split {settings.train_split!r}", fault="user", remedy=remedy)
    train = pairs(found)
    draw = random.Random(seed)  # noqa: S311 - a draw that can be repeated, nothing secret
    apart = hub.rows(path, settings.test_split)
    if apart is None:
        if len(train) <= settings.held_out:
            said = f"the preference set has {len(train)} pairs, and {settings.held_out} of them are to be held out"
            raise StepError(said, fault="user", remedy="lower held_out, or give a larger set")
        draw.shuffle(train)
        test, train = train[: settings.held_out], train[settings.held_out :]
    else:
        test = pairs(apart)
        draw.shuffle(test)
        test = test[: settings.held_out]
        draw.shuffle(train)
    if train[0].conversational != test[0].conversational:
        raise StepError("one split holds texts and the other messages", fault="user", remedy="use one form for both")
    train = train[: math.ceil(settings.share * len(train))]
    return (train[: settings.pairs] if settings.pairs else train), test


def _answered(
    held: Any, tokenizer: Any, said: Mapping[int, Pair], test: Sequence[Tokens], settings: Settings, job: Job
) -> list[dict[str, Any]]:
    """The reference's own answers to the first held-out prompts, beside prompt and chosen completion as they were."""
    asked = test[: settings.samples]
    prompts = [tokens.prompt for tokens in asked]
    made = answers(held, tokenizer, prompts, settings, seed=job.seed, device=job.device)
    return [
        {
            "row": tokens.row,
            "prompt": said[tokens.row].prompt,
            "chosen": said[tokens.row].chosen,
            "answer": list(answer),
        }
        for tokens, answer in zip(asked, made, strict=True)
    ]


def _facts(train: Sequence[Tokens], reference: Tensor, cut: Cut, held_out: int) -> dict[str, float]:
    chosen, rejected = reference.unbind(dim=1)
    return {
        "pairs": float(len(train)),
        "held_out": float(held_out),
        "dropped": float(cut.dropped),
        "truncated": float(cut.truncated),
        "identical": float(sum(pair.chosen == pair.rejected for pair in train)),
        "reference_prefers_chosen": float((chosen > rejected).float().mean()),
    }
