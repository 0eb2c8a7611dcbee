"""`harness verify` and `harness keys` as commands: exit codes, what is said, and whoever wants a pass without a key."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from hostile_texts import HOSTILE
from record_samples import (
    RAISES,
    Made,
    digest_of,
    every_kind,
    part,
    problems,
    report,
    resealed,
    result,
    ring_in,
    statement_in,
    verified,
)
from securesystemslib.dsse import Envelope
from securesystemslib.signer import SSlibKey

from harness.attestation.envelope import canonical
from harness.attestation.keys import Keyring
from harness.attestation.statement import OF_VERDICT, TEST_RESULT
from harness.cli.check import check_command
from harness.cli.keys import keys_command
from harness.cli.record_file import write_records
from harness.cli.verify import verify_command
from harness.core import files
from harness.core.errors import UserError
from harness.core.verdict import Accepted, Rejected, Screened
from harness.report.json_report import compared_digest, compared_digests, read_json, write_json

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

    from harness.core.result import CheckReport


@pytest.fixture
def ring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Keyring:
    """The ring that commands use."""
    folder = tmp_path / "keys"
    monkeypatch.setenv("HARNESS_KEYS", str(folder))
    return ring_in(folder)


@pytest.fixture
def made(ring: Keyring) -> Made:
    return Made(ring.signing())


@pytest.fixture
def put(tmp_path: Path) -> Any:
    def write(name: str, data: bytes) -> str:
        (tmp_path / name).write_bytes(data)
        return str(tmp_path / name)

    return write


def verify(*words: object) -> Result:
    return CliRunner().invoke(verify_command, [*map(str, words)], env={"COLUMNS": "300"})


def keys(*words: object) -> Result:
    return CliRunner().invoke(keys_command, [*map(str, words)])


def refused(done: Result) -> UserError:
    """The fault of the user's for which the command ends with 2."""
    assert isinstance(done.exception, UserError), (done.exception, done.output)
    return done.exception


def about(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_a_candidate_is_accepted_by_nothing_but_a_verdict_or_a_promotion(made: Made, put: Any) -> None:
    """Whatever else names it, and holds: what a rung came to, a leaderboard, an archive, what a search found."""
    text = b"loss\n"
    loss, digest = put("loss.py", text), about(text)
    for name, line in every_kind(made).items():
        said = statement_in(line)
        said["subject"] = [{"name": "loss.py", "digest": {"sha256": digest}}]
        record = put("one.jsonl", resealed(said, made.signing))
        assert verify(record, loss).exit_code == (name in {"promotion", "gate decision"}), (
            "what those rest on is not here"
        )
        done = verify(record, loss, "--accepted")
        assert done.exit_code == (name != "verdict"), (name, done.output)
        if name != "verdict":
            assert "none of the records that hold accepts anything" in done.output, name
    # Only what a rung says that judges: a screen judges nothing, whatever its gate makes of that.
    screened = put("screened.jsonl", b"".join(made.chain(digest, rungs=1)))
    assert verify(screened, loss).exit_code == 0
    done = verify(screened, loss, "--accepted")
    assert (done.exit_code, "none of the records that hold accepts anything" in done.output) == (1, True), done.output
    whole = put("chain.jsonl", b"".join(made.chain(digest)))
    assert verify(whole, loss, "--accepted").exit_code == 0
    # Beside the acceptance of another, too.
    other = put("other.jsonl", b"".join([made.verdict(), resealed(_about(made.rung_result(2), digest), made.signing)]))
    assert verify(other, loss).exit_code == 0
    done = verify(other, loss, "--accepted")
    assert (done.exit_code, "no record that holds is about all of it" in done.output) == (1, True), done.output


def _about(line: bytes, digest: str) -> Any:
    said = statement_in(line)
    said["subject"][0]["digest"]["sha256"] = digest
    return said


def test_a_record_and_its_candidate(made: Made, put: Any) -> None:
    loss = put("loss.py", b"loss\n")
    records = put("r.jsonl", made.verdict(about=about(b"loss\n")))
    done = verify(records, loss)
    assert done.exit_code == 0
    assert "PASSED  loss.py" in done.output
    assert f"compared with {loss}" in done.output
    assert "1 of 1 record holds; 1 of 1 other files" in done.output
    assert "not compared with any file" in verify(records).output
    other = put("other.py", b"other\n")
    done = verify(records, loss, other)
    assert done.exit_code == 1
    assert f"✗ {other}" in done.output


def test_two_files_of_the_same_bytes_are_both_what_it_is_about(made: Made, put: Any) -> None:
    records = put("r.jsonl", made.verdict(about=about(b"loss\n")))
    assert verify(records, put("a.py", b"loss\n"), put("b.py", b"loss\n")).exit_code == 0


@pytest.mark.parametrize(
    "text",
    [b'# "payloadType"\n', b'x = {"payloadType": 1}\n', b'"""\n{"payload":"","payloadType":""}\n"""\n'],
)
def test_a_candidate_with_the_words_of_a_record_is_a_candidate(text: bytes, made: Made, put: Any) -> None:
    loss, records = put("loss.py", text), put("r.jsonl", made.verdict(about=about(text)))
    assert verify(records, loss).exit_code == 0
    assert verify(records, put("other.py", text + b"#")).exit_code == 1


def test_a_candidate_that_is_a_record_of_another_is_not_passed_by_it(made: Made, put: Any) -> None:
    passed = made.verdict()
    hostile = passed + b"import os\n"
    failed = made.verdict("FAILED", about=about(hostile))
    assert verify(put("r.jsonl", failed), put("loss.py", hostile)).exit_code == 1


@pytest.mark.parametrize("data", [b"", b"\n", b"{}\n", b"x", b"[]", b'{"payloadType":1}\n', b'{"payloadType":1}'])
def test_without_a_record_nothing_holds(data: bytes, ring: Keyring, put: Any) -> None:
    del ring
    done = verify(put("r.jsonl", data))
    assert done.exit_code == 1
    assert "✓" not in done.output


def test_every_line_of_a_file_is_a_record(made: Made, put: Any) -> None:
    record = made.verdict()
    for data in (record + b"\n", record + b"{}\n", record + b"# a comment\n", record.rstrip(b"\n")):
        assert verify(put("r.jsonl", data)).exit_code == 1
    assert verify(put("r.jsonl", record)).exit_code == 0


def test_a_file_of_records_whose_beginning_was_changed_is_no_file_that_somebody_speaks_of(made: Made, put: Any) -> None:
    first, second = made.verdict(), made.verdict(about="ab" * 32)
    for spoilt in (b"x" + first[1:], b" " + first, b"\n" + first):
        assert verify(put("a.jsonl", spoilt), put("b.jsonl", second)).exit_code == 1


def _report_and_records(made: Made, told: CheckReport) -> bytes:
    lines = b""
    for each in told.results:
        name = part("report", compared_digest(told, each))
        said = made.verdict_predicate("PASSED" if isinstance(each.verdict, Accepted) else "FAILED", report=name)
        lines += made.seal(TEST_RESULT, said, each.sha256)
    return lines


def _two() -> CheckReport:
    return report(result(), result(Rejected((RAISES,)), sha256="ab" * 32, path="b.py"))


def test_a_report_is_what_its_records_say(made: Made, put: Any) -> None:
    records = put("r.jsonl", _report_and_records(made, _two()))
    done = verify(records, put("report.json", write_json(_two()).encode()))
    assert done.exit_code == 0, done.output
    assert "1 of 1 other files" in done.output


@pytest.mark.parametrize("kind", ["verdict", "exit code", "seed", "profile", "finding", "sha256", "added", "twice"])
def test_a_report_that_says_more_than_its_records_is_a_stranger(kind: str, made: Made, put: Any) -> None:
    """One result that somebody signed does not stand for those beside it."""
    records = put("r.jsonl", _report_and_records(made, _two()))
    document = json.loads(write_json(_two()))
    text = ""
    if kind == "verdict":
        document["results"][1] |= {"verdict": "accepted", "findings": []}
        document["exit_code"] = 0
    elif kind == "exit code":
        document["exit_code"] = 0
    elif kind == "seed":
        document["seed"] = 1
    elif kind == "profile":
        document["profile"] = "2026.2"
    elif kind == "finding":
        document["results"][1]["findings"][0]["message"] = "no more than a remark"
    elif kind == "sha256":
        document["results"][0]["sha256"] = "cd" * 32
    elif kind == "added":
        document["results"].append(document["results"][0] | {"sha256": "cd" * 32})
    else:
        rejected = json.dumps(document).replace('"verdict": "rejected"', '"verdict": "accepted", "verdict": "rejected"')
        assert rejected.count("verdict") == 3
        text = rejected
    assert verify(records, put("report.json", (text or json.dumps(document)).encode())).exit_code == 1


def test_the_records_of_a_report_are_all_needed(made: Made, put: Any) -> None:
    first = _report_and_records(made, _two()).splitlines(keepends=True)[0]
    assert verify(put("r.jsonl", first), put("report.json", write_json(_two()).encode())).exit_code == 1
    empty = replace(_two(), results=())
    assert verify(put("r.jsonl", first), put("empty.json", write_json(empty).encode())).exit_code == 1


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_report_of_any_text_is_compared_as_it_was_written(text: str) -> None:
    finding = replace(RAISES, message=text, fix=text, detail=text, counterexample={"a": text})
    told = report(
        result(Rejected((finding,)), name=text, output=text, facts={"uses": [text]}, environment={"device": text}),
        result(Screened(), not_run={"P316": text}),
    )
    expected = [compared_digest(told, each) for each in told.results]
    assert compared_digests(write_json(told).encode()) == expected


def test_what_is_not_compared_of_a_report_changes_nothing() -> None:
    one = report(result(path="a.py", machine={"kernel": "1"}, timings={"total": 1.0}))
    two = report(result(path="/b/c.py", machine={"kernel": "2"}, timings={"total": 2.0}))
    assert compared_digests(write_json(one).encode()) == compared_digests(write_json(two).encode())
    for other in (result(name="x"), result(environment={"device": "cuda"}), result(facts={}), result(output="x")):
        assert compared_digests(write_json(report(other)).encode()) != compared_digests(write_json(one).encode())
    assert read_json(write_json(one).encode()).results[0].machine == {"kernel": "1"}


def test_an_old_record_is_noticed_over_two_calls(made: Made, put: Any) -> None:
    old, new = put("old.jsonl", made.verdict("PASSED")), put("new.jsonl", made.verdict("FAILED"))
    assert verify(old).exit_code == 0
    assert verify(new, "--forgetful").exit_code == 0
    assert verify(old).exit_code == 0, "nothing was kept of that"
    assert verify(new).exit_code == 0
    done = verify(old)
    assert (done.exit_code, "old one" in done.output) == (1, True)
    assert verify(new).exit_code == 0, "the same one again is no older"
    assert verify(old, "--forgetful").exit_code == 0


def test_what_does_not_hold_is_not_remembered(made: Made, put: Any) -> None:
    old, new = put("old.jsonl", made.verdict("PASSED")), put("new.jsonl", made.verdict("FAILED"))
    assert verify(new, put("other.py", b"x")).exit_code == 1
    assert verify(new, "--nonce", "x").exit_code == 1
    assert verify(old).exit_code == 0


def test_the_words_and_times_that_are_asked_for(made: Made, put: Any) -> None:
    records = put("r.jsonl", made.verdict(nonce="7f3a"))
    assert verify(records, "--nonce", "7f3a").exit_code == 0
    assert verify(records, "--nonce", "").exit_code == 1
    assert verify(records, "--since", "2020-01-01", "--at", "2999-01-01").exit_code == 1
    assert verify(records, "--since", "2999-01-01").exit_code == 1
    assert verify(records, "--at", "2020-01-01T00:00:00+02:00").exit_code == 1
    for wrong in ("tomorrow", "0001-01-01T00:00:00+23:59", ""):
        assert "is no time" in refused(verify(records, "--since", wrong or "x")).message


def test_a_key_that_is_trusted_for_this_once(
    made: Made, put: Any, ring: Keyring, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    own = ring.own()
    assert own is not None
    records, pem = put("r.jsonl", made.verdict()), put("own.pem", own.pem.encode())
    monkeypatch.setenv("HARNESS_KEYS", str(tmp_path / "empty"))
    assert verify(records).exit_code == 1
    assert verify(records, "--key", pem).exit_code == 0
    assert Keyring().trusted() == ()
    refused(verify(records, "--key", records))
    refused(verify(records, "--key", tmp_path / "nothing"))


def test_a_distrusted_key_is_not_trusted_for_this_once(made: Made, put: Any, ring: Keyring) -> None:
    own = ring.own()
    assert own is not None
    ring.distrust(own.keyid)
    done = verify(put("r.jsonl", made.verdict()), "--key", put("own.pem", own.pem.encode()))
    assert (done.exit_code, "not trusted any more" in done.output) == (1, True)


def test_what_is_no_file_is_refused_without_waiting(
    made: Made, put: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = put("r.jsonl", made.verdict())
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link-to-pipe").symlink_to(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(records)
    for path in ("pipe", "link-to-pipe", "nothing", ".", "/dev/zero"):
        refused(verify(records, tmp_path / path))
    assert verify(tmp_path / "link").exit_code == 0
    monkeypatch.setattr(files, "LARGE", 10)
    refused(verify(records))


@pytest.mark.parametrize("kind", HOSTILE)
def test_no_name_and_no_file_forges_a_line_of_the_output(kind: str, made: Made, put: Any, tmp_path: Path) -> None:
    text = HOSTILE[kind]
    name = text.replace("/", "_").replace("\0", "").encode("utf-8", "replace")[:100].decode("utf-8", "ignore")
    hostile = put(name or "x", b"stranger")
    clean = text.encode("utf-8", "replace").decode("utf-8").replace("\0", "")[:5000]
    field = json.loads(made.verdict()) | {clean: 1}
    in_it = json.loads(canonical({"a": clean}))["a"]
    signed = made.seal(TEST_RESULT, made.verdict_predicate(), name=in_it, about="ab" * 32)
    records = put("r.jsonl", canonical(field) + b"\n" + signed)
    done = verify(records, hostile)
    assert done.exit_code == 1
    lines = done.output.splitlines()
    assert sum(line.startswith("✓") for line in lines) == 1
    assert sum(line.startswith("✗") for line in lines) == 2
    assert all(line.isprintable() for line in lines)
    assert not any(line.startswith("::") or "##[" in line for line in lines)
    del tmp_path


def test_a_narrow_terminal_does_not_make_a_verdict_of_a_long_name(
    made: Made, put: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    name = "x" * 100 + " \u2713 r.jsonl:1  PASSED  other.py"
    signed = made.seal(TEST_RESULT, made.verdict_predicate("FAILED"), name=name)
    done = CliRunner().invoke(verify_command, [put("r.jsonl", signed)])
    assert sum("\u2713" in line for line in done.output.splitlines()) == 1


def test_keys_from_the_first_to_the_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, put: Any) -> None:
    monkeypatch.setenv("HARNESS_KEYS", str(tmp_path / "theirs"))
    assert "no key in" in keys("show").output
    assert "no key of its own" in refused(keys("show", "--pem")).message
    assert keys("init").exit_code == 0
    assert "has a key already" in refused(keys("init")).message
    pem = keys("show", "--pem")
    assert pem.output.startswith("-----BEGIN PUBLIC KEY-----\n")
    assert "PRIVATE" not in pem.output + keys("show").output
    theirs = put("theirs.pem", pem.output.encode())
    record = put("r.jsonl", Made(Keyring().signing()).verdict())
    done = keys("rotate", "--output", tmp_path / "next.jsonl")
    assert (done.exit_code, "is retired" in done.output) == (0, True)
    assert "retired on" in keys("show").output
    after = put("after.jsonl", Made(Keyring().signing()).verdict(about="ab" * 32))

    monkeypatch.setenv("HARNESS_KEYS", str(tmp_path / "ours"))
    assert "nobody here trusts" in refused(keys("trust", tmp_path / "next.jsonl")).message
    trusted = keys("trust", theirs, "--name", "them")
    assert trusted.exit_code == 0
    assert verify(record).exit_code == 0
    assert verify(after).exit_code == 1
    assert keys("trust", tmp_path / "next.jsonl").exit_code == 0
    assert verify(record, after).exit_code == 0
    assert verify(tmp_path / "next.jsonl").exit_code == 0
    (keyid,) = [word for word in trusted.output.split() if len(word) == 12]
    assert keys("distrust", keyid).exit_code == 0
    assert "not trusted" in keys("show").output
    assert verify(record, after).exit_code == 1
    assert "final" in refused(keys("trust", theirs)).message
    assert "not trusted" in refused(keys("trust", tmp_path / "next.jsonl")).message


@pytest.mark.parametrize("kind", HOSTILE)
def test_no_name_of_a_key_reaches_a_terminal(kind: str, ring: Keyring) -> None:
    path = ring.folder / "trusted.json"
    document = json.loads(path.read_text())
    document["keys"][0]["name"] = HOSTILE[kind].encode("utf-8", "replace").decode()[:3000]
    path.write_text(json.dumps(document))
    (line,) = keys("show").output.splitlines()
    assert line.isprintable()
    assert "##[" not in line


def test_commands_that_make_no_sense(ring: Keyring, tmp_path: Path, put: Any) -> None:
    own = ring.own()
    assert own is not None
    for words in (("init", "--identity", "a"), ("init", "--days", "0"), ("trust",), ("distrust",)):
        assert keys(*words).exit_code == 2
    assert keys("distrust", "0123").exception
    refused(keys("trust", tmp_path / "nothing"))
    refused(keys("trust", put("own.pem", own.pem.encode())))
    refused(keys("trust", put("x.pem", b"{}\n")))
    refused(keys("rotate", "--output", tmp_path / "none" / "f"))
    assert ring.own() == own, "nothing was changed by any of them"
    assert verify().exit_code == 2


def test_a_word_without_a_record_is_no_command() -> None:
    done = CliRunner().invoke(check_command, ["--nonce", "7f3a", "loss.py"])
    assert done.exit_code == 2
    assert "--record" in done.output


@pytest.mark.parametrize("name", ["-", "there/is/none.jsonl", "."])
def test_where_no_record_can_be_written_nothing_is_checked(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_KEYS", str(tmp_path / "k"))
    monkeypatch.chdir(tmp_path)
    refused(CliRunner().invoke(check_command, ["--record", name, "loss.py"]))
    assert not (tmp_path / "k").exists(), "and no key is made"


# Without a line of ours


def _pae(line: bytes) -> tuple[bytes, bytes]:
    """What is signed, and the signature: by the words of DSSE, with nothing of ours."""
    import base64

    whole = json.loads(line)
    payload, kind = base64.b64decode(whole["payload"]), whole["payloadType"].encode()
    signed = b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)
    return signed, base64.b64decode(whole["signatures"][0]["sig"])


def test_openssl_verifies_a_record(made: Made, tmp_path: Path) -> None:
    program = shutil.which("openssl")
    assert program, "openssl is what a stranger verifies with: apt-get install openssl"
    (tmp_path / "key.pem").write_text(keys("show", "--pem").output)
    signed, signature = _pae(made.verdict())
    (tmp_path / "sig").write_bytes(signature)

    def openssl(data: bytes) -> int:
        (tmp_path / "pae").write_bytes(data)
        command = [program, "pkeyutl", "-verify", "-pubin", "-inkey", "key.pem", "-rawin", "-in", "pae"]
        return subprocess.run([*command, "-sigfile", "sig"], cwd=tmp_path, capture_output=True, check=False).returncode

    assert openssl(signed) == 0
    assert openssl(signed.replace(b"PASSED", b"FAILED")) != 0


def test_securesystemslib_alone_verifies_a_record(made: Made) -> None:
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    line = made.verdict()
    key = SSlibKey.from_crypto(load_pem_public_key(keys("show", "--pem").output.encode()))
    envelope = Envelope.from_dict(json.loads(line))
    assert list(envelope.verify([key], 1)) == [json.loads(line)["signatures"][0]["keyid"]]
    assert digest_of(line)
    assert envelope.pae() == _pae(line)[0]
    assert made.parts(OF_VERDICT)
    assert problems([line], Keyring().trusted()) == ""
    assert verified([line], Keyring().trusted())[0].holds


def test_records_do_not_take_the_place_of_what_they_are_about(
    ring: Keyring, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    loss = tmp_path / "loss.py"
    loss.write_text("x = 1\n")
    for words in (["loss.py", "--record", "./loss.py"], ["loss.py", "--report", "json=r", "--record", "r"]):
        with pytest.raises(UserError, match="by this very command"):
            check_command.main(["--static", *words], standalone_mode=False)
    assert loss.read_text() == "x = 1\n"
    assert ring.own() is not None


@pytest.mark.parametrize(
    ("there", "words"),
    [(b"def loss(): ...\n", "holds no records"), (b'{"digest": "of a call that was paid"}\n', "holds no records")],
)
def test_records_take_the_place_of_nothing_but_records(made: Made, tmp_path: Path, there: bytes, words: str) -> None:
    place = tmp_path / "kept.jsonl"
    place.write_bytes(there)
    loss = tmp_path / "loss.py"
    loss.write_text("x = 1\n")
    assert words in refused(keys("rotate", "--output", place)).message
    done = CliRunner().invoke(check_command, [str(loss), "--record", str(place)])
    assert words in refused(done).message
    with pytest.raises(UserError, match=words):
        write_records(made.verdict(), place)
    assert place.read_bytes() == there
    for before in (b"", made.verdict()):
        place.write_bytes(before)
        write_records(line := made.verdict(), place)
        assert place.read_bytes() == line
