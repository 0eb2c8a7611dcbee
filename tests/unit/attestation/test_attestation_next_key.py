"""The word of a key on the one after it: followed where the key is believed, and only there."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from record_samples import Made, resealed, ring_in, statement_in

from harness.attestation import times
from harness.attestation.envelope import canonical
from harness.attestation.keys import Keyring
from harness.attestation.next_key import followed, vouched
from harness.core.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def theirs(tmp_path: Path) -> Keyring:
    return ring_in(tmp_path / "theirs")


@pytest.fixture
def ours(tmp_path: Path, theirs: Keyring) -> Keyring:
    ring = Keyring(tmp_path / "ours")
    own = theirs.own()
    assert own is not None
    ring.trust(own.pem.encode(), "theirs")
    return ring


@pytest.fixture
def word(theirs: Keyring, ours: Keyring) -> bytes:
    del ours  # it trusts what is retired here
    done = theirs.rotate(vouching=True)
    assert done.last is not None
    return vouched(done.last, done.made)


def test_the_next_key_is_followed(theirs: Keyring, ours: Keyring, word: bytes) -> None:
    public, by = followed(word, ours.trusted())
    key = ours.trust(public, by.name)
    own = theirs.own()
    assert own is not None
    assert (key.keyid, key.name) == (own.keyid, "theirs")
    assert theirs.signing().trusted.keyid == key.keyid
    followed(word, theirs.trusted())  # the last moment of the old key is one at which it was still believed


def test_nobody_is_followed_who_is_not_trusted(tmp_path: Path, word: bytes) -> None:
    with pytest.raises(UserError, match="nobody here trusts"):
        followed(word, ring_in(tmp_path / "stranger").trusted())


def test_a_key_that_is_distrusted_vouches_for_nothing(ours: Keyring, word: bytes) -> None:
    (key,) = ours.trusted()
    ours.distrust(key.keyid)
    with pytest.raises(UserError, match="not trusted any more"):
        followed(word, ours.trusted())


def test_a_key_that_is_expired_vouches_for_nothing(ours: Keyring, word: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    (key,) = ours.trusted()
    monkeypatch.setattr(times, "now", lambda: key.until + timedelta(microseconds=1))
    with pytest.raises(UserError, match="expired"):
        followed(word, ours.trusted())


def test_a_word_from_later_than_now_is_not_followed(
    ours: Keyring, word: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = times.now() - timedelta(days=1)
    monkeypatch.setattr(times, "now", lambda: before)
    with pytest.raises(UserError, match="later than now"):
        followed(word, ours.trusted())


def test_a_next_key_that_was_distrusted_here_stays_so(ours: Keyring, word: bytes) -> None:
    public, by = followed(word, ours.trusted())
    ours.distrust(ours.trust(public, "early").keyid)
    with pytest.raises(UserError, match="final"):
        ours.trust(public, by.name)


def test_another_record_is_no_word_on_a_key(ours: Keyring, theirs: Keyring) -> None:
    with pytest.raises(UserError, match="this is a record"):
        followed(Made(theirs.signing()).verdict(), ours.trusted())


def test_a_word_that_was_changed_is_none(ours: Keyring, word: bytes, tmp_path: Path) -> None:
    other = ring_in(tmp_path / "attacker").own()
    assert other is not None
    document = statement_in(word)
    document["predicate"]["public"] = other.pem
    document["subject"][0]["digest"]["sha256"] = other.keyid
    whole = json.loads(word)
    whole["payload"] = base64.b64encode(canonical(document)).decode()
    for spoilt in (canonical(whole) + b"\n", word[:-1], b"{}\n", b"{"):
        with pytest.raises(UserError, match="no word of one key"):
            followed(spoilt, ours.trusted())


def test_a_word_names_the_key_that_it_has(ours: Keyring, theirs: Keyring, word: bytes) -> None:
    document = statement_in(word)
    document["subject"][0]["digest"]["sha256"] = "0" * 64
    document["predicate"]["time"] = times.spelt(times.now())
    with pytest.raises(UserError, match="not the one that it names"):
        followed(resealed(document, theirs.signing()), (*ours.trusted(), *theirs.trusted()))
