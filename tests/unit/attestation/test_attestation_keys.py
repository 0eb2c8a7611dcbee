"""Keys: nobody else's to read, replaced without loss, and trusted or not by somebody's word alone."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from record_samples import Made, problems, ring_in
from support import ROOT

from harness.attestation import keys, times
from harness.attestation.envelope import opened
from harness.attestation.keys import Keyring, folder_of, trusted_once
from harness.core.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path


def pem_of(private: Any) -> bytes:
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def public_pem() -> bytes:
    return Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def ring(tmp_path: Path) -> Keyring:
    return ring_in(tmp_path / "deep" / "keys")


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_nobody_else_can_read_a_key_from_its_first_byte_on(
    mask: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    real = os.rename

    def look(src: str, dst: str, **folders: int) -> None:
        seen.append(stat.S_IMODE(os.stat(src, dir_fd=folders["src_dir_fd"]).st_mode))
        real(src, dst, **folders)

    opened_with: list[int] = []
    real_open = os.open

    def look_open(path: Any, flags: int, mode: int = 0o777, **folders: Any) -> int:
        if str(path).startswith(".new-"):
            opened_with.append(mode)
        return real_open(path, flags, mode, **folders)

    monkeypatch.setattr(os, "rename", look)
    monkeypatch.setattr(os, "open", look_open)
    was = os.umask(mask)
    try:
        ring = ring_in(tmp_path / "keys")
        ring.rotate()
    finally:
        os.umask(was)
    assert {*seen, *opened_with} == {0o600}
    assert {path.name: mode(path) for path in ring.folder.iterdir() if path.name != "lock"} == {
        "signing.pem": 0o600,
        "trusted.json": 0o600,
    }
    assert mode(ring.folder) == 0o700


def test_the_folder_is_the_one_that_is_named(tmp_path: Path) -> None:
    home = {"XDG_CONFIG_HOME": str(tmp_path)}
    assert folder_of({"HARNESS_KEYS": str(tmp_path / "k"), **home}) == tmp_path / "k"
    assert folder_of(home) == tmp_path / "harness" / "keys"
    assert folder_of({"XDG_CONFIG_HOME": "relative"}).parts[-3:] == (".config", "harness", "keys")
    assert folder_of({}).is_absolute()


@pytest.mark.parametrize("bits", [0o640, 0o604, 0o660, 0o610])
def test_a_key_that_others_may_read_does_not_sign(bits: int, ring: Keyring) -> None:
    ring.private.chmod(bits)
    with pytest.raises(UserError, match="others may read"):
        ring.signing()


def test_a_key_of_somebody_else_does_not_sign(ring: Keyring, monkeypatch: pytest.MonkeyPatch) -> None:
    own = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: own + 1)
    monkeypatch.setattr(keys, "_refuse_what_others_write", lambda _: None)
    with pytest.raises(UserError, match="somebody else"):
        ring.signing()


def test_a_key_behind_a_link_does_not_sign(ring: Keyring, tmp_path: Path) -> None:
    ring.private.rename(tmp_path / "moved")
    ring.private.symlink_to(tmp_path / "moved")
    with pytest.raises(UserError, match="symbolic link"):
        ring.signing()


def _put(ring: Keyring, data: bytes) -> None:
    ring.private.write_bytes(data)
    ring.private.chmod(0o600)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "no private key"),
        (b"\xff" * 100, "no private key"),
        (public_pem(), "no private key"),
        (pem_of(generate_private_key(SECP256R1())), "another kind"),
        (pem_of(Ed25519PrivateKey.generate()), "is not the key of"),
    ],
    ids=["empty", "bytes", "a public key", "another kind", "another"],
)
def test_what_lies_in_the_place_of_a_key_does_not_sign_and_can_be_replaced(
    data: bytes, told: str, ring: Keyring
) -> None:
    made = Made(ring.signing()).verdict()
    _put(ring, data)
    with pytest.raises(UserError, match=told):
        ring.signing()
    with pytest.raises(UserError, match=told):
        ring.rotate(vouching=True)
    assert ring.own() is not None, "nothing was changed"
    ring.rotate()
    assert Made(ring.signing()).verdict()
    assert problems([made], ring.trusted()) == ""


def test_a_key_that_was_lost_is_replaced(ring: Keyring) -> None:
    ring.private.unlink()
    with pytest.raises(UserError, match="cannot be read") as caught:
        ring.signing()
    assert "rotate" in caught.value.remedy
    ring.rotate()
    assert ring.signing()


def test_there_is_one_key_and_a_second_is_asked_for(ring: Keyring) -> None:
    with pytest.raises(UserError, match="has a key already"):
        ring.init()
    signing, fresh = ring.or_new()
    assert not fresh
    assert signing.trusted == ring.own()


def test_the_first_record_makes_a_key_and_the_second_does_not(tmp_path: Path) -> None:
    ring = Keyring(tmp_path / "keys")
    assert ring.trusted() == ()
    with pytest.raises(UserError, match="no key to sign"):
        ring.signing()
    (first, fresh), (second, again) = ring.or_new(), ring.or_new()
    assert (fresh, again) == (True, False)
    assert first.trusted == second.trusted


def test_a_private_key_without_its_list_is_not_written_over(ring: Keyring) -> None:
    was = ring.private.read_bytes()
    (ring.folder / "trusted.json").unlink()
    for make in (ring.or_new, ring.init):
        with pytest.raises(UserError, match="no list that has it"):
            make()
    assert ring.private.read_bytes() == was


def test_a_key_that_is_replaced_leaves_no_copy_and_what_it_signed_holds(ring: Keyring) -> None:
    was = ring.private.read_bytes()
    record = Made(ring.signing()).verdict()
    done = ring.rotate()
    assert all(was not in path.read_bytes() for path in ring.folder.iterdir())
    assert ring.own() == done.made
    assert ring.signing().trusted.keyid != opened(record).keyid
    assert problems([record], ring.trusted()) == ""
    assert done.last is None


def test_what_claims_to_be_made_after_its_key_was_retired_does_not_hold(ring: Keyring) -> None:
    old = Made(ring.signing())
    ring.rotate()
    old.when = times.now() - timedelta(microseconds=1)
    assert "retired" in problems([old.verdict()], ring.trusted(), at=times.now() + timedelta(days=1))


def test_a_machine_that_stopped_while_a_key_was_replaced_makes_another(
    ring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Keyring, "_make", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        ring.rotate()
    monkeypatch.undo()
    with pytest.raises(UserError, match="retired") as caught:
        ring.signing()
    assert "keys init" in caught.value.remedy
    ring.init()
    assert ring.signing()


def test_an_expired_key_signs_nothing_and_vouches_for_nothing(ring: Keyring, monkeypatch: pytest.MonkeyPatch) -> None:
    later = times.now() + timedelta(days=keys.DAYS + 1)
    monkeypatch.setattr(times, "now", lambda: later)
    for sign in (ring.signing, ring.or_new, lambda: ring.rotate(vouching=True)):
        with pytest.raises(UserError, match="expired"):
            sign()
    ring.rotate()
    assert ring.signing()


def test_a_key_of_ours_that_is_distrusted_signs_nothing_more(ring: Keyring) -> None:
    record = Made(ring.signing()).verdict()
    own = ring.own()
    assert own is not None
    ring.distrust(own.keyid[:8])
    for sign in (ring.signing, ring.or_new):
        with pytest.raises(UserError, match="not trusted any more"):
            sign()
    assert "not trusted any more" in problems([record], ring.trusted())
    ring.init()
    assert ring.signing().trusted.keyid != own.keyid
    assert "not trusted any more" in problems([record], ring.trusted())


def test_a_key_is_trusted_until_somebody_says_otherwise(ring: Keyring, tmp_path: Path) -> None:
    other = ring_in(tmp_path / "other")
    record = Made(other.signing()).verdict()
    public = other.own().pem.encode()  # type: ignore[union-attr]
    assert "nobody trusts" in problems([record], ring.trusted())
    key = ring.trust(public, "theirs")
    assert (key.own, key.since) == (False, None)
    assert problems([record], ring.trusted()) == ""
    ring.trust(public, "theirs for longer", days=3650)
    assert [each.name for each in ring.trusted()] == ["this installation", "theirs for longer"]
    ring.distrust(key.keyid)
    assert "not trusted any more" in problems([record], ring.trusted())
    assert "not trusted any more" in problems([record], (*ring.trusted(), trusted_once(public, "again")))


def test_a_key_that_was_distrusted_does_not_come_back_by_the_way(ring: Keyring) -> None:
    public = public_pem()
    key = ring.trust(public, "theirs")
    ring.distrust(key.keyid)
    with pytest.raises(UserError, match="distrusted here, which is final"):
        ring.trust(public, "another name")
    assert [each.distrusted for each in ring.trusted() if not each.own] == [True]


def test_ones_own_key_is_not_made_a_strangers(ring: Keyring) -> None:
    own = ring.own()
    assert own is not None
    old = ring.rotate().old
    for key in (old, ring.own()):
        assert key is not None
        with pytest.raises(UserError, match="own"):
            ring.trust(key.pem.encode(), "myself")
    assert [key.own for key in ring.trusted()] == [True, True]


@pytest.mark.parametrize("name", ["", " ", "a\nb", "\x1b[2J", " a", "\u202ea", "this installation", "x" * 2000])
def test_a_name_is_one_line_and_not_ours(name: str, ring: Keyring) -> None:
    with pytest.raises(UserError, match="name"):
        ring.trust(public_pem(), name)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"\xff\x00",
        pem_of(Ed25519PrivateKey.generate()),
        generate_private_key(SECP256R1()).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        public_pem() + public_pem(),
        public_pem()[:60],
    ],
    ids=["empty", "JSON", "bytes", "private", "another kind", "two keys", "half"],
)
def test_what_is_no_public_key_is_not_trusted(data: bytes, ring: Keyring) -> None:
    for trust in (lambda: ring.trust(data, "x"), lambda: trusted_once(data, "x")):
        with pytest.raises(UserError, match="no public key"):
            trust()


@pytest.mark.parametrize("start", ["", "0", "1234567", "zzzzzzzz", "0" * 64])
def test_a_key_is_distrusted_by_enough_of_its_id(start: str, ring: Keyring) -> None:
    with pytest.raises(UserError, match="keys begin with"):
        ring.distrust(start)


def _damage(ring: Keyring, change: Any) -> None:
    path = ring.folder / "trusted.json"
    document = json.loads(path.read_text())
    changed = change(document)
    path.write_text(json.dumps(document if changed is None else changed))


@pytest.mark.parametrize(
    "change",
    [
        lambda _: [],
        lambda _: {},
        lambda document: document.update(more=1),
        lambda document: document["keys"].append(document["keys"][0] | {"name": "again", "distrusted": True}),
        lambda document: document["keys"][0].update(keyid="0" * 64),
        lambda document: document["keys"][0].update(public="x"),
        lambda document: document["keys"][0].update(public=public_pem().decode()),
        lambda document: document["keys"][0].update(public=""),
        lambda document: document["keys"][0].update(until="tomorrow"),
        lambda document: document["keys"][0].update(until="2026-01-01T00:00:00Z"),
        lambda document: document["keys"][0].update(own="true"),
        lambda document: document["keys"][0].pop("distrusted"),
    ],
)
def test_a_list_that_is_damaged_is_not_believed(change: Any, ring: Keyring) -> None:
    _damage(ring, change)
    with pytest.raises(UserError):
        ring.trusted()
    with pytest.raises(UserError):
        ring.or_new()


@pytest.mark.parametrize("data", [b"", b"\xff", b"[" * 100_000, b"{"])
def test_a_list_that_is_no_json_is_not_believed(data: bytes, ring: Keyring) -> None:
    (ring.folder / "trusted.json").write_bytes(data)
    with pytest.raises(UserError, match="no list of keys"):
        ring.trusted()


@pytest.mark.parametrize("name", ["", "trusted.json"])
@pytest.mark.parametrize("bits", [0o020, 0o002])
def test_a_list_that_others_may_write_is_not_believed(name: str, bits: int, ring: Keyring) -> None:
    path = ring.folder / name
    path.chmod(mode(path) | bits)
    with pytest.raises(UserError, match="others may write"):
        ring.trusted()


def test_a_list_of_somebody_elses_is_not_believed(ring: Keyring, monkeypatch: pytest.MonkeyPatch) -> None:
    about = ring.folder.stat()
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    if about.st_uid != 0:
        with pytest.raises(UserError, match="somebody else"):
            ring.trusted()
        return
    assert ring.trusted(), "what is root's is believed"


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        Keyring(tmp_path / "file" / "keys").init()


_MAKE = "from harness.attestation.keys import Keyring; print(Keyring().or_new()[0].trusted.keyid)"


def test_two_who_make_a_key_at_once_have_the_same(tmp_path: Path) -> None:
    given = {**os.environ, "HARNESS_KEYS": str(tmp_path / "keys")}
    running = [
        subprocess.Popen([sys.executable, "-c", _MAKE], env=given, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    told = {each.communicate()[0] for each in running}
    assert len(told) == 1
    assert len(Keyring(tmp_path / "keys").trusted()) == 1
    assert [each.returncode for each in running] == [0, 0, 0]
