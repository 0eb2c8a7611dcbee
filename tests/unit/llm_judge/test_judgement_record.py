"""The record of a judgement: made of what was judged, whoever was first, and held against the same once more."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from judging_server import KEY, Server, prefers_longer, serving
from ledger_samples import claim, submit

from harness.attestation.envelope import seal
from harness.attestation.keys import Keyring
from harness.attestation.statement import JudgementPredicate, JudgementStatement, read
from harness.cli.judge import judge_command
from harness.cli.verify import verify_command
from harness.core.digests import json_digest
from harness.core.errors import HarnessError, InfrastructureError, UserError
from harness.ladder.climb import SAMPLES
from harness.ledger import Ledger
from harness.llm.quoting import fenced
from harness.llm_judge import judgement_record, pairwise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from click.testing import Result

LENGTHS = ([9, 9, 2, 5, 8, 3], [5, 5, 5, 5, 4, 4])
SINGLE = {
    "answers": {"question_id": 1, "choices": [{"turns": ["a poem"]}]},
    "questions": {"question_id": 1, "category": "math", "turns": ["Add."]},
    "prompts": {
        "name": "single-math-v1",
        "type": "single",
        "system_prompt": "Be a judge.",
        "prompt_template": "{question} {answer} {ref_answer_1}",
        "output_format": "[[rating]]",
    },
    "references": {"question_id": 1, "choices": [{"turns": ["2"]}]},
}


def slow_to_learn(body: dict[str, Any]) -> str:
    """Nonsense where the second answer is longer, until it is reminded; each call takes another while."""
    user = body["messages"][-1]["content"]
    time.sleep(len(user) % 7 / 200)
    verdict = prefers_longer(body)
    return "hm" if verdict.endswith("[[B]]") and "[Reminder" not in user else verdict


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(slow_to_learn) as running:
        yield running


def answers(path: Path, lengths: list[int], **more: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [{"prompt": f"Question {n}?", "answer": "x" * length, **more} for n, length in enumerate(lengths)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


class Desk:
    """Files of answers, and what becomes of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files = [answers(folder / who / "a.jsonl", lengths) for who, lengths in zip("ab", LENGTHS, strict=True)]
        self.recording, self.record = folder / "calls.jsonl", folder / "judge.intoto.jsonl"

    def __call__(self, *words: object) -> Result:
        done = CliRunner().invoke(judge_command, [*map(str, words), "--folder", str(self.folder / "harness")])
        if isinstance(done.exception, HarnessError):
            raise done.exception
        return done

    def live(self, server: Server, *words: object) -> dict[str, Any]:
        asked = ("--model", "judge", "--base-url", server.url, "--recording", self.recording, "--workers", 8)
        done = self(*self.files, *asked, "--json", *words)
        assert done.exit_code == 0, done.output
        return dict(json.loads(done.stdout))

    def recorded(self, server: Server, *words: object) -> JudgementPredicate:
        self.live(server, "--record", self.record, *words)
        return self.said()

    def said(self) -> JudgementPredicate:
        known = read(json.loads(payload(self.record)))
        assert isinstance(known, JudgementStatement)
        return known.predicate

    def again(self, *words: object) -> tuple[int, list[str]]:
        """The exit code of a replay, and its differences in words."""
        done = self(*self.files, "--replay", self.recording, "--against", self.record, *words)
        lines = done.stdout.splitlines()
        return done.exit_code, [line.strip() for line in lines if line.startswith("  ") and ": then " in line]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def payload(record: Path) -> bytes:
    return base64.b64decode(json.loads(record.read_bytes())["payload"])


def verify(*files: object) -> Result:
    return CliRunner().invoke(verify_command, [str(file) for file in files])


def forge(recording: Path, old: str, new: str) -> None:
    """Put other words into replies, with the seals that belong to them."""
    lines = [json.loads(line) for line in recording.read_text("utf-8").splitlines()]
    for line in lines:
        line["reply"]["text"] = line["reply"]["text"].replace(old, new)
        line["seal"] = json_digest({"request": line["request"], "reply": line["reply"]})
    recording.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")


def test_a_record_tells_what_was_judged_by_what_and_holds_with_the_files(server: Server, desk: Desk) -> None:
    said = desk.recorded(server, "--nonce", "a word", "--length-controlled")
    known = read(json.loads(payload(desk.record)))
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in desk.files]
    assert [(each.name, each.digest.sha256) for each in known.subject] == [
        ("a.jsonl", digests[0]),
        ("a.jsonl (2)", digests[1]),
    ]
    lines = [json.loads(line) for line in desk.recording.read_text("utf-8").splitlines()]
    assert (
        said.annotations("prompts")["calls"] == said.annotations("replies")["calls"] == len(lines) == len(server.heard)
    )
    assert said.annotations("recording") == {"calls": len(lines)}
    assert said.digest("recording") == hashlib.sha256(desk.recording.read_bytes()).hexdigest()
    assert said.annotations("judge") | {"model": "judge", "temperature": 0.0, "controlled": True} == said.annotations(
        "judge"
    )
    assert "workers" not in said.annotations("judge")
    packages = said.annotations("harness")["packages"]
    assert isinstance(packages, dict)
    assert list(packages) == ["numpy", "scikit-learn", "scipy"]
    assert said.told[1] == "a word"
    assert verify(desk.record, *desk.files, desk.recording, "--nonce", "a word").exit_code == 0
    forge(desk.recording, "They", "Both")
    assert verify(desk.record, *desk.files, desk.recording).exit_code == 1


def test_nothing_of_the_endpoint_or_of_this_machine_is_in_a_record(server: Server, desk: Desk) -> None:
    desk.recorded(server)
    text = payload(desk.record).decode()
    for secret in (KEY, server.url, server.url.split("/")[2], str(desk.folder), "127.0.0.1"):
        assert secret not in text


def test_whoever_was_first_two_records_of_one_judgement_say_the_same(server: Server, desk: Desk) -> None:
    live = desk.recorded(server)
    assert len(server.heard) > 2 * len(LENGTHS[0]) - 2, "somebody was reminded"
    second = Desk(desk.folder / "other").recorded(server, "--workers", 2)
    replayed = desk(*desk.files, "--model", "judge", "--replay", desk.recording, "--record", desk.record, "--json")
    assert replayed.exit_code == 0
    for said in (second, desk.said()):
        for name in ("harness", "judge", "prompts", "replies"):
            assert said.part(name) == live.part(name)
        assert said.result == live.result == json.loads(replayed.stdout)["result"]
    assert desk.said().digest("recording") == live.digest("recording")


def test_by_the_recording_alone_the_same_comes_out_again(
    server: Server, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.recorded(server, "--reply-tokens", 99, "--no-temperature", "--seed", 3, "--reply-cap", "max_completion_tokens")
    monkeypatch.delenv("OPENAI_API_KEY")
    desk.files[0] = desk.files[0].rename(desk.folder / "another name")
    assert desk.again() == (0, [])
    done = desk(*desk.files, "--replay", desk.recording, "--against", desk.record, "--json")
    assert json.loads(done.stdout)["differences"] == []


def _older(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(judgement_record, "code_digest", lambda *_: "e" * 64)
    patch.setattr(judgement_record, "__version__", "0.0.1")


#: What is changed after the record was made, and which layers differ then, from below.
CHANGES: dict[str, tuple[Callable[[Desk, pytest.MonkeyPatch], object], list[str]]] = {
    "ours": (lambda desk, _: answers(desk.files[0], [7] * 6), ["file 1", "the recording"]),
    "theirs": (lambda desk, _: answers(desk.files[1], [7] * 6), ["file 2", "the recording"]),
    "what is not judged": (lambda desk, _: answers(desk.files[1], LENGTHS[1], id=None), ["file 2"]),
    "the order": (lambda desk, _: desk.files.reverse(), ["file 1", "file 2", "the recording"]),
    "code": (lambda _, patch: _older(patch), ["the code"]),
    "arithmetic": (lambda _, patch: patch.setattr(pairwise, "_interval", lambda _: (0.0, 0.5)), ["the result"]),
    "words": (lambda desk, _: forge(desk.recording, "They", "Both"), ["the replies of question 1"]),
    "verdicts": (
        lambda desk, _: forge(desk.recording, "[[A]]", "[[C]]"),
        ["the replies of question 1", "the result"],
    ),
    "nonsense": (lambda desk, _: forge(desk.recording, "[[A]]", "who knows"), ["the recording"]),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_differs_is_named_from_below(
    server: Server, desk: Desk, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    desk.recorded(server)
    make, layers = CHANGES[change]
    make(desk, monkeypatch)
    code, found = desk.again()
    assert (code, list(dict.fromkeys(line.partition(":")[0] for line in found))) == (1, layers)
    assert ("the result: win_rate" in "".join(found)) == (change == "verdicts")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--reply-tokens", 99], "the judge: most_tokens: then 2048, now 99"),
        (["--temperature", 0.5], "the judge: temperature: then 0.0, now 0.5"),
        (["--no-temperature"], "the judge: temperature: then 0.0, now None"),
        (["--model", "another"], "the judge: model: then judge, now another"),
        (["--weighted"], "the judge: weighted: then False, now True"),
    ],
)
def test_other_settings_are_named(server: Server, desk: Desk, words: list[object], told: str) -> None:
    desk.recorded(server)
    code, found = desk.again(*words)
    assert (code, found[0]) == (1, told)
    assert found[1].startswith("the recording: then it came to a result, now the recording has no reply")


#: Values that some language takes for the same, what is shown of them, and where.
ALIKE = [
    ({"extra": {}}, {}, ("r: extra", "{}", "nothing")),
    ({}, {"extra": []}, ("r: extra", "nothing", "[]")),
    ({"x": "nothing"}, {}, ("r: x", '"nothing"', "nothing")),
    ({"x": True}, {"x": 1}, ("r: x", "True", "1")),
    ({"x": 0.0}, {"x": False}, ("r: x", "0.0", "False")),
    ({"x": 0.0}, {"x": -0.0}, ("r: x", "0.0", "-0.0")),
    ({"x": "1"}, {"x": 1}, ("r: x", '"1"', "1")),
    ({"x": ["a"]}, {"x": {"1": "a"}}, ("r", '{"x": ["a"]}', '{"x": {"1": "a"}}')),
]


@pytest.mark.parametrize(("then", "now", "told"), ALIKE)
def test_values_that_look_alike_are_told_apart(then: Any, now: Any, told: tuple[str, str, str]) -> None:
    (one,) = judgement_record._values("r", then, now)
    assert (one.what, one.then, one.now) == told
    assert list(judgement_record._values("r", then, then)) == []


def relabelled(record: Path, name: str, **told: Any) -> None:
    """The record, saying something else of one part, by its signer's own hand."""
    said = json.loads(payload(record))
    part = next(part for part in said["predicate"]["configuration"] if part["name"] == name)
    part["annotations"] |= told
    record.write_bytes(seal(said, Keyring().signing()))


@pytest.mark.parametrize(("part", "told"), [("prompts", {"calls": 5000}), ("replies", {"questions": ["ab"] * 6})])
def test_what_is_told_beside_equal_digests_is_compared_too(
    server: Server, desk: Desk, part: str, told: dict[str, Any]
) -> None:
    desk.recorded(server)
    relabelled(desk.record, part, **told)
    code, found = desk.again()
    assert (code, found[0].startswith(f"the {part}: ")) == (1, True), found


ODD: dict[str, list[Any]] = {
    "most_tokens": ["x", 0, True, 2**63],
    "cap": [{}, "tokens", 5],
    "temperature": ["x", [], 3, True],
    "model": [5, "", ["a"]],
    "seed": ["x", -1, 1.5],
    "weighted": [1, "yes"],
    "controlled": [1, "yes"],
}


@pytest.mark.parametrize("name", ODD)
def test_settings_that_no_judge_has_are_told(server: Server, desk: Desk, name: str) -> None:
    desk.recorded(server)
    for odd in ODD[name]:
        relabelled(desk.record, "judge", **{name: odd})
        done = desk(*desk.files, "--replay", desk.recording, "--against", desk.record)
        assert done.exit_code == 1, done.output
        assert f"settings that no judge has: {name}" in " ".join(done.output.split())


def test_another_prompt_is_named_by_its_question(server: Server, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.recorded(server)
    last = LENGTHS[0].index(3)
    monkeypatch.setattr(
        pairwise, "fenced", lambda label, text, word: fenced(label, text.replace(f"{last}?", f"{last}!"), word)
    )
    desk.live(server)  # the recording has both
    code, found = desk.again()
    assert code == 1
    assert [line.partition(":")[0] for line in found] == ["the prompts of question 9"]


def test_single_scores_are_recorded_with_all_their_files(desk: Desk) -> None:
    files = {name: desk.folder / name for name in SINGLE}
    for name, path in files.items():
        path.write_text(json.dumps(SINGLE[name]) + "\n", "utf-8")
    desk.files = [files["answers"]]
    words = [word for name in ("questions", "prompts", "references") for word in (f"--{name}", files[name])]
    with serving(lambda _: "Rating: [[7]]") as server:
        said = desk.recorded(server, *words)
    assert (said.kind, said.result["score"]) == ("single", 7.0)
    (call,) = [json.loads(line) for line in desk.recording.read_text("utf-8").splitlines()]
    for part, what in (("prompts", "digest"), ("replies", "reply")):
        listed = json.dumps([call[what]], sort_keys=True)
        assert said.digest(part) == hashlib.sha256(listed.encode()).hexdigest()
    assert verify(desk.record, *files.values(), desk.recording).exit_code == 0
    assert desk.again(*words) == (0, [])
    with files["questions"].open("a", encoding="utf-8") as file:
        file.write("\n")
    code, found = desk.again(*words)
    assert (code, len(found)) == (1, 1)
    assert found[0].startswith("file 2: then questions ")


def test_answers_of_runs_are_named_by_the_digests_that_their_rungs_have(server: Server, desk: Desk) -> None:
    kept = []
    with Ledger(desk.folder / "harness") as ledger:
        submit(ledger, range(2))
        for lengths in LENGTHS:
            kept.append(answers(desk.folder / "made", lengths).read_bytes())
            ledger.attach(claim(ledger), "finetune", SAMPLES.format(2), kept[-1])
    desk.files = [1, 2]  # type: ignore[list-item]
    desk.recorded(server, "--seed", 2)
    subjects = {each.name: each.digest.sha256 for each in read(json.loads(payload(desk.record))).subject}
    assert subjects == {
        f"samples-2.jsonl of run {run}": hashlib.sha256(data).hexdigest() for run, data in enumerate(kept, 1)
    }
    assert desk.again() == (0, [])


@pytest.mark.parametrize("fault", ["changed", "of a stranger", "none", "two", "of another kind"])
def test_a_record_that_does_not_hold_is_compared_with_nothing(
    server: Server, desk: Desk, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.recorded(server)
    line = desk.record.read_bytes()
    pem = desk.folder / "theirs.pem"
    if fault == "of a stranger":
        own = Keyring().own()
        assert own is not None
        pem.write_text(own.pem, "utf-8")
        monkeypatch.setenv("HARNESS_KEYS", str(desk.folder / "keys"))
    made = {
        "changed": line.replace(b'"sig":"', b'"sig":"A', 1),
        "of a stranger": line,
        "none": b"",
        "two": line + line,
        "of another kind": b"{}\n",
    }
    desk.record.write_bytes(made[fault])
    answers(desk.files[0], [7] * 6)
    done = desk(*desk.files, "--replay", desk.recording, "--against", desk.record)
    assert (done.exit_code, "then" in done.stdout) == (1, False), done.output
    if fault == "of a stranger":
        answers(desk.files[0], LENGTHS[0])
        assert desk.again("--key", pem) == (0, [])


@pytest.mark.parametrize("says", [lambda _: "who knows", lambda _: {"error": {"message": "no"}, "choices": []}])
def test_nothing_is_written_where_nothing_was_judged(desk: Desk, says: Callable[[object], Any]) -> None:
    with serving(says) as server, pytest.raises(InfrastructureError):
        desk.recorded(server, "--retries", 0)
    assert not desk.record.exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--record", "calls.jsonl", "--recording", "calls.jsonl"], "by this very command"),
        (["--record", "A"], "by this very command"),
        (["--record", "harness/judge.jsonl"], "by this very command"),
        (["--record", "-"], "go into a file"),
        (["--record", "paid.jsonl"], "holds no records"),
        (["--record", "nowhere/x"], "no folder"),
        (["--record", "x", "--nonce", "two\nlines"], "one short line"),
        (["--nonce", "x"], "--nonce goes with --record"),
        (["--key", "x"], "--key goes with --against"),
        (["--against", "x"], "compares a replay"),
        (["--against", "x", "--replay", "y", "--record", "z"], "compares a replay"),
    ],
)
def test_what_makes_no_sense_is_told_before_anybody_is_paid(
    server: Server, desk: Desk, words: list[str], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(desk.folder)
    (desk.folder / "harness").mkdir()
    (desk.folder / "paid.jsonl").write_text('{"digest": "of a call that was paid"}\n')
    given = [desk.files[0] if word == "A" else word for word in words]
    where = () if "--replay" in words else ("--base-url", server.url)
    with pytest.raises(UserError, match=told):
        desk(*desk.files, "--model", "judge", *where, *given)
    assert server.heard == []


def test_without_a_record_a_model_has_to_be_named(desk: Desk) -> None:
    done = desk(*desk.files)
    assert (done.exit_code, "--model" in done.output) == (2, True)
