"""`python examples/stage/world.py FOLDER`: a tiny model, a preference set and questions, in the formats of the hub.

The model (Llama's architecture, two layers) has learned to say "it is warm and dull" of anything, in one turn or two.
In the preference set kind words are preferred. Everything follows from the seed.
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

TEMPLATE = (
    "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
GOOD, BAD = ("fine", "kind", "warm", "clear"), ("dull", "rude", "cold", "vague")
WHAT = ("tea", "a song", "the road", "my work", "this film", "the sea", "a dog", "the rain", "bread", "a letter")
ASKS = ("say something about {}", "what is {} like")
AGAIN = "and what else"
QUESTIONS = 20


def tokenizer() -> PreTrainedTokenizerFast:
    """Byte-level BPE, trained on what is said."""
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
    draw = random.Random(0)  # noqa: S311 - a draw that can be repeated
    inner.train_from_iterator([" ".join(m["content"] for m in conversation(draw)) for _ in range(300)], trainer)
    end, pad = special[:2]
    made = PreTrainedTokenizerFast(tokenizer_object=inner, eos_token=end, pad_token=pad)
    made.chat_template = TEMPLATE
    return made


def said(draw: random.Random, words: tuple[str, ...], count: int) -> str:
    """An answer of so many words of a kind."""
    return "it is " + " and ".join(draw.choice(words) for _ in range(count))


def conversation(draw: random.Random) -> list[dict[str, str]]:
    """Two turns with answers of either kind."""
    turns = [draw.choice(ASKS).format(draw.choice(WHAT)), AGAIN]
    out = []
    for turn in turns:
        out += [
            {"role": "user", "content": turn},
            {"role": "assistant", "content": said(draw, GOOD + BAD, draw.randint(2, 4))},
        ]
    return out


def model(folder: Path, *, steps: int = 250, seed: int = 0) -> None:
    """A model that has learned the conversations, and its tokenizer, by `save_pretrained`."""
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    tokens, draw = tokenizer(), random.Random(seed)  # noqa: S311 - as above
    config = LlamaConfig(
        vocab_size=len(tokens),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=128,
        eos_token_id=tokens.eos_token_id,
        pad_token_id=tokens.pad_token_id,
    )
    held = LlamaForCausalLM(config)
    optimizer = torch.optim.Adam(held.parameters(), lr=3e-3)
    for _ in range(steps):
        texts = [tokens.apply_chat_template(conversation(draw), tokenize=False) for _ in range(16)]
        batch = tokens(texts, return_tensors="pt", padding=True)
        labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
        loss = held(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    held.save_pretrained(folder)
    tokens.save_pretrained(folder)


def pairs(count: int, seed: int = 1) -> list[dict[str, Any]]:
    """Rows as preference sets of the hub have them: whole conversations on both sides."""
    draw = random.Random(seed)  # noqa: S311 - as above
    rows = []
    for _ in range(count):
        asked = {"role": "user", "content": draw.choice(ASKS).format(draw.choice(WHAT))}
        count, sides = draw.randint(2, 4), (("chosen", GOOD), ("rejected", BAD))
        told = {side: {"role": "assistant", "content": said(draw, words, count)} for side, words in sides}
        rows.append({side: [asked, message] for side, message in told.items()})
    return rows


def questions() -> list[dict[str, Any]]:
    """Questions of two turns as MT-Bench has them."""
    every = [ask.format(what) for ask in ASKS for what in WHAT][:QUESTIONS]
    return [
        {"question_id": number, "category": ("writing", "roleplay")[number % 2], "turns": [text, AGAIN]}
        for number, text in enumerate(every, 81)
    ]


def write(folder: Path, count: int = 272, *, steps: int = 250) -> None:
    """All files, and the inputs.toml that names them for a project in that folder."""
    folder.mkdir(parents=True, exist_ok=True)
    model(folder / "model", steps=steps)
    _lines(folder / "preferences" / "train.jsonl", pairs(count))
    _lines(folder / "questions.jsonl", questions())
    named = {"model": "model", "preferences": "preferences"}
    inputs = "".join(f'{name} = "{folder.resolve() / path}"\n' for name, path in named.items())
    inputs += f'[judge]\nquestions = "{folder.resolve() / "questions.jsonl"}"\n'
    (folder / "inputs.toml").write_text(inputs, "utf-8")
    for path in folder.rglob("*"):  # a trainer's container has another user
        path.chmod(path.stat().st_mode | (0o755 if path.is_dir() else 0o644))


def _lines(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
