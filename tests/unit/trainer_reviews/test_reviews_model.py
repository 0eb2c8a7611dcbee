"""What a model is asked: the numbers against plain computations, whatever stands beside a text in its batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from harness.protocol.job import StepError
from harness.trainer.reviews.embedded import small_model
from harness.trainer.reviews.model import all_log_probs, divergences, load_weights, logits, sample, save_weights
from harness.trainer.reviews.settings import Settings
from harness.trainer.reviews.texts import rows

PROMPTS = ((5, 6, 7), (8,), (9, 10, 11, 12, 13))
ANSWERS = ((20, 0), (21, 22, 23, 24, 0), (25,))


@pytest.fixture(scope="module")
def model() -> Any:
    """A model whose predictions are far from uniform."""
    made = small_model(Settings(width=32, layers=2), 3)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.mul_(4.0)
    return made


def plainly(model: Any, prompt: tuple[int, ...], answer: tuple[int, ...]) -> torch.Tensor:
    """Log-probabilities of all tokens after each prefix of one text, shape (len(answer), V)."""
    with torch.no_grad():
        out = model(input_ids=torch.tensor([[*prompt, *answer]])).logits[0].double().log_softmax(dim=1)
    return out[len(prompt) - 1 : -1]


def test_log_probs_are_those_of_each_text_alone(model: Any) -> None:
    together = all_log_probs(model, PROMPTS, ANSWERS)
    for got, prompt, answer in zip(together, PROMPTS, ANSWERS, strict=True):
        wanted = sum(plainly(model, prompt, answer)[i, token] for i, token in enumerate(answer))
        assert float(got) == pytest.approx(float(wanted), abs=1e-4)


def test_divergences_are_sums_over_tokens_of_the_whole_vocabulary(model: Any) -> None:
    other = small_model(Settings(width=32, layers=2), 4)
    found = divergences(model, other, PROMPTS, ANSWERS, end=0)
    for place, (prompt, answer) in enumerate(zip(PROMPTS, ANSWERS, strict=True)):
        now, before = plainly(model, prompt, answer), plainly(other, prompt, answer)
        there, back = ((a.exp() * (a - b)).sum() for a, b in ((now, before), (before, now)))
        assert float(found.policy[place]) == pytest.approx(float(there), rel=1e-4)
        assert float(found.reference[place]) == pytest.approx(float(back), rel=1e-4)
        assert float(there) != pytest.approx(float(back), rel=1e-3)
    same = divergences(model, model, PROMPTS, ANSWERS, end=0)
    assert (same.policy.abs().max(), same.reference.abs().max(), same.everywhere) == (0.0, 0.0, 0.0)


def test_the_divergence_of_the_paper_goes_the_other_way_over_every_token_but_ends(model: Any) -> None:
    """As `run_eval_imdb.py` has it: `kl_div(policy, reference)` at each token that is not the end, prompts included."""
    other = small_model(Settings(width=32, layers=2), 4)
    nats, tokens = 0.0, 0
    for prompt, answer in zip(PROMPTS, ANSWERS, strict=True):
        text = [*prompt, *answer]
        with torch.no_grad():
            now, before = (m(input_ids=torch.tensor([text])).logits[0].log_softmax(dim=1) for m in (model, other))
        each = torch.nn.functional.kl_div(now, before, log_target=True, reduction="none").sum(-1)
        there = torch.tensor([token != 0 for token in text])
        nats, tokens = nats + float(each[there].double().sum()), tokens + int(there.sum())
    assert tokens == 15
    assert divergences(model, other, PROMPTS, ANSWERS, end=0).everywhere == pytest.approx(nats / tokens, rel=1e-5)


def test_samples_have_the_models_own_frequencies_after_prompts_of_any_length(model: Any) -> None:
    prompts = [PROMPTS[i % 3] for i in range(3000)]
    drawn = sample(model, prompts, most=2, end=0, seed=5)
    for kind, prompt in enumerate(PROMPTS):
        mine = drawn[kind::3]
        _agree(model, prompt, [d[0] for d in mine])
        words = [d[0] for d in mine if d[0] != 0]
        commonest = max(set(words), key=words.count)
        _agree(model, (*prompt, commonest), [d[1] for d in mine if d[0] == commonest])


def _agree(model: Any, prefix: tuple[int, ...], tokens: list[int]) -> None:
    with torch.no_grad():
        wanted = logits(model, rows([prefix], [(1,)]))[0, -2].softmax(dim=0).double().numpy()
    got = np.bincount(tokens, minlength=len(wanted)) / len(tokens)
    error = np.sqrt(wanted * (1 - wanted) / len(tokens)) + 1 / len(tokens)
    assert (np.abs(got - wanted) < 5 * error).all(), prefix


def test_a_sample_ends_with_its_end_or_at_the_limit(model: Any) -> None:
    drawn = sample(model, [PROMPTS[1]] * 200, most=6, end=20, seed=1)
    assert all(20 not in d[:-1] and (d[-1] == 20 or len(d) == 6) for d in drawn)
    assert {len(d) for d in drawn} > {6}


def test_the_noise_is_the_same_for_models_that_agree_and_another_for_another_seed(model: Any) -> None:
    twin = small_model(Settings(width=32, layers=2), 3)
    twin.load_state_dict(model.state_dict())
    prompts = [PROMPTS[i % 3] for i in range(150)]
    one = sample(model, prompts, most=8, end=0, seed=1)
    assert one == sample(twin, prompts, most=8, end=0, seed=1)
    assert one != sample(model, prompts, most=8, end=0, seed=2)
    # A model that ends every text early does not change what the next chunk draws.
    with torch.no_grad():
        twin.transformer.ln_f.bias.add_(50.0 * twin.transformer.wte.weight[0])
    short = sample(twin, prompts, most=8, end=0, seed=1)
    assert sum(len(d) for d in short) < sum(len(d) for d in one)


def test_weights_go_to_a_file_and_back_and_not_into_another_model(model: Any, tmp_path: Any) -> None:
    save_weights(model, tmp_path / "w.safetensors", beta="1.0")
    other = small_model(Settings(width=32, layers=2), 9)
    assert load_weights(other, tmp_path / "w.safetensors") == {"beta": "1.0"}
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True))
    with pytest.raises(StepError, match="another model"):
        load_weights(small_model(Settings(width=64, layers=2), 0), tmp_path / "w.safetensors")
    (tmp_path / "w.safetensors").write_bytes((tmp_path / "w.safetensors").read_bytes()[:-100])
    with pytest.raises(StepError, match="damaged"):
        load_weights(other, tmp_path / "w.safetensors")
