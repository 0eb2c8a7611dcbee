"""The first step: the same data each time, and everything that is wrong with the inputs is said in it."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import finetune_world as world
import pytest
import torch
from safetensors.torch import load_file, save_file

from harness.protocol.job import Step, StepError, silent
from harness.trainer.finetune import model as models
from harness.trainer.finetune import steps as finetune
from harness.trainer.finetune import store
from harness.trainer.finetune.asking import collate, completions, summed
from harness.trainer.finetune.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable


def test_the_same_job_gives_the_same_bytes(base: Path, preferences: Path, prepared: Path, tmp_path: Path) -> None:
    metrics = finetune.prepare(world.job(Step.PREPARE, base, preferences, tmp_path), silent)
    assert metrics["pairs"] == 80
    assert metrics["held_out"] == 16
    for name in (store.PAIRS, store.ANSWERS):
        assert (tmp_path / "prepare" / name).read_bytes() == (prepared / "prepare" / name).read_bytes()
    assert {p.suffix for p in (tmp_path / "prepare").iterdir()} == {".safetensors", ".jsonl"}


def test_another_seed_holds_out_other_pairs(base: Path, preferences: Path, prepared: Path, tmp_path: Path) -> None:
    finetune.prepare(world.job(Step.PREPARE, base, preferences, tmp_path, seed=4), silent)
    one, other = store.load(prepared / "prepare"), store.load(tmp_path / "prepare")
    assert {p.row for p in one.test.pairs} != {p.row for p in other.test.pairs}
    for data in (one, other):
        assert not {p.row for p in data.test.pairs} & {p.row for p in data.train.pairs}


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_log_probabilities_are_those_of_the_whole_sequence(tmp_path: Path, preferences: Path, kind: str) -> None:
    base = world.model(tmp_path / kind, kind=kind)
    finetune.prepare(world.job(Step.PREPARE, base, preferences, tmp_path), silent)
    part = store.load(tmp_path / "prepare").train
    model = models.load(base, Settings(), "cpu")
    for pair, both in list(zip(part.pairs, part.reference, strict=True))[:5]:
        for completion, kept in zip((pair.chosen, pair.rejected), both, strict=True):
            ids = torch.tensor([[*pair.prompt, *completion]])
            with torch.no_grad():
                logps = model(ids).logits[0].double().log_softmax(-1)
            at = range(len(pair.prompt), ids.shape[1])
            assert float(kept) == pytest.approx(sum(float(logps[t - 1, ids[0, t]]) for t in at), abs=1e-4)


def test_positions_before_the_completions_are_left_out(base: Path, prepared: Path) -> None:
    part, model = store.load(prepared / "prepare").train, models.load(base, Settings(), "cpu")
    batch = collate(part.pairs[:3], 0, "cpu")
    logits, tokens, counts = completions(model, batch)
    first = min(len(pair.prompt) for pair in part.pairs[:3])
    assert logits.shape[1] == batch["input_ids"].shape[1] - first == tokens.shape[1]
    assert int(counts.sum()) == sum(len(p.chosen) + len(p.rejected) for p in part.pairs[:3])
    assert summed(model, batch).shape == (6,)


def _damage(folder: Path, name: str, content: bytes | None) -> None:
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content)


def _without_a_layer(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    tensors.pop("model.layers.1.mlp.up_proj.weight")
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def _not_finite(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    tensors["model.norm.weight"][0] = float("nan")
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def _pickled(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    torch.save({}, folder / "pytorch_model.bin")


def _own_code(folder: Path) -> None:
    """Code in the folder that must not run: it would leave a file."""
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "own", "auto_map": {"AutoConfig": "own.C", "AutoModelForCausalLM": "own.M"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "own.py").write_text(f"open({str(folder / 'ran')!r}, 'w')\nclass C: pass\nclass M: pass\n")


def _small_vocabulary(folder: Path) -> None:
    shutil.copy(world.model(folder.parent / "large").joinpath("tokenizer.json"), folder / "tokenizer.json")
    tensors = load_file(folder / "model.safetensors")
    for name in ("model.embed_tokens.weight", "lm_head.weight"):
        tensors[name] = tensors[name][:50].contiguous()
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"vocab_size": 50}))


BAD_MODELS: dict[str, tuple[Callable[[Path], None], str]] = {
    "no config": (lambda f: _damage(f, "config.json", None), "cannot be loaded"),
    "config is no JSON": (lambda f: _damage(f, "config.json", b"{"), "cannot be loaded"),
    "no weights": (lambda f: _damage(f, "model.safetensors", None), "holds no weights"),
    "damaged weights": (lambda f: _damage(f, "model.safetensors", b"nothing"), "cannot be loaded"),
    "pickled weights": (_pickled, "as pickles"),
    "a layer is missing": (_without_a_layer, "lack weights"),
    "weights not finite": (_not_finite, "not finite"),
    "own code": (_own_code, "cannot be loaded"),
    "no tokenizer": (lambda f: _damage(f, "tokenizer.json", None), "tokenizer cannot be loaded"),
    "damaged tokenizer": (lambda f: _damage(f, "tokenizer.json", b"{"), "tokenizer cannot be loaded"),
    "another tokenizer": (_small_vocabulary, "the tokenizer knows a token"),
}


@pytest.mark.parametrize("name", BAD_MODELS)
def test_model_that_cannot_be_used(base: Path, preferences: Path, tmp_path: Path, name: str) -> None:
    damage, said = BAD_MODELS[name]
    folder = Path(shutil.copytree(base, tmp_path / "model"))
    damage(folder)
    with pytest.raises(StepError, match=said) as caught:
        finetune.prepare(world.job(Step.PREPARE, folder, preferences, tmp_path), silent)
    assert caught.value.fault == "user"
    assert caught.value.remedy
    assert not list((tmp_path / "prepare").iterdir()), "something was left that looks like data"
    assert not (folder / "ran").exists()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"held_out": 96}, "are to be held out"),
        ({"train_split": "prefs"}, "no split 'prefs'"),
        ({"step_pairs": 100}, "do not fill one step"),
        ({"max_length": 500, "max_prompt": 40, "answer": 126}, "an answer needs"),
        ({"max_length": 12, "max_prompt": 6}, "max_length is 12"),
    ],
)
def test_settings_that_do_not_fit_the_data(
    base: Path, preferences: Path, tmp_path: Path, changed: dict[str, Any], said: str
) -> None:
    with pytest.raises(StepError, match=said) as caught:
        finetune.prepare(world.job(Step.PREPARE, base, preferences, tmp_path, **changed), silent)
    assert caught.value.fault == "user"
    assert not list((tmp_path / "prepare").iterdir())


def test_pairs_beyond_the_model(base: Path, tmp_path: Path) -> None:
    long = {"prompt": "q", "chosen": " tea" * 200, "rejected": " b"}
    file = world.jsonl(tmp_path / "train.jsonl", [*world.texts(40), long])
    with pytest.raises(StepError, match=r"a pair needs \d+ tokens, and the model takes in 128"):
        finetune.prepare(world.job(Step.PREPARE, base, file, tmp_path, max_length=2000), silent)


@pytest.mark.parametrize("name", ["model", "preferences"])
def test_inputs_that_are_not_there(base: Path, preferences: Path, tmp_path: Path, name: str) -> None:
    job = world.job(Step.PREPARE, base, preferences, tmp_path)
    for inputs in ({k: v for k, v in job.inputs.items() if k != name}, {**job.inputs, name: str(tmp_path / "absent")}):
        with pytest.raises(StepError, match=name) as caught:
            finetune.prepare(replace(job, inputs=inputs), silent)
        assert caught.value.fault == "user"


def test_full_disk(base: Path, preferences: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def usage(path: Path) -> Any:
        asked.append(Path(path))
        return shutil._ntuple_diskusage(1 << 40, 1 << 40, 1000)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    with pytest.raises(StepError, match="the disk has 0 MiB left") as caught:
        finetune.prepare(world.job(Step.PREPARE, base, preferences, tmp_path), silent)
    assert caught.value.fault == "user"
    assert asked == [tmp_path / "prepare"]


CHANGES: dict[str, Callable[[Path, Path], dict[str, Any]]] = {
    "weights": lambda model, _: _reseeded(model),
    "tokenizer": lambda model, _: _touched(model / "tokenizer_config.json"),
    "attention": lambda *_: {"attention": "eager"},
    "max_length": lambda *_: {"max_length": 65},
    "max_prompt": lambda *_: {"max_prompt": 39},
    "too_long": lambda *_: {"too_long": "drop"},
    "data": lambda _, data: _shifted(data),
}


def _reseeded(model: Path) -> dict[str, Any]:
    world.model(model, seed=1)
    return {}


def _touched(file: Path) -> dict[str, Any]:
    file.write_text(file.read_text() + " ")
    return {}


def _shifted(data: Path) -> dict[str, Any]:
    held = store.load(data)
    first = held.train.pairs[0]
    train = (replace(first, chosen=(*first.chosen, first.chosen[-1])), *held.train.pairs[1:])
    store.save(data, replace(held, train=replace(held.train, pairs=train)))
    return {}


@pytest.mark.parametrize("name", CHANGES)
def test_stale_reference_is_never_used(
    base: Path, preferences: Path, prepared: Path, tmp_path: Path, name: str
) -> None:
    model, data = tmp_path / "model", tmp_path / "run"
    shutil.copytree(base, model)
    shutil.copytree(prepared, data)
    changed = CHANGES[name](model, data / "prepare")
    for step, does in ((Step.TRAIN, lambda job: finetune.train(job, world.dpo(), silent)), (Step.SCORE, None)):
        job = world.job(step, model, preferences, data, **changed)
        with pytest.raises(StepError, match=f"made with another {name}"):
            does(job) if does else finetune.score(job, silent)


def test_damaged_data_are_noticed(base: Path, preferences: Path, prepared: Path, tmp_path: Path) -> None:
    shutil.copytree(prepared, tmp_path / "run")
    file = tmp_path / "run" / "prepare" / store.PAIRS
    file.write_bytes(file.read_bytes()[:-7])
    with pytest.raises(StepError, match="cannot be read"):
        finetune.train(world.job(Step.TRAIN, base, preferences, tmp_path / "run"), world.dpo(), silent)
