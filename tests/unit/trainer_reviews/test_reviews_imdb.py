"""The same rung on files of the user's, in the hub's own formats; what is unfit is told before anything is trained."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import datasets
import numpy as np
import pytest
import torch
from imdb_files import SETTINGS, classifier, jsonl, language_model, rows
from reviewing import Loss, dpo
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from harness.ladder.ladder import load
from harness.protocol.job import Job, Step, StepError, silent
from harness.trainer.reviews import steps as reviews
from harness.trainer.reviews.imdb import Files
from harness.trainer.reviews.prepared import open_prepared
from harness.trainer.reviews.settings import Settings
from harness.training.rung import split

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("imdb")
    made = {"model": language_model(folder / "model"), "classifier": classifier(folder / "classifier")}
    made["pairs"] = jsonl(folder / "pairs.jsonl", rows())
    return {name: str(path) for name, path in made.items()}


def job(step: Step, inputs: dict[str, str], folder: Path, **settings: Any) -> Job:
    places = {Step.PREPARE: ("data", ""), Step.TRAIN: ("out", ""), Step.SCORE: ("", "out")}
    out, left = (str(folder / name) if name else "" for name in places[step])
    return Job("reviews", step, 0, {**SETTINGS, **settings}, out, str(folder / "data"), left, inputs=inputs)


def prepare(inputs: dict[str, str], folder: Path, **settings: Any) -> dict[str, float]:
    return dict(reviews.prepare(job(Step.PREPARE, inputs, folder, **settings), silent))


def told(inputs: dict[str, str], folder: Path, **settings: Any) -> StepError:
    """The error that preparing ends with; nothing that could be taken for data is left."""
    with pytest.raises(StepError) as error:
        prepare(inputs, folder, **settings)
    assert error.value.fault == "user", error.value
    assert error.value.remedy
    assert not (folder / "data" / "about.json").exists()
    return error.value


def test_from_files_to_metrics(inputs: dict[str, str], tmp_path: Path) -> None:
    found = prepare(inputs, tmp_path)
    assert found["pairs"] == 48
    assert found["held_out"] == 12
    assert 0.0 < found["reference_reward"] < 1.0
    scores = {}
    for name, loss in (("dpo", dpo()), ("constant", Loss(lambda x: 0 * x))):
        (tmp_path / "out").mkdir(exist_ok=True)
        trained = reviews.train(job(Step.TRAIN, inputs, tmp_path), loss, silent)
        assert trained["finite"] == 1.0
        assert loss.calls[0]["rho"].abs().max() < 1e-3
        assert loss.calls[-1]["rho"].abs().max() < 1e-3 if name == "constant" else loss.calls[-1]["rho"].mean() > 1.0
        assert [p.name for p in (tmp_path / "out").iterdir()] == ["policy-0.safetensors"]
        scores[name] = reviews.score(job(Step.SCORE, inputs, tmp_path), silent)
    assert scores["dpo"]["accuracy"] > 0.9
    assert scores["dpo"]["kl"] > 0.01
    assert scores["dpo"]["kl_forward"] > 0.001
    declared = Settings.of(SETTINGS).declared()
    assert set(trained) | set(scores["dpo"]) == {*declared.metrics, "seconds_per_step"}
    assert set(declared.inputs) == set(inputs)
    assert scores["constant"]["kl"] == 0.0
    assert scores["constant"]["reward_gain"] == 0.0
    assert "grammar" not in scores["dpo"]


@pytest.mark.rest
def test_the_papers_settings_train_at_six_betas_and_are_scored_by_its_divergence(
    inputs: dict[str, str], tmp_path: Path
) -> None:
    """`imdb-2026.2` as it stands, but for what tiny files have no room for."""
    plan = load("imdb").rungs[-1]
    assert plan.gate is not None
    limits, own = split(plan)
    assert limits.seconds == 6 * 3600
    assert (own["batch"], own["answer"], own["limit"], own["epochs"], own["rate"]) == (128, 60, 1024, 3, 5e-5)
    assert own["betas"] == (0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
    assert "kl_forward" in {rail.metric for rail in plan.gate.rails}
    small: dict[str, Any] = {**own, **SETTINGS, "micro": 4, "epochs": 1}
    assert Settings.of(small).betas == own["betas"]
    prepare(inputs, tmp_path, **small)
    (tmp_path / "out").mkdir()
    trained = reviews.train(job(Step.TRAIN, inputs, tmp_path, **small), dpo(), silent)
    scored = reviews.score(job(Step.SCORE, inputs, tmp_path, **small), silent)
    assert trained["finite"] == 1.0
    assert {plan.gate.metric, *(rail.metric for rail in plan.gate.rails)} <= {*trained, *scored}
    each = [scored[f"kl_forward_at_{beta:g}"] for beta in Settings.of(small).betas]
    assert scored["kl_forward"] == max(each) > min(each) > 0.0


def as_parquet(folder: Path) -> Path:
    (folder / "data").mkdir(parents=True)
    for part, some in (("train", rows(48)), ("test", rows(12, 48))):
        datasets.Dataset.from_list(some).to_parquet(folder / "data" / f"{part}-00000-of-00001.parquet")
    return folder


def as_saved(folder: Path) -> Path:
    splits = {"train": datasets.Dataset.from_list(rows(48)), "test": datasets.Dataset.from_list(rows(12, 48))}
    datasets.DatasetDict(splits).save_to_disk(folder)
    return folder


def as_texts(folder: Path) -> Path:
    plain = [
        {"prompt": r["prompt"], "chosen": r["responses"][r["chosen"]], "rejected": r["responses"][1 - r["chosen"]]}
        for r in rows()
    ]
    jsonl(folder / "train.jsonl", plain[:48])
    jsonl(folder / "validation.jsonl", plain[48:])
    return folder


@pytest.mark.parametrize("write", [as_parquet, as_saved, as_texts])
def test_every_format_of_the_hub_gives_the_same_pairs(
    inputs: dict[str, str], tmp_path: Path, write: Callable[[Path], Path]
) -> None:
    given = {**inputs, "pairs": str(write(tmp_path / "set"))}
    assert prepare(given, tmp_path)["pairs"] == 48
    found = open_prepared(job(Step.TRAIN, given, tmp_path), Settings.of(SETTINGS))
    tokenizer = AutoTokenizer.from_pretrained(inputs["model"])

    def texts(part: Any) -> set[tuple[str, ...]]:
        return {
            tuple(tokenizer.decode(t) for t in one)
            for one in zip(part.prompts, part.chosen, part.rejected, strict=True)
        }

    def wanted(some: list[dict[str, Any]]) -> set[tuple[str, ...]]:
        return {(r["prompt"], r["responses"][r["chosen"]], r["responses"][1 - r["chosen"]]) for r in some}

    assert texts(found.material.train) == wanted(rows(48))
    assert texts(found.material.held) == wanted(rows(12, 48))


def test_the_reward_is_the_classifiers_probability_of_the_named_label(inputs: dict[str, str]) -> None:
    world = Files(Settings.of(SETTINGS), inputs, "cpu")
    tokenizer = AutoTokenizer.from_pretrained(inputs["model"])
    prompts, answers = (
        tuple(tuple(tokenizer(t).input_ids) for t in some) for some in (["i really", "it"], [" liked", " was bad and"])
    )
    model = AutoModelForSequenceClassification.from_pretrained(inputs["classifier"]).eval()
    reader = AutoTokenizer.from_pretrained(inputs["classifier"])
    with torch.no_grad():
        wanted = [
            float(model(**reader(text, return_tensors="pt")).logits.softmax(dim=1)[0, 1])
            for text in ("i really liked", "it was bad and")
        ]
    assert world.rewards(prompts, answers) == pytest.approx(np.array(wanted), abs=1e-5)
    other = Files(Settings.of({**SETTINGS, "positive": "negative"}), inputs, "cpu")
    assert other.rewards(prompts, answers) == pytest.approx(1 - np.array(wanted), abs=1e-5)


def test_a_model_that_changed_after_the_data_were_made_is_refused(inputs: dict[str, str], tmp_path: Path) -> None:
    shutil.copytree(inputs["model"], tmp_path / "model")
    given = {**inputs, "model": str(tmp_path / "model")}
    prepare(given, tmp_path)
    file = tmp_path / "model" / "model.safetensors"
    save_file({name: t * 1.01 for name, t in load_file(file).items()}, file, metadata={"format": "pt"})
    (tmp_path / "out").mkdir()
    with pytest.raises(StepError, match="another model"):
        reviews.train(job(Step.TRAIN, given, tmp_path), dpo(), silent)


GOOD = {"prompt": "i", "responses": [" a", " b"], "chosen": 1}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({**GOOD, "prompt": None}, "row 5 of the preference set has no prompt"),
        ({"chosen": "a", "rejected": "b"}, "row 5 of the preference set has no prompt"),
        ({"prompt": "i", "chosen": "a"}, "no rejected"),
        ({"prompt": "i", "chosen": [{"role": "user", "content": "a"}], "rejected": "b"}, "a list as chosen"),
        ({**GOOD, "responses": ["a"]}, "no two responses"),
        ({**GOOD, "responses": "ab"}, "no two responses"),
        ({**GOOD, "responses": ["a", None]}, "no chosen"),
        ({**GOOD, "responses": ["a", "  "]}, "an empty chosen"),
        ({**GOOD, "responses": ["", "b"]}, "an empty rejected"),
        ({**GOOD, "prompt": ""}, "an empty prompt"),
        ({**GOOD, "chosen": 2}, "names 2 as the better"),
        ({**GOOD, "chosen": "1"}, "names '1' as the better"),
        ({**GOOD, "chosen": None}, "names None as the better"),
        ("text", "row 5"),
    ],
)
def test_a_malformed_row_is_told_by_its_number(inputs: dict[str, str], tmp_path: Path, row: Any, said: str) -> None:
    found: list[Any] = rows()
    found[4] = row
    path = jsonl(tmp_path / "pairs.jsonl", found)
    assert said in str(told({**inputs, "pairs": str(path)}, tmp_path))


def test_missing_and_damaged_files_are_told(inputs: dict[str, str], tmp_path: Path) -> None:
    assert "pairs, classifier" in str(told({"model": inputs["model"]}, tmp_path))
    assert "pairs is not there" in str(told({**inputs, "pairs": str(tmp_path / "none.jsonl")}, tmp_path))
    for name, data in (
        ("a.jsonl", b'{"prompt": '),
        ("b.parquet", b"PAR1 no"),
        ("c.arrow", b"no"),
        ("d.jsonl", b"\xff\xfe"),
    ):
        (tmp_path / name).write_bytes(data)
        assert name in str(told({**inputs, "pairs": str(tmp_path / name)}, tmp_path))
    (tmp_path / "e.jsonl").write_bytes(b"")
    assert "empty" in str(told({**inputs, "pairs": str(tmp_path / "e.jsonl")}, tmp_path))


def test_pairs_beyond_the_limit_are_refused_or_left_out_as_the_setting_says(
    inputs: dict[str, str], tmp_path: Path
) -> None:
    found = rows()
    found[3] = {"prompt": "i", "responses": [" good" * 40, " bad"], "chosen": 0}
    given = {**inputs, "pairs": str(jsonl(tmp_path / "pairs.jsonl", found))}
    error = told(given, tmp_path)
    assert "longer than 32 tokens" in str(error)
    assert "too_long" in error.remedy
    made = prepare(given, tmp_path, too_long="drop")
    assert made["pairs"] + made["held_out"] == 59
    assert "60 of 60" not in str(told(given, tmp_path / "b", too_long="drop", limit=2))


def test_too_few_pairs_for_the_evaluation_are_told(inputs: dict[str, str], tmp_path: Path) -> None:
    assert "60 pairs where 60" in str(told(inputs, tmp_path, questions=60))
    given = {**inputs, "pairs": str(as_parquet(tmp_path / "set"))}
    assert "12 pairs where 13" in str(told(given, tmp_path, questions=13))


def with_config(folder: Path, **changes: Any) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def without_weights(folder: Path) -> None:
    held = load_file(folder / "model.safetensors")
    held.pop(next(n for n in held if "ln_f" in n or n.startswith("classifier")))
    save_file(held, folder / "model.safetensors", metadata={"format": "pt"})


def cut(folder: Path) -> None:
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[: len(data) // 2])


def without_tokenizer(folder: Path) -> None:
    for file in folder.glob("*token*"):
        file.unlink()


#: Ways to spoil a folder of a model.
SPOILED: dict[str, Callable[[Path], object]] = {
    "no weights": lambda folder: (folder / "model.safetensors").unlink(),
    "pickled": lambda folder: (folder / "model.safetensors").rename(folder / "pytorch_model.bin"),
    "cut": cut,
    "lacking": without_weights,
    "no config": lambda folder: (folder / "config.json").unlink(),
    "unknown kind": lambda folder: with_config(folder, model_type="unheard"),
    "other shape": lambda folder: with_config(folder, n_embd=64, dim=64),
    "no tokenizer": without_tokenizer,
    "damaged tokenizer": lambda folder: (folder / "tokenizer.json").write_text("{"),
}


@pytest.mark.parametrize("part", ["model", "classifier"])
@pytest.mark.parametrize("how", SPOILED)
@pytest.mark.filterwarnings("ignore")  # the libraries warn before they refuse
def test_a_model_that_cannot_be_loaded_whole_is_told(
    inputs: dict[str, str], tmp_path: Path, part: str, how: str
) -> None:
    shutil.copytree(inputs[part], tmp_path / part)
    SPOILED[how](tmp_path / part)
    assert part in str(told({**inputs, part: str(tmp_path / part)}, tmp_path))


def test_a_tokenizer_of_another_model_and_one_without_an_end_are_told(inputs: dict[str, str], tmp_path: Path) -> None:
    language_model(tmp_path / "small", vocab_size=260)
    assert "the tokenizer knows a token" in str(told({**inputs, "model": str(tmp_path / "small")}, tmp_path))
    shutil.copytree(inputs["model"], tmp_path / "endless")
    file = tmp_path / "endless" / "tokenizer_config.json"
    file.write_text(
        json.dumps({k: v for k, v in json.loads(file.read_text()).items() if k not in {"eos_token", "bos_token"}})
    )
    (tmp_path / "endless" / "special_tokens_map.json").unlink(missing_ok=True)
    assert "no token that ends a text" in str(told({**inputs, "model": str(tmp_path / "endless")}, tmp_path))


def test_a_text_that_the_model_has_no_room_for_is_told(inputs: dict[str, str], tmp_path: Path) -> None:
    assert "the model takes in 64" in str(told(inputs, tmp_path, limit=65))
    assert "the model takes in 64" in str(told(inputs, tmp_path, answer=64))


def test_a_label_that_the_classifier_does_not_have_is_told_with_those_it_has(
    inputs: dict[str, str], tmp_path: Path
) -> None:
    assert "NEGATIVE, POSITIVE" in str(told(inputs, tmp_path, positive="joyful"))
