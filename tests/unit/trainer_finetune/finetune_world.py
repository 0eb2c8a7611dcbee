"""A model, a tokenizer and preference sets on disk, as the hub has them, and small enough to train in a second."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from bench.trusted import TrustedLoss
from harness.protocol.job import Job, Step, silent

if TYPE_CHECKING:
    from pathlib import Path

TEMPLATE = (
    "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
GOOD, BAD = ("fine", "kind", "warm", "clear"), ("dull", "rude", "cold", "vague")
WHAT = ("tea", "a song", "the road", "my work", "this film", "the sea")
SETTINGS: dict[str, Any] = {
    "beta": 0.5,
    "held_out": 16,
    "max_length": 64,
    "max_prompt": 40,
    "batch": 4,
    "step_pairs": 4,
    "rate": 3e-3,
    "checkpoint": 4,
    "samples": 6,
    "answer": 8,
    "evaluation_batch": 8,
}


def conversations(size: int, seed: int = 0) -> list[dict[str, Any]]:
    """Rows as `argilla/dpo-mix-7k` has them: whole conversations on both sides, no prompt, other columns beside."""
    draw = random.Random(seed)  # noqa: S311 - a draw that can be repeated
    out = []
    for _ in range(size):
        asked = {"role": "user", "content": f"say something about {draw.choice(WHAT)}"}
        good, bad = (f"it is {draw.choice(words)} and {draw.choice(words)}" for words in (GOOD, BAD))
        row: dict[str, Any] = {"dataset": "made", "chosen_rating": 5.0}
        row |= {k: [asked, {"role": "assistant", "content": v}] for k, v in (("chosen", good), ("rejected", bad))}
        out.append(row)
    return out


def texts(size: int, seed: int = 0) -> list[dict[str, Any]]:
    """Rows of plain texts with a prompt."""
    rows = conversations(size, seed)
    return [
        {
            "prompt": row["chosen"][0]["content"] + ":",
            "chosen": " " + row["chosen"][1]["content"],
            "rejected": " " + row["rejected"][1]["content"],
        }
        for row in rows
    ]


def tokenizer(*, template: str | None = TEMPLATE) -> PreTrainedTokenizerFast:
    """Byte-level BPE, trained on what the pairs say."""
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    special = ["<|end|>", "<|pad|>", "<|user|>", "<|assistant|>", "<|system|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    said = [" ".join((r["prompt"], r["chosen"], r["rejected"])) for r in texts(200)]
    inner.train_from_iterator(said, trainer)
    made = PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="<|end|>", pad_token="<|pad|>")
    made.chat_template = template
    return made


def model(
    folder: Path, *, kind: str = "llama", template: str | None = TEMPLATE, seed: int = 0, width: int = 32
) -> Path:
    """A tiny model and its tokenizer in a folder, by `save_pretrained`."""
    torch.manual_seed(seed)
    tokens = tokenizer(template=template)
    common = {"vocab_size": len(tokens), "eos_token_id": tokens.eos_token_id, "pad_token_id": tokens.pad_token_id}
    if kind == "llama":
        heads = {"num_attention_heads": 2, "num_key_value_heads": 2, "num_hidden_layers": 2}
        config = LlamaConfig(
            hidden_size=width, intermediate_size=2 * width, max_position_embeddings=128, **heads, **common
        )
        made: Any = LlamaForCausalLM(config)
    else:
        made = GPT2LMHeadModel(GPT2Config(n_embd=width, n_layer=2, n_head=2, n_positions=128, **common))
    made.save_pretrained(folder)
    tokens.save_pretrained(folder)
    return folder


def parquet(path: Path, rows: list[dict[str, Any]]) -> Path:
    """As the hub keeps most preference sets."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def jsonl(path: Path, rows: list[dict[str, Any]]) -> Path:
    """One object a line."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def job(step: Step, base: Path, preferences: Path, out: Path, *, seed: int = 3, **settings: Any) -> Job:
    """A job in its own folder; the data and weights lie beside it."""
    folder = out / step.value
    folder.mkdir(parents=True, exist_ok=True)
    return Job(
        task="finetune",
        step=step,
        seed=seed,
        settings={**SETTINGS, **settings},
        out=str(folder),
        data=str(out / "prepare"),
        weights=str(out / "train"),
        inputs={"model": str(base), "preferences": str(preferences)},
    )


def dpo() -> TrustedLoss:
    """DPO in this process."""
    return TrustedLoss(lambda pc, pr, rc, rr, beta: -torch.nn.functional.logsigmoid(beta * ((pc - pr) - (rc - rr))))


__all__ = ["silent"]
