"""A run that is packed on one machine is verified and done again by a stranger who has the archive and the package."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from support import ROOT, harness_command

from harness.attestation.envelope import opened as envelope
from harness.attestation.envelope import seal
from harness.attestation.keys import Keyring
from harness.crate.check_again import without_place
from harness.crate.packing import packed, unpacked
from harness.crate.parts import KEYS, RECORDS, SIGNED
from harness.report.json_report import compared_digests

if TYPE_CHECKING:
    from pathlib import Path

    from harness.containers.engine import Engine
    from harness.images import ImageRef

pytestmark = [pytest.mark.container, pytest.mark.rest]


def command(keys: Path, *words: object) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "CI": "true", "HARNESS_KEYS": str(keys)}
    environment.pop("HARNESS_DATABASE_URL", None)
    return subprocess.run(
        harness_command(*words), capture_output=True, text=True, env=environment, cwd=ROOT, check=False, timeout=600
    )


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive of a run that came to the top of the bandit ladder."""
    place = tmp_path_factory.mktemp("run")
    keys, folder, out = place / "keys", place / "ledger", place / "run.crate.zip"
    done = command(keys, "run", "examples/slic.py", "--folder", folder)
    assert done.returncode == 0, done.stderr
    done = command(keys, "export", 1, "--folder", folder, "--output", out, "--no-plots")
    assert done.returncode == 0, done.stderr
    assert command(keys, "verify", out, "--accepted").returncode == 0
    assert command(keys, "ledger", "verify", "--folder", folder).returncode == 0
    return out


def test_a_stranger_repeats_a_promotion_to_the_bit(archive: Path, tmp_path: Path) -> None:
    done = command(tmp_path / "keys", "reproduce", archive)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the same again, to the bit: screen, properties, bandit" in done.stdout
    assert "for which nobody here vouches" in done.stderr


def test_a_run_is_repeated_as_far_as_was_asked(archive: Path, tmp_path: Path) -> None:
    done = command(tmp_path / "keys", "reproduce", archive, "--rung", 2)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "to the bit: screen, properties\n" in done.stdout
    done = command(tmp_path / "keys", "reproduce", archive, "--rung", "cellar")
    assert done.returncode == 2
    assert "it has: screen, properties, bandit" in done.stderr


def forged(data: bytes, keys: Path, change: Any) -> bytes:
    """The archive as somebody else would sign it who claims other figures: whole, and by a key of their own."""
    signing, _ = Keyring(keys).or_new()
    files = unpacked(data)
    names: dict[str, str] = {}  # of each record by its digest, what it is called now
    lines = []
    for line in files[RECORDS].splitlines(keepends=True):
        said = envelope(line).statement
        change(said)
        text = json.dumps(said)
        for old, new in names.items():
            text = text.replace(old, new)
        made = seal(json.loads(text), signing)
        names[hashlib.sha256(line).hexdigest()] = hashlib.sha256(made).hexdigest()
        lines.append(made)
    files[RECORDS] = b"".join(lines)
    files = {name: data for name, data in files.items() if not name.startswith(f"{KEYS}/")}
    files[f"{KEYS}/theirs.pem"] = signing.trusted.pem.encode()
    about = envelope(files.pop(SIGNED)).statement
    listed = sorted((name, hashlib.sha256(data).hexdigest()) for name, data in files.items())
    about["subject"] = [{"name": name, "digest": {"sha256": digest}} for name, digest in listed]
    return packed({**files, SIGNED: seal(about, signing)})


def test_figures_that_nobody_measured_are_named_with_their_seed(archive: Path, tmp_path: Path) -> None:
    def better(said: Any) -> None:
        if "seeds" in said["predicate"]:
            said["predicate"]["seeds"]["0"]["score"] = 0.9
            said["predicate"]["configuration"][-1]["annotations"]["machine"]["processor"] = "a better one"

    claimed = tmp_path / "claimed.zip"
    claimed.write_bytes(forged(archive.read_bytes(), tmp_path / "theirs", better))
    assert command(tmp_path / "keys", "verify", claimed).returncode == 1
    assert command(tmp_path / "keys", "verify", claimed, "--keys-inside").returncode == 0  # it is whole, and a lie
    done = command(tmp_path / "keys", "reproduce", claimed)
    assert done.returncode == 1, done.stdout + done.stderr
    assert [line for line in done.stdout.splitlines() if line.startswith("  ") and line[2] != " "] == [
        "  hardware: processor",
        "  outcome: bandit, seed 0, score",
    ]
    assert "then 0.9\n" in done.stdout


def test_another_candidate_under_the_records_is_no_archive(archive: Path, tmp_path: Path) -> None:
    files = unpacked(archive.read_bytes())
    files["candidate/slic.py"] = (ROOT / "examples/dpo.py").read_bytes()
    other = tmp_path / "other.zip"
    other.write_bytes(packed(files))
    done = command(tmp_path / "keys", "reproduce", other)
    assert done.returncode == 1
    assert "candidate/slic.py was changed" in done.stdout


def test_a_verdict_is_repeated_from_its_record_and_its_candidate(tmp_path: Path) -> None:
    keys, record, report = tmp_path / "keys", tmp_path / "check.intoto.jsonl", tmp_path / "check.json"
    losses = ["examples/dpo.py", "examples/broken/overflow.py"]
    done = command(keys, "check", *losses, "--seed", 3, "--record", record, "--report", f"json={report}")
    assert done.returncode == 1, done.stderr
    done = command(keys, "reproduce", record, *losses, "--report", report)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("the same again, to the bit") == 2
    assert command(keys, "reproduce", record, "examples/slic.py").returncode == 2
    assert command(tmp_path / "nobody", "reproduce", record, *losses).returncode == 1
    # What the report said then is changed with its record, by the key's own owner: the verdict is another now.
    told = json.loads(report.read_text())
    told["results"][0]["facts"]["value_at_zero"] = 0.7
    report.write_text(json.dumps(told))
    line = record.read_bytes().splitlines(keepends=True)[0]
    done = command(keys, "reproduce", record, losses[0], "--report", report)
    assert (done.returncode, "is not what was recorded" in done.stdout) == (1, True), done.stdout
    said, digest = envelope(line).statement, compared_digests(report.read_bytes())[0]
    next(one for one in said["predicate"]["configuration"] if one["name"] == "report")["digest"]["sha256"] = digest
    record.write_bytes(seal(said, Keyring(keys).signing()))
    done = command(keys, "reproduce", record, losses[0], "--report", report)
    assert done.returncode == 1
    assert "outcome: facts.value_at_zero" in done.stdout


def test_an_image_of_ones_own_is_known_by_its_id_and_used_again(
    engine: Engine, sandbox_image: ImageRef, tmp_path: Path
) -> None:
    """Two checks in it give the same report, and a tag that was given to another image meanwhile is told as that."""
    tag, keys = f"harness-own-{os.getpid()}:1", tmp_path / "keys"
    engine.client.tag(sandbox_image.digest, *tag.split(":"))
    try:
        made = [tmp_path / "one.json", tmp_path / "two.json"]
        for report in made:
            words = ("--image", tag, "--record", tmp_path / "record.jsonl", "--report", f"json={report}")
            assert command(keys, "check", "examples/dpo.py", *words).returncode == 0
        one, two = (without_place(json.loads(report.read_text())["results"][0]) for report in made)
        assert one == two
        assert (one["environment"]["image"], one["environment"]["image_digest"]) == (tag, sandbox_image.digest)
        again = ("reproduce", tmp_path / "record.jsonl", "examples/dpo.py", "--report", made[1])
        done = command(keys, *again)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "the same again, to the bit" in done.stdout
        made_from = engine.client.create_container(sandbox_image.digest, ["true"])
        try:
            engine.client.commit(made_from["Id"], *tag.split(":"), changes="LABEL another=1")
        finally:
            engine.remove(made_from["Id"])
        done = command(keys, *again)
        assert done.returncode == 1, done.stdout + done.stderr
        first = next(line for line in done.stdout.splitlines() if line.startswith("  "))
        assert first == "  image: image"
    finally:
        engine.client.remove_image(tag, force=True)


def test_a_discovery_is_repeated_from_its_archive_alone(tmp_path: Path) -> None:
    """By replies that were recorded: one that cannot be read, one that the properties refuse, a good one."""
    keys, recorded, folder, out = (tmp_path / name for name in ("keys", "said.jsonl", "own", "found.crate.zip"))
    takes = "policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta"
    rho = "(policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)"
    codes = [f"def {name}({takes}):\n    return {body}\n" for name, body in (
        ("turned", f"beta * ({rho})"), ("gentle", f"-F.logsigmoid(0.9 * beta * ({rho}))"))]  # fmt: skip
    replies = ["I would rather not say.", *(json.dumps({"thought": "", "name": "n", "code": code}) for code in codes)]
    head = {"kind": "head", "schema": "harness.discovery/v1", "proposer": "a person"}
    entries = [head, *({"kind": "reply", "text": text} for text in replies)]
    recorded.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    words = ("--burn-in", "dpo", "--generations", "1", "--confirm", "2", "--folder", folder)
    done = command(keys, "discover", "--proposer", f"replay:{recorded}", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert command(keys, "export", "run-1", "--folder", folder, "--output", out).returncode == 0
    done = command(keys, "verify", out)
    assert done.returncode == 0, done.stdout
    done = command(tmp_path / "nobody", "reproduce", out)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the same again, to the bit: 3 attempts, 2 losses" in done.stdout
    spoilt = tmp_path / "spoilt.zip"
    spoilt.write_bytes(out.read_bytes().replace(b"gentle", b"gently"))
    assert command(keys, "verify", spoilt).returncode == 1
