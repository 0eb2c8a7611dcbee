"""The third step: what the trained weights are worth on pairs and prompts that were held out."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from harness.protocol.job import StepError
from harness.trainer.finetune import model as models
from harness.trainer.finetune import store, weights
from harness.trainer.finetune.asking import answers, ends, log_probabilities, per_token
from harness.trainer.finetune.settings import Settings
from harness.trainer.finetune.tokens import load_tokenizer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from harness.protocol.job import Job, Say
    from harness.trainer.finetune.store import Part

SAMPLES = "samples.jsonl"
#: What is worst, for weights that are not finite: nothing can be asked of them.
_WORST = {
    "accuracy": 0.0,
    "margin": -math.inf,
    "margin_sd": math.inf,
    "chosen_change": -math.inf,
    "kl_chosen": math.inf,
    "kl": math.inf,
    "kl_answer": math.inf,
    "length_ratio": math.inf,
    "ended": 0.0,
}


def score(job: Job, say: Say) -> Mapping[str, float]:
    """Score `job.weights`; leave `samples.jsonl` for a judge in `job.out`.

    `accuracy`: share of held-out pairs whose reward margin is above 0; `margin`, `margin_sd`: that margin times beta,
    mean and SD; `chosen_change`: mean change of the chosen completions' log-probability in nats; `kl_chosen`, `kl`:
    full-vocabulary KL from policy to reference in nats a token, on held-out chosen completions and on the policy's own
    answers; `kl_answer`: the latter summed over an answer; `length_ratio`: mean tokens of the policy's answers over
    those of the reference's; `ended`: the share of its answers that came to an end by themselves.
    """
    settings, model = Settings.of(job.settings), models.folder(job, "model")
    prepared = store.load(Path(job.data))
    store.check(prepared, model, settings, job.device)
    policy, whole = policy_of(job, model, settings)
    if not whole:
        store.write_lines(Path(job.out) / SAMPLES, [])
        return dict(_WORST)
    tokenizer = load_tokenizer(model, conversational=False)
    pad, test = tokenizer.pad_token_id, prepared.test
    logps = log_probabilities(policy, test.pairs, pad, settings, device=job.device, say=say, what="held-out pairs")
    out = _margins(logps, test, settings)
    reference = None if settings.lora_rank else models.load(model, settings, job.device)
    asked = test.pairs[: settings.samples]
    if not asked:
        return out
    chosen = [(pair.prompt, pair.chosen) for pair in asked]
    nats, tokens = per_token(policy, reference, chosen, pad, settings, device=job.device, say=say)
    out["kl_chosen"] = nats / tokens
    prompts = [pair.prompt for pair in asked]
    made = answers(policy, tokenizer, prompts, settings, seed=job.seed, device=job.device)
    own = list(zip(prompts, made, strict=True))
    nats, tokens = per_token(policy, reference, own, pad, settings, device=job.device, say=say)
    before = store.read_lines(Path(job.data) / store.ANSWERS)
    out |= {"kl": nats / tokens, "kl_answer": nats / len(made)}
    out["length_ratio"] = sum(map(len, made)) / sum(len(row["answer"]) for row in before)
    last = ends(policy, tokenizer)
    out["ended"] = sum(answer[-1] in last for answer in made) / len(made)
    store.write_lines(Path(job.out) / SAMPLES, _samples(tokenizer, made, before))
    return out


def policy_of(job: Job, model: Path, settings: Settings) -> tuple[Any, bool]:
    """The trained model, or the one that training began with where the job names no weights; and whether it is finite.

    Raises StepError for weights that are damaged, or another model's.
    """
    if not job.weights:
        return models.load(model, settings, job.device), True
    found = weights.read(Path(job.weights) / weights.WEIGHTS)
    if found is None:
        raise StepError("there are no weights to score, or they are damaged", remedy="train again")
    tensors, _ = found
    policy = models.adapt(models.load(model, settings, job.device), settings)
    weights.put(policy, tensors)
    return policy.eval(), all(bool(torch.isfinite(tensor).all()) for tensor in tensors.values())


def _margins(logps: Tensor, test: Part, settings: Settings) -> dict[str, float]:
    change = (logps - test.reference).double()
    rho = change[:, 0] - change[:, 1]
    return {
        "accuracy": float((rho > 0).double().mean()),
        "margin": settings.beta * float(rho.mean()),
        "margin_sd": settings.beta * float(rho.std(correction=0)),
        "chosen_change": float(change[:, 0].mean()),
    }


def _samples(
    tokenizer: Any, made: Sequence[tuple[int, ...]], before: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """What a judge compares: both answers to a prompt, which stands there as the preference set has it."""

    def text(tokens: Sequence[int]) -> str:
        return str(tokenizer.decode(list(tokens), skip_special_tokens=True))

    return [
        {
            "row": old["row"],
            "prompt": old["prompt"],
            "chosen": old["chosen"],
            "answer": text(answer),
            "reference": text(old["answer"]),
            "tokens": len(answer),
            "reference_tokens": len(old["answer"]),
        }
        for answer, old in zip(made, before, strict=True)
    ]
