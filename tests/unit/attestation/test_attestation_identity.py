"""Records that are signed by an identity (sigstore), whose network is not here: a stand-in signs and verifies."""

from __future__ import annotations

import base64
import copy
import hashlib
import json
import sys
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from record_samples import Made, problems, ring_in
from securesystemslib.exceptions import UnverifiedSignatureError
from securesystemslib.signer import Signature, SigstoreKey, SigstoreSigner

from harness.attestation.envelope import AlteredError, canonical, opened
from harness.attestation.keys import Keyring
from harness.cli.keys import keys_command
from harness.core.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

IDENTITY, ISSUER = "https://ci.example/job@main", "https://token.example"


class StandIn:
    """Signs as the network would: a bundle that has the signature of what was signed, and everything of itself."""

    def __init__(self, key: SigstoreKey) -> None:
        self.public_key = key

    def sign(self, payload: bytes) -> Signature:
        bundle: dict[str, Any] = {
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "messageSignature": {"signature": base64.b64encode(hashlib.sha256(payload).digest()).decode()},
            "verificationMaterial": {"certificate": {"rawBytes": "AAAA"}, "tlogEntries": [{"logIndex": "1"}]},
        }
        bundle["verificationMaterial"]["seal"] = _seal(bundle)
        return Signature(self.public_key.keyid, bundle["messageSignature"]["signature"], {"bundle": bundle})


def _seal(bundle: Any) -> str:
    rest = {name: value for name, value in bundle["verificationMaterial"].items() if name != "seal"}
    return hashlib.sha256(canonical({**bundle, "verificationMaterial": rest})).hexdigest()


def _verify(self: SigstoreKey, signature: Signature, data: bytes) -> None:
    bundle = signature.unrecognized_fields["bundle"]
    try:
        signed = base64.b64decode(bundle["messageSignature"]["signature"], validate=True)
        sound = bundle["verificationMaterial"]["seal"] == _seal(bundle) and set(bundle) == {
            "mediaType",
            "messageSignature",
            "verificationMaterial",
        }
    except (KeyError, ValueError, TypeError) as error:
        raise UnverifiedSignatureError(self.keyid) from error
    if not sound or signed != hashlib.sha256(data).digest():
        raise UnverifiedSignatureError(self.keyid)


@pytest.fixture
def ring(tmp_path: Path) -> Keyring:
    ring = Keyring(tmp_path / "keys")
    ring.init_identity(IDENTITY, ISSUER)
    return ring


@pytest.fixture
def _network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SigstoreSigner, "from_priv_key_uri", lambda _, key: StandIn(key))
    monkeypatch.setattr(SigstoreKey, "verify_signature", _verify)
    monkeypatch.setattr("harness.attestation.envelope._rewritten", copy.deepcopy)


@pytest.fixture
def record(ring: Keyring, _network: None) -> bytes:
    return Made(ring.signing()).no_verdict()


def test_an_identity_keeps_nothing_secret(ring: Keyring) -> None:
    own = ring.own()
    assert own is not None
    assert (own.pem, isinstance(own.key, SigstoreKey)) == ("", True)
    assert sorted(path.name for path in ring.folder.iterdir()) == ["lock", "trusted.json"]
    assert "IDENTITY" not in ring.folder.name


def test_a_record_by_an_identity_is_written_and_read(record: bytes, ring: Keyring) -> None:
    assert problems([record], ring.trusted()) == ""
    (signed,) = json.loads(record)["signatures"]
    assert sorted(signed) == ["bundle", "keyid", "sig"]


def test_every_byte_of_a_record_by_an_identity_counts(record: bytes, ring: Keyring) -> None:
    own = ring.own()
    assert own is not None

    def holds(line: bytes) -> bool:
        try:
            sealed = opened(line)
            sealed.hold(own.key)
        except AlteredError:
            return False
        return sealed.keyid == own.keyid

    assert holds(record)
    near = [{was ^ 1, was ^ 32, was ^ 128, (was + 1) % 256, *b' "A='} - {was} for was in record]
    held = [
        (at, b) for at, bytes_ in enumerate(near) for b in bytes_ if holds(record[:at] + bytes([b]) + record[at + 1 :])
    ]
    assert held == []
    assert not any(holds(record[:at] + record[at + 1 :]) for at in range(len(record)))


def test_a_bundle_that_is_spelt_otherwise_than_by_its_writer_is_none(
    record: bytes, ring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reader of bundles takes more than its writer writes: base64 with blanks in it, say."""
    monkeypatch.setattr("harness.attestation.envelope._rewritten", lambda bundle: {**bundle, "mediaType": "other"})
    assert "not written as bundles are" in problems([record], ring.trusted())


def _changed(record: bytes, change: Any) -> bytes:
    whole = json.loads(record)
    change(whole["signatures"][0])
    return canonical(whole) + b"\n"


@pytest.mark.parametrize(
    "change",
    [
        lambda signed: signed.pop("bundle"),
        lambda signed: signed.update(bundle={}),
        lambda signed: signed.update(bundle=None),
        lambda signed: signed.update(sig=""),
        lambda signed: signed.update(sig=base64.b64encode(b"x" * 32).decode()),
        lambda signed: signed["bundle"].pop("messageSignature"),
        lambda signed: signed["bundle"].update(messageSignature=signed["sig"]),
    ],
)
def test_the_signature_beside_the_bundle_is_the_one_in_it(change: Any, record: bytes, ring: Keyring) -> None:
    assert problems([_changed(record, change)], ring.trusted()) != ""


def test_the_identity_of_another_is_not_trusted(record: bytes, tmp_path: Path) -> None:
    ring = ring_in(tmp_path / "other")
    assert "nobody trusts" in problems([record], ring.trusted())
    ring.trust_identity("https://ci.example/other", ISSUER, "other")
    assert "nobody trusts" in problems([record], ring.trusted())
    key = ring.trust_identity(IDENTITY, ISSUER, "them")
    assert problems([record], ring.trusted()) == ""
    ring.distrust(key.keyid)
    assert "not trusted any more" in problems([record], ring.trusted())
    with pytest.raises(UserError, match="final"):
        ring.trust_identity(IDENTITY, ISSUER, "again")


@pytest.mark.usefixtures("_network")
def test_a_key_takes_the_place_of_an_identity(ring: Keyring, record: bytes) -> None:
    done = ring.rotate()
    assert done.made.pem
    assert ring.signing().trusted == done.made
    assert problems([record], ring.trusted()) == ""


def test_without_the_package_the_extra_is_named(ring: Keyring, record: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    for name in ("sigstore", "sigstore.models", "sigstore.errors", "sigstore.oidc"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(UserError, match="package sigstore") as caught:
        ring.signing()
    assert "[sigstore]" in caught.value.remedy
    assert "preference-loss-harness[sigstore]" in problems([record], ring.trusted())


def test_a_process_without_an_identity_signs_nothing(ring: Keyring, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> None:
        raise RuntimeError("Failed to detect Sigstore credentials")

    monkeypatch.setattr(SigstoreSigner, "from_priv_key_uri", none)
    with pytest.raises(UserError, match="no identity to sign by"):
        ring.signing()


@pytest.mark.parametrize("words", [("", ISSUER), (IDENTITY, ""), ("a\nb", ISSUER), (IDENTITY, "\x1b[2J")])
def test_an_identity_is_plain_text(words: tuple[str, str], tmp_path: Path) -> None:
    ring = Keyring(tmp_path / "keys")
    for attempt in (lambda: ring.init_identity(*words), lambda: ring.trust_identity(*words, "x")):
        with pytest.raises(UserError, match="plain text"):
            attempt()
    assert ring.trusted() == ()


def test_the_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_KEYS", str(tmp_path / "keys"))
    run = CliRunner().invoke
    assert run(keys_command, ["init", "--identity", IDENTITY]).exit_code == 2
    assert run(keys_command, ["init", "--identity", IDENTITY, "--issuer", ISSUER]).exit_code == 0
    assert run(keys_command, ["trust-identity", "other", ISSUER, "--name", "them"]).exit_code == 0
    assert isinstance(run(keys_command, ["show", "--pem"]).exception, UserError)
    assert len(run(keys_command, ["show"]).output.splitlines()) == 2
