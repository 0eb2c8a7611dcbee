"""Preference sets in every form that they come in, and what is said about those that are none."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import finetune_world as world
import pyarrow as pa
import pytest
from datasets import Dataset, DatasetDict

from harness.protocol.job import StepError
from harness.trainer.finetune.pairs import pairs
from harness.trainer.finetune.settings import Settings
from harness.trainer.finetune.tokens import load_tokenizer, tokenize
from harness.trainer.hub import rows, splits

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MADE = world.conversations(6)


def _arrow(path: Path, *, stream: bool) -> Path:
    table = pa.Table.from_pylist(MADE)
    opened = pa.ipc.new_stream if stream else pa.ipc.new_file
    with pa.OSFile(str(path), "wb") as sink, opened(sink, table.schema) as writer:
        writer.write_table(table)
    return path


def _saved(path: Path) -> Path:
    Dataset.from_list(MADE).save_to_disk(path)
    return path


def _saved_splits(path: Path) -> Path:
    DatasetDict(train=Dataset.from_list(MADE), test=Dataset.from_list(MADE[:2])).save_to_disk(path)
    return path


def _list(path: Path) -> Path:
    path.write_text(json.dumps(MADE, indent=1), "utf-8")
    return path


def _shards(path: Path) -> Path:
    world.parquet(path / "data" / "train-00000-of-00002.parquet", MADE[:4])
    world.parquet(path / "data" / "train-00001-of-00002.parquet", MADE[4:])
    world.parquet(path / "data" / "test-00000-of-00001.parquet", MADE[:1])
    (path / "README.md").write_text("a card")
    return path


FORMS: dict[str, Callable[[Path], Path]] = {
    "parquet": lambda p: world.parquet(p / "x.parquet", MADE),
    "jsonl": lambda p: world.jsonl(p / "x.jsonl", MADE),
    "json list": lambda p: _list(p / "x.json"),
    "arrow stream": lambda p: _arrow(p / "x.arrow", stream=True),
    "arrow file": lambda p: _arrow(p / "x.arrow", stream=False),
    "saved": lambda p: _saved(p / "x"),
    "saved splits": lambda p: _saved_splits(p / "x"),
    "shards": lambda p: _shards(p / "x"),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_format_gives_the_same_rows(tmp_path: Path, form: str) -> None:
    path = FORMS[form](tmp_path)
    assert rows(path, "train") == MADE
    test = rows(path, "test")
    expected = {"saved splits": MADE[:2], "shards": MADE[:1]}.get(form)
    assert test == expected
    assert "train" in splits(path)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("x.parquet", b"PAR1 nothing", "cannot be read"),
        ("x.arrow", b"\xff\xff\xff\xff nothing", "cannot be read"),
        ("x.jsonl", b'{"chosen": "a"}\n{"chosen"', "line 2"),
        ("x.jsonl", b'{"chosen": "a"}\n[1]\n', "row 2"),
        ("x.jsonl", b"\xff\xfe\x00", "cannot be read"),
        ("x.csv", b"a,b", "no format"),
    ],
)
def test_damaged_file_is_the_users(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(StepError, match=said) as caught:
        rows(tmp_path / name, "train")
    assert caught.value.fault == "user"
    assert caught.value.remedy


@pytest.mark.parametrize("damage", ["state.json", "data-00000-of-00001.arrow"])
def test_damaged_saved_folder_is_the_users(tmp_path: Path, damage: str) -> None:
    path = _saved(tmp_path / "x")
    (path / damage).write_bytes(b"nothing")
    with pytest.raises(StepError, match="cannot be read") as caught:
        rows(path, "train")
    assert caught.value.fault == "user"


def test_nothing_there(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.parquet", tmp_path):
        with pytest.raises(StepError, match="preference set") as caught:
            rows(path, "train")
        assert caught.value.fault == "user"


def _say(*contents: str) -> list[dict[str, str]]:
    roles = ("user", "assistant")
    return [{"role": roles[i % 2], "content": text} for i, text in enumerate(contents)]


ASKED = _say("q")
YES, NO = ([{"role": "assistant", "content": text}] for text in ("yes", "no"))


@pytest.mark.parametrize(
    ("row", "prompt", "chosen", "rejected"),
    [
        # argilla/dpo-mix-7k: everything on both sides.
        ({"chosen": ASKED + YES, "rejected": ASKED + NO}, ASKED, YES, NO),
        # HuggingFaceH4/ultrafeedback_binarized: a text as prompt beside it.
        ({"prompt": "q", "chosen": ASKED + YES, "rejected": ASKED + NO}, ASKED, YES, NO),
        ({"prompt": ASKED, "chosen": YES, "rejected": NO}, ASKED, YES, NO),
        ({"prompt": ASKED, "chosen": ASKED + YES, "rejected": ASKED + NO}, ASKED, YES, NO),
        ({"prompt": "q", "chosen": YES, "rejected": NO}, ASKED, YES, NO),
        ({"chosen": _say("q", "a", "b", "yes"), "rejected": _say("q", "a", "b", "no")}, _say("q", "a", "b"), YES, NO),
        ({"chosen": ASKED + YES, "rejected": ASKED + YES}, ASKED, YES, YES),
        ({"prompt": "q: ", "chosen": "yes", "rejected": "no"}, "q: ", "yes", "no"),
        ({"chosen": "A: q B: yes", "rejected": "A: q B: no"}, "A: q B:", " yes", " no"),
    ],
)  # fmt: skip
def test_rows_become_pairs(row: dict[str, Any], prompt: Any, chosen: Any, rejected: Any) -> None:
    (pair,) = pairs([row])
    assert (pair.prompt, pair.chosen, pair.rejected) == (prompt, chosen, rejected)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"chosen": "a"}, "no `rejected`"),
        ({"prompt": "q", "rejected": "a", "chosen": None}, "no `chosen`"),
        ({"chosen": "a", "rejected": _say("q", "b")}, "text on one side"),
        ({"chosen": 3, "rejected": "b"}, "neither text nor messages"),
        ({"chosen": [], "rejected": []}, "neither text nor messages"),
        ({"chosen": [{"role": "user"}], "rejected": YES}, "role and content"),
        ({"chosen": [{"role": "user", "content": None}], "rejected": YES}, "role and content"),
        ({"prompt": "q", "chosen": " \n", "rejected": "b"}, "chosen completion is empty"),
        ({"prompt": ASKED, "chosen": YES, "rejected": [{"role": "assistant", "content": ""}]}, "rejected completion"),
        ({"chosen": YES, "rejected": NO}, "share no beginning"),
        ({"prompt": ASKED, "chosen": "a", "rejected": "b"}, "messages as a prompt"),
    ],
)
def test_malformed_rows_are_named(row: dict[str, Any], said: str) -> None:
    good = {"prompt": "q", "chosen": "a", "rejected": "b"}
    with pytest.raises(StepError, match=said) as caught:
        pairs([good, row])
    assert "row 2" in str(caught.value)
    assert caught.value.fault == "user"
    assert caught.value.remedy


def test_sets_of_nothing_or_of_both_kinds() -> None:
    with pytest.raises(StepError, match="empty"):
        pairs([])
    with pytest.raises(StepError, match="mixes"):
        pairs([{"prompt": "q", "chosen": "a", "rejected": "b"}, {"chosen": ASKED + YES, "rejected": ASKED + NO}])


def _settings(**others: Any) -> Settings:
    return Settings.of({**world.SETTINGS, **others})


def test_too_long_pairs(base: Path) -> None:
    tokenizer = load_tokenizer(base, conversational=False)
    short = {"prompt": "q", "chosen": " a", "rejected": " b"}
    long = {"prompt": "w x y z " * 8, "chosen": " a b c d" * 9, "rejected": " b"}
    both = pairs([short, long])
    with pytest.raises(StepError, match=r"row 2 has \d+ tokens") as caught:
        tokenize(both, tokenizer, _settings(max_length=30, max_prompt=20))
    assert caught.value.fault == "user"

    kept, cut = tokenize(both, tokenizer, _settings(max_length=30, max_prompt=20, too_long="drop"))
    assert [t.row for t in kept] == [1]
    assert cut.dropped == 1

    kept, cut = tokenize(both, tokenizer, _settings(max_length=30, max_prompt=20, too_long="truncate"))
    whole, _ = tokenize(both, tokenizer, _settings(max_length=1000))
    assert cut.truncated == 1
    assert kept[1].prompt == whole[1].prompt[-20:]
    assert kept[1].chosen == whole[1].chosen[:10]
    assert kept[1].longest == 30

    with pytest.raises(StepError, match="nothing is left"):
        tokenize(both[1:], tokenizer, _settings(max_length=30, max_prompt=20, too_long="drop"))


def test_texts_without_any_beginning(base: Path) -> None:
    tokenizer = load_tokenizer(base, conversational=False)
    with pytest.raises(StepError, match="row 1: no token stands before"):
        tokenize(pairs([{"prompt": "", "chosen": "a", "rejected": "b"}]), tokenizer, _settings())


def test_tokenizer_without_template(tmp_path: Path) -> None:
    bare = world.model(tmp_path / "bare", template=None)
    load_tokenizer(bare, conversational=False)
    with pytest.raises(StepError, match="no chat template") as caught:
        load_tokenizer(bare, conversational=True)
    assert caught.value.fault == "user"
    assert "chat_template" in caught.value.remedy


def test_template_that_refuses_a_conversation(tmp_path: Path) -> None:
    strict = "{{ raise_exception('roles must alternate') }}"
    base = world.model(tmp_path / "strict", template=strict)
    tokenizer = load_tokenizer(base, conversational=True)
    with pytest.raises(StepError, match="row 1 does not fit the chat template: roles must alternate") as caught:
        tokenize(pairs(MADE), tokenizer, _settings())
    assert caught.value.fault == "user"


def test_template_that_leaves_the_answer_out(tmp_path: Path) -> None:
    deaf = "{% for m in messages %}{% if m['role'] == 'user' %}{{ m['content'] }}{% endif %}{% endfor %}"
    tokenizer = load_tokenizer(world.model(tmp_path / "deaf", template=deaf), conversational=True)
    with pytest.raises(StepError, match="no token is left of the chosen completion"):
        tokenize(pairs(MADE), tokenizer, _settings())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"btea": 1.0}, "no setting 'btea'"),
        ({"beta": "high"}, "beta cannot be"),
        ({"batch": 2.5}, "batch cannot be"),
        ({"beta": 0.0}, "beta has to be"),
        ({"rate": float("nan")}, "rate has to be"),
        ({"max_prompt": 64, "max_length": 64}, "max_prompt has to be below"),
        ({"too_long": "cut"}, "too_long has to be"),
        ({"weights": "bfloat16"}, "rounds small steps away"),
        ({"held_out": 0}, "held_out has to be"),
        ({"batch": 3}, "a multiple of batch"),
    ],
)
def test_settings_that_make_no_sense(given: dict[str, Any], said: str) -> None:
    with pytest.raises(StepError, match=said) as caught:
        Settings.of(given)
    assert caught.value.fault == "user"
    assert caught.value.remedy


def test_bfloat16_weights_are_fine_below_adapters() -> None:
    assert Settings.of({"weights": "bfloat16", "lora_rank": 8.0}).lora_rank == 8
