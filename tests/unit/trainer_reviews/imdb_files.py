"""Tiny files in the formats of the hub: a language model, a preference set, a classifier."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import torch
from tokenizers import Tokenizer
from tokenizers.models import BPE, WordLevel
from tokenizers.pre_tokenizers import ByteLevel, Whitespace
from tokenizers.trainers import BpeTrainer
from transformers import (
    DistilBertConfig,
    DistilBertForSequenceClassification,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedTokenizerFast,
)

if TYPE_CHECKING:
    from pathlib import Path

WORDS = ("i", "really", "liked", "hated", "the", "film", "plot", "was", "good", "bad", "it", "music", "and")
SETTINGS: dict[str, Any] = {
    "source": "files",
    "epochs": 2,
    "batch": 8,
    "rate": 3e-3,
    "questions": 12,
    "answer": 6,
    "limit": 32,
}


def rows(count: int = 60, begin: int = 0) -> list[dict[str, Any]]:
    """Rows as the IMDb preference set has them; the better response stands now first, now second."""
    out = []
    for i in range(begin, begin + count):
        both = [
            f" {WORDS[2]} it and the {WORDS[6 + i % 2 * 5]} was good",
            f" hated the film and it was bad {WORDS[i % 13]}",
        ]
        place = i % 2
        out.append({"prompt": f"i really {WORDS[i % 13]}", "responses": both[::-1] if place else both, "chosen": place})
    return out


def language_model(folder: Path, **config: Any) -> Path:
    """A GPT-2 with a byte-level tokenizer that was trained on these rows."""
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False)
    texts = [row["prompt"] + text for row in rows() for text in row["responses"]]
    alphabet = ByteLevel.alphabet()
    trainer = BpeTrainer(
        vocab_size=330, special_tokens=["<|endoftext|>"], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    from tokenizers.decoders import ByteLevel as Decoder

    tokenizer.decoder = Decoder()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|endoftext|>", bos_token="<|endoftext|>")
    fast.save_pretrained(folder)
    sizes = {"vocab_size": len(fast), "n_positions": 64, "n_embd": 32, "n_layer": 2, "n_head": 2} | config
    torch.manual_seed(0)
    GPT2LMHeadModel(GPT2Config(**sizes, bos_token_id=0, eos_token_id=0)).save_pretrained(folder)
    return folder


def classifier(folder: Path, **config: Any) -> Path:
    """A classifier of two labels over whole words."""
    known = {word: i for i, word in enumerate(("[PAD]", "[UNK]", *WORDS))}
    tokenizer = Tokenizer(WordLevel(known, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", model_max_length=64
    )
    fast.model_input_names = ["input_ids", "attention_mask"]
    fast.save_pretrained(folder)
    labels: dict[str, Any] = {"id2label": {0: "NEGATIVE", 1: "POSITIVE"}, "label2id": {"NEGATIVE": 0, "POSITIVE": 1}}
    sizes = {"vocab_size": len(known), "dim": 32, "hidden_dim": 64, "n_layers": 1, "n_heads": 2} | labels | config
    torch.manual_seed(1)
    model = DistilBertForSequenceClassification(DistilBertConfig(max_position_embeddings=64, **sizes))
    with torch.no_grad():
        # It is an opinion: "good" and "liked" speak for, "bad" and "hated" against.
        model.distilbert.embeddings.word_embeddings.weight.mul_(10.0)
    model.save_pretrained(folder)
    return folder


def jsonl(path: Path, found: list[dict[str, Any]]) -> Path:
    """One object a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in found), "utf-8")
    return path
