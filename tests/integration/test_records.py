"""`harness check --record`: what the records of real checks say, and that the private key is in its file alone."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from engine_proxy import EngineProxy, proxied
from hostile import DPO, INVERTED
from support import ROOT, harness_command

from harness.containers.endpoint import find_engine
from harness.report.json_report import compared_digests

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support import Run

pytestmark = pytest.mark.container


class _Heard:
    """A client's side of a connection, which keeps what the client said."""

    def __init__(self, client: socket.socket, words: list[bytes]) -> None:
        self._client, self._words = client, words

    def recv(self, size: int) -> bytes:
        data = self._client.recv(size)
        self._words.append(data)
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


class Listening(EngineProxy):
    """Keeps whatever is said to the engine: requests for containers, and what goes into them."""

    def __init__(self, upstream: str, path: Path) -> None:
        self.words: list[bytes] = []
        super().__init__(upstream, path)

    def _inbound(self, client: socket.socket, engine: socket.socket) -> None:
        heard: Any = _Heard(client, self.words)
        super()._inbound(heard, engine)


@contextlib.contextmanager
def listening(path: Path) -> Iterator[Listening]:
    proxy = Listening(find_engine(), path)
    try:
        yield proxy
    finally:
        proxy.close()


#: Runs the command, and writes down what other processes are started with.
_WATCHED = """
import os, sys
log = open(sys.argv[1], "a", encoding="utf-8")
def look(event, arguments):
    if event in {"subprocess.Popen", "os.exec", "os.posix_spawn", "os.system"}:
        print(event, arguments, dict(os.environ), file=log, flush=True)
sys.addaudithook(look)
sys.argv = ["harness", *sys.argv[2:]]
from harness.cli import main
main()
"""


def statements(path: Path) -> list[dict[str, Any]]:
    return [json.loads(base64.b64decode(json.loads(line)["payload"])) for line in path.read_bytes().splitlines()]


def circumstances(statement: dict[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = statement["predicate"]["configuration"][-1]["annotations"]
    return told


def test_records_of_what_was_accepted_and_rejected_and_where_the_key_is(
    tmp_path: Path, harness: Callable[..., Run]
) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "sound.py").write_text(DPO)
    (folder / "inverted.py").write_text(INVERTED)
    keys = tmp_path / "the-keys"
    env = {"HARNESS_KEYS": str(keys), "HARNESS_WARM": "0"}
    with listening(tmp_path / "engine.sock") as proxy:
        words = ["check", "sound.py", "inverted.py", "--jobs", "2", "--record", "r.jsonl", "--nonce", "7f3a"]
        reports = [f"--report={kind}=report.{kind}" for kind in ("json", "text", "html", "sarif")]
        # The screen alone is a process of its own.
        static = ["check", "sound.py", "--static", "--record", "static.jsonl"]
        screened, done = (
            subprocess.run(
                [sys.executable, "-c", _WATCHED, str(folder / "started.log"), *command],
                cwd=folder,
                env={**os.environ, "PYTHONPATH": str(ROOT), "DOCKER_HOST": proxy.url, "CI": "true", **env},
                capture_output=True,
                timeout=600,
                check=False,
            )
            for command in (static, [*words, *reports])
        )
    assert screened.returncode == 3, screened.stderr.decode()
    assert done.returncode == 1, done.stderr.decode()
    assert b"made a key to sign records with" in screened.stderr

    by_name = {one["subject"][0]["name"]: one for one in statements(folder / "r.jsonl")}
    assert {name: one["predicate"]["result"] for name, one in by_name.items()} == {
        "sound.py": "PASSED",
        "inverted.py": "FAILED",
    }
    sound = by_name["sound.py"]
    assert sound["subject"][0]["digest"]["sha256"] == hashlib.sha256(DPO.encode()).hexdigest()
    assert circumstances(sound)["nonce"] == "7f3a"
    assert circumstances(sound)["machine"]["engine"]
    assert by_name["inverted.py"]["predicate"]["failedTests"]

    files = [folder / name for name in ("r.jsonl", "sound.py", "inverted.py", "report.json")]
    assert harness("verify", *files, "--nonce", "7f3a", env=env).code == 0
    assert harness("verify", *files, "--nonce", "other", env=env).code == 1
    (folder / "sound.py").write_text(DPO + "\n")
    assert harness("verify", *files, env=env).code == 1

    pem = (keys / "signing.pem").read_bytes()
    private = load_pem_private_key(pem, password=None)
    seed = private.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    secret = [seed, seed.hex().encode(), pem.splitlines()[1], base64.b64encode(seed).rstrip(b"="), b"PRIVATE KEY"]
    said = {"to the engine": b"".join(proxy.words), "printed": done.stdout + done.stderr}
    said |= {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    assert b"/containers/create" in said["to the engine"]
    assert b"softplus" in said["to the engine"], "what goes into a container was heard"
    assert b"subprocess.Popen" in said["started.log"]
    assert len(said) >= 9
    assert [name for name, data in said.items() if any(word in data for word in secret)] == []
    assert str(keys).encode() not in said["to the engine"], "its folder is named to nobody"


def test_what_nobody_judged_is_no_pass(harness: Callable[..., Run], tmp_path: Path, write: Callable[..., Path]) -> None:
    record = tmp_path / "r.jsonl"
    run = harness("check", write(DPO), write("import os\n", "os.py"), "--static", "--record", record)
    assert run.code == 1
    told = {one["subject"][0]["name"]: one for one in statements(record)}
    assert told["loss.py"]["predicateType"] == "urn:harness:no-verdict:v1"
    assert told["loss.py"]["predicate"]["verdict"] == "screened"
    assert told["os.py"]["predicate"]["result"] == "FAILED"
    shown = harness("verify", record, tmp_path / "loss.py", tmp_path / "os.py")
    assert (shown.code, "SCREENED" in shown.out, "PASSED" in shown.out) == (0, True, False)


def test_what_ended_before_anything_was_read_has_no_record(
    harness: Callable[..., Run], tmp_path: Path, write: Callable[..., Path]
) -> None:
    record = tmp_path / "r.jsonl"
    away = {"DOCKER_HOST": f"unix://{tmp_path}/none.sock", "HARNESS_WARM": "0"}
    run = harness("check", write(DPO), "--record", record, env=away)
    assert run.code == 3
    assert record.read_bytes() == b""
    assert "1 of 1 candidates were not read" in run.err
    assert harness("verify", record).code == 1


def test_an_engine_that_goes_away_leaves_a_record_of_no_verdict(
    harness: Callable[..., Run], tmp_path: Path, write: Callable[..., Path]
) -> None:
    record = tmp_path / "r.jsonl"
    with proxied(find_engine(), tmp_path / "engine.sock", hang_up_after=3000) as proxy:
        run = harness("check", write(DPO), "--record", record, env={"DOCKER_HOST": proxy.url, "HARNESS_WARM": "0"})
    assert run.code == 3
    (one,) = statements(record)
    assert one["predicate"]["verdict"] == "undecided"
    assert one["predicate"]["reason"]
    shown = harness("verify", record, tmp_path / "loss.py")
    assert (shown.code, "UNDECIDED" in shown.out, "PASSED" in shown.out) == (0, True, False)


@pytest.mark.rest
def test_a_record_tells_what_the_doctor_found_last(
    harness: Callable[..., Run], tmp_path: Path, write: Callable[..., Path]
) -> None:
    examined = harness("doctor", "--json")
    assert examined.code in {0, 3}
    record = tmp_path / "r.jsonl"
    assert harness("check", write(DPO), "--record", record).code == 0
    (one,) = statements(record)
    doctor = circumstances(one)["doctor"]
    assert doctor["result"] == ("trusted" if examined.code == 0 else "not trusted")
    assert doctor["sha256"] == hashlib.sha256(examined.out.encode()).hexdigest()


@pytest.mark.rest
def test_two_who_check_the_same_file_elsewhere_agree_to_the_byte(tmp_path: Path) -> None:
    digests, named = [], []
    zones = [
        ("Pacific/Kiritimati", "C", "1", "loss.py"),
        ("America/St_Johns", "C.UTF-8", "2", "deep/er/loss.py"),
        ("UTC", "POSIX", "random", str(tmp_path / "2" / "loss.py")),
    ]
    for number, (zone, words, seed, name) in enumerate(zones):
        folder = tmp_path / str(number)
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(DPO)
        env = {"TZ": zone, "LC_ALL": words, "PYTHONHASHSEED": seed, "HARNESS_KEYS": str(folder / "keys")}
        command = harness_command("check", name, "--report=json=report.json", "--record", "r.jsonl")
        done = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, "CI": "true", "PYTHONPATH": str(ROOT), **env},
            capture_output=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
        digests += compared_digests((folder / "report.json").read_bytes())
        (one,) = statements(folder / "r.jsonl")
        named += [part["digest"]["sha256"] for part in one["predicate"]["configuration"] if part["name"] == "report"]
    assert len(set(digests)) == 1
    assert named == digests
