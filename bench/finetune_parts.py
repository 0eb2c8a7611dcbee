"""What `bench.finetune` trains: a small model on drawn pairs, with our trainer and with trl's own."""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import trl
from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, PrinterCallback, TrainerCallback

from bench.trusted import from_text
from harness.protocol.job import Job, Step, silent
from harness.trainer.finetune import fitting, store, weights
from harness.trainer.finetune import model as models_of
from harness.trainer.finetune.asking import log_probabilities
from harness.trainer.finetune.settings import Settings
from harness.trainer.finetune.tokens import Tokens
from harness.trainer.finetune.trainer import Plan, arguments
from harness.trainer.remote import RemoteOracle
from harness.trainer.torch import OracleLoss
from harness.training.serving import Serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.trainer.tasks import PairLoss

LOSS = Path(__file__).resolve().parents[1] / "harness" / "losses" / "dpo.py"
VOCABULARY, PROMPT, COMPLETION, PAIRS = 2000, (12, 32), (16, 64), 256
SETTINGS = Settings(beta=0.1, batch=8, step_pairs=8, rate=1e-3, samples=0, evaluation_batch=16, warmup=0.0)


class Clock(TrainerCallback):
    """Seconds of each optimizer step."""

    def __init__(self) -> None:
        self.steps: list[float] = []
        self._begun = 0.0

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        """Start."""
        _wait_for_gpu()
        self._begun = time.perf_counter()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        """Stop."""
        _wait_for_gpu()
        self.steps.append(time.perf_counter() - self._begun)


@dataclass
class World:
    """A model in a folder, prepared pairs, and what trainings on them came to."""

    folder: Path
    part: store.Part
    job: Job
    device: str = "cpu"
    #: By the number of steps.
    ends: dict[int, list[dict[str, torch.Tensor]]] = field(default_factory=dict)

    def must_agree(self) -> None:
        """All trainings have to have come to the same bits."""
        if not all(
            torch.equal(first[name], other[name])
            for first, *others in self.ends.values()
            for other in others
            for name in first
        ):
            raise AssertionError("the trainings did not come to the same weights")


@contextmanager
def world(layers: int = 2, width: int = 128, *, device: str = "cpu", longer: int = 1) -> Iterator[World]:
    """Make everything, in a folder of its own; prompts and completions are so many times as long."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as name:
        base = Path(name) / "base"
        _tokenizer().save_pretrained(base)
        shape = {"num_hidden_layers": layers, "num_attention_heads": 4, "num_key_value_heads": 4}
        sizes = {"hidden_size": width, "intermediate_size": width * 43 // 16}
        config = LlamaConfig(vocab_size=VOCABULARY, max_position_embeddings=128 * longer, **sizes, **shape)
        LlamaForCausalLM(config).save_pretrained(base)
        pairs = _drawn(longer)
        held = models_of.load(base, SETTINGS, device)
        logps = log_probabilities(held, pairs, 0, SETTINGS, device=device, say=silent, what="reference")
        job = Job("finetune", Step.TRAIN, 1, inputs={"model": str(base)}, device=device)
        yield World(Path(name), store.Part(pairs, logps), job, device)


@contextmanager
def oracle(made: World) -> Iterator[PairLoss]:
    """DPO in a sandbox, behind the socket that trainers talk to."""
    from bench.containers import served  # noqa: PLC0415 - needs an engine, which the GPU's machine may lack

    path = made.folder / "oracle.sock"
    with Serving(path, lambda _: served(LOSS)) as serving, RemoteOracle(path) as remote:
        yield OracleLoss(remote, smallest=remote.smallest)
    if serving.fault is not None:
        raise serving.fault


def in_process() -> PairLoss:
    """The same text in this process."""
    return from_text(LOSS.read_text("utf-8"))


def median_step(made: World, loss: PairLoss, steps: int) -> float:
    """Train anew with our trainer; median seconds of a step."""
    return statistics.median(steps_of(made, loss, steps))


def steps_of(made: World, loss: PairLoss, steps: int) -> list[float]:
    """Train anew with our trainer; seconds of each step."""
    clock, todo = Clock(), _plan(steps)
    held = models_of.load(made.folder / "base", SETTINGS, made.device)
    trainer = fitting.build(
        held,
        made.part,
        loss,
        todo,
        SETTINGS,
        made.job,
        callbacks=[clock],
        scratch=str(made.folder),
        device=made.device,
    )
    trainer.train()
    made.ends.setdefault(steps, []).append(weights.trained(trainer.model))
    return clock.steps


def median_stock_step(made: World, steps: int) -> float:
    """Train anew with trl as it comes, on the same pairs; median seconds of a step."""
    clock, todo = Clock(), _plan(steps)
    base = made.folder / "base"
    config = arguments(SETTINGS, todo, seed=1, device=made.device, scratch=str(made.folder), ranks=1)
    config.precompute_ref_log_probs = False
    rows = [_row(made.part.pairs[i]) for i in todo.order]
    trainer = trl.DPOTrainer(
        model=models_of.load(base, SETTINGS, made.device),
        ref_model=models_of.load(base, SETTINGS, made.device),
        args=config,
        train_dataset=Dataset.from_list(rows),
        processing_class=PreTrainedTokenizerFast.from_pretrained(str(base)),
        callbacks=[clock],
    )
    trainer.remove_callback(PrinterCallback)
    if trainer.train_dataset["chosen_ids"][:] != [list(made.part.pairs[i].chosen) for i in todo.order]:
        raise AssertionError("both sides have to train on the same tokens")
    trainer.train()
    return statistics.median(clock.steps)


def _plan(steps: int) -> Plan:
    rows = SETTINGS.step_pairs
    return Plan(tuple(i % PAIRS for i in range(steps * rows)), rows, 0)


def _wait_for_gpu() -> None:
    """Its work is only queued when a call returns."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _drawn(longer: int) -> tuple[Tokens, ...]:
    draw = random.Random(5)  # noqa: S311 - a draw that can be repeated

    def some(least: int, most: int, *end: int) -> tuple[int, ...]:
        return (*(draw.randrange(2, VOCABULARY) for _ in range(draw.randint(least * longer, most * longer))), *end)

    return tuple(Tokens(row, some(*PROMPT), some(*COMPLETION, 1), some(*COMPLETION, 1)) for row in range(1, PAIRS + 1))


def _row(pair: Tokens) -> dict[str, str]:
    """The pair as text, of which the tokenizer makes the same tokens; it adds the last one itself."""
    named = {"prompt": pair.prompt, "chosen": pair.chosen[:-1], "rejected": pair.rejected[:-1]}
    return {name: "".join(f" w{token}" for token in tokens) for name, tokens in named.items()}


def _tokenizer() -> PreTrainedTokenizerFast:
    vocabulary = {"<pad>": 0, "<end>": 1, **{f"w{i}": i for i in range(2, VOCABULARY)}}
    inner = Tokenizer(models.WordLevel(vocabulary, unk_token="<pad>"))  # noqa: S106 - no password
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="<end>", pad_token="<pad>")  # noqa: S106
