"""Envelopes: no byte and no field of one can be changed, taken away or added unnoticed."""

from __future__ import annotations

import base64
import copy
import json
from typing import TYPE_CHECKING, Any

import pytest
from record_samples import KINDS, Made, every_kind, resealed, ring_in, statement_in, unsigned
from securesystemslib.signer import CryptoSigner

from harness.attestation import envelope
from harness.attestation.envelope import PAYLOAD_TYPE, AlteredError, canonical, opened, seal
from harness.attestation.statement import NoStatementError, read

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from harness.attestation.keys import Keyring, Signing

#: What a change of one byte could turn into without its looking like one: blanks, signs of base64, ends of lines.
NEAR = b" \t\r\n\0+/=-_,:\"'\\{}[]AaBbZz09~\x7f\x80\xff"


@pytest.fixture(scope="module")
def ring(tmp_path_factory: pytest.TempPathFactory) -> Keyring:
    return ring_in(tmp_path_factory.mktemp("ring") / "keys")


@pytest.fixture(scope="module")
def signing(ring: Keyring) -> Signing:
    return ring.signing()


@pytest.fixture(scope="module")
def small(signing: Signing) -> bytes:
    """A small envelope: the form of what is in it is another question."""
    return seal({"a": [1, "b"], "c": None}, signing)


@pytest.fixture(scope="module")
def record(signing: Signing) -> bytes:
    """A small record, which is a sound statement too."""
    return every_kind(Made(signing))["gate decision"]


def holds(line: bytes, signing: Signing) -> bool:
    """Whether anybody would believe it, whatever it says."""
    try:
        sealed = opened(line)
    except AlteredError:
        return False
    if sealed.keyid != signing.trusted.keyid:
        return False
    try:
        sealed.hold(signing.trusted.key)
    except AlteredError:
        return False
    return True


def test_what_was_not_touched_holds(small: bytes, record: bytes, signing: Signing) -> None:
    assert holds(small, signing)
    assert holds(record, signing)
    assert opened(small).statement == {"a": [1, "b"], "c": None}


def test_every_byte_that_is_changed_into_any_other_is_noticed(small: bytes, signing: Signing) -> None:
    held = [
        (place, byte)
        for place, was in enumerate(small)
        for byte in range(256)
        if byte != was and holds(small[:place] + bytes([byte]) + small[place + 1 :], signing)
    ]
    assert held == []


def test_every_byte_of_a_record_that_is_flipped_or_becomes_a_near_one_is_noticed(
    record: bytes, signing: Signing
) -> None:
    near = [{*NEAR, *(was ^ 1 << bit for bit in range(8)), (was + 1) % 256, (was - 1) % 256} - {was} for was in record]
    held = [
        (place, byte)
        for place, bytes_ in enumerate(near)
        for byte in bytes_
        if holds(record[:place] + bytes([byte]) + record[place + 1 :], signing)
    ]
    assert held == []


def test_every_byte_that_is_taken_away_is_noticed(record: bytes, signing: Signing) -> None:
    assert [at for at in range(len(record)) if holds(record[:at] + record[at + 1 :], signing)] == []


def test_every_byte_that_is_put_in_is_noticed(small: bytes, signing: Signing) -> None:
    held = [
        (at, byte)
        for at in range(len(small) + 1)
        for byte in NEAR
        if holds(small[:at] + bytes([byte]) + small[at:], signing)
    ]
    assert held == []


def test_every_two_neighbours_that_change_places_are_noticed(record: bytes, signing: Signing) -> None:
    swapped = [
        record[:at] + record[at + 1 : at + 2] + record[at : at + 1] + record[at + 2 :]
        for at in range(len(record) - 1)
        if record[at] != record[at + 1]
    ]
    assert not any(holds(line, signing) for line in swapped)


def test_every_beginning_of_a_record_is_none(record: bytes, signing: Signing) -> None:
    assert not any(holds(record[:end], signing) for end in range(len(record)))


@pytest.mark.parametrize("tail", [b"", b"\n\n", b"\r\n", b" \n", b"\n ", b"\x00\n"])
def test_the_end_of_the_line_is_a_part_of_it(small: bytes, tail: bytes) -> None:
    with pytest.raises(AlteredError):
        opened(small.removesuffix(b"\n") + tail)


def _without(document: Any) -> Iterator[Any]:
    """The document without one of its fields or items, at every depth."""
    items = document.items() if isinstance(document, dict) else enumerate(document)
    for key, value in items:
        less = copy.copy(document)
        del less[key]
        yield less
        if isinstance(value, dict | list):
            for inner in _without(value):
                less = copy.copy(document)
                less[key] = inner
                yield less


def test_an_envelope_without_any_of_its_fields_is_none(small: bytes, signing: Signing) -> None:
    spoilt = list(_without(json.loads(small)))
    assert len(spoilt) == 6
    assert not any(holds(canonical(each) + b"\n", signing) for each in spoilt)


@pytest.mark.parametrize("kind", KINDS)
def test_a_statement_without_any_of_its_fields_is_no_record(kind: str, signing: Signing) -> None:
    line = every_kind(Made(signing))[kind]
    whole = statement_in(line)
    spoilt = list(_without(whole))
    assert len(spoilt) > 6
    # Lists of rules, seeds and documents may be shorter; what is said so is another record, and not this signature's.
    free = {"passedTests", "warnedTests", "failedTests", "seeds", "documents", "configuration", "found", "result"}
    for each in spoilt:
        other = json.loads(line)
        other["payload"] = base64.b64encode(canonical(each)).decode()
        assert not holds(canonical(other) + b"\n", signing), each
        try:
            read(each)
        except NoStatementError:
            continue
        said, was = each["predicate"], whole["predicate"]
        assert {name for name in was if said.get(name) != was[name]} <= free, each
        assert set(said) == set(was), each


@pytest.mark.parametrize("part", range(8))
def test_a_part_of_the_configuration_cannot_be_left_out_by_who_signs(part: int, signing: Signing) -> None:
    whole = statement_in(every_kind(Made(signing))["verdict"])
    del whole["predicate"]["configuration"][part]
    with pytest.raises(NoStatementError):
        read(opened(resealed(whole, signing)).statement)


def _spoilt(line: bytes) -> dict[str, bytes]:
    """The same envelope, written otherwise: the signature would hold of each."""
    whole = json.loads(line)
    body = line.removesuffix(b"\n")
    (signed,) = whole["signatures"]
    hexed = base64.b64decode(signed["sig"]).hex()
    other: dict[str, Any] = {
        "another field": whole | {"x": 1},
        "another type": whole | {"payloadType": PAYLOAD_TYPE + "\n"},
        "two signatures": whole | {"signatures": [signed, signed]},
        "no signature": whole | {"signatures": []},
        "a bundle": whole | {"signatures": [signed | {"bundle": {}}]},
        "no bundle": whole | {"signatures": [signed | {"bundle": None}]},
        "a bundle and what is read beside it": whole | {"signatures": [{**signed, "sig": hexed, "bundle": {}}]},
        "a bundle that has it": whole
        | {"signatures": [{**signed, "sig": hexed, "bundle": {"messageSignature": {"signature": hexed}}}]},
        "capitals": whole | {"signatures": [signed | {"keyid": signed["keyid"].upper()}]},
        "base64 for names": whole | {"payload": whole["payload"].replace("+", "-").replace("/", "_") + "===="},
    }
    return {name: canonical(each) + b"\n" for name, each in other.items()} | {
        "another order": json.dumps(dict(reversed(whole.items())), separators=(",", ":")).encode() + b"\n",
        "blanks": json.dumps(whole, sort_keys=True).encode() + b"\n",
        "a name twice": body[:-1] + b',"payloadType":"' + PAYLOAD_TYPE.encode() + b'"}\n',
        "a name twice, the other first": b'{"payload":"",' + body[1:] + b"\n",
        "an escape": body.replace(b"payloadType", b"payload\\u0054ype") + b"\n",
        "a mark of the order of bytes": b"\xef\xbb\xbf" + line,
        "sixteen bits": line.decode().encode("utf-16"),
        "two of them": line + line,
        "one inside another": canonical([whole]) + b"\n",
        "a text": canonical(body.decode()) + b"\n",
    }


def test_the_same_envelope_in_other_words_is_none(record: bytes, signing: Signing) -> None:
    assert [name for name, line in _spoilt(record).items() if holds(line, signing)] == []


@pytest.mark.parametrize(
    "payload",
    [
        b'{"a":1,"a":2}',
        b'{"b":1,"a":2}',
        b'{"a": 1}',
        b'{"a":"\xc3\xa9"}',
        b'{"a":1.50}',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":1e999}',
        b'{"a":-0}',
        b"",
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":1' + b"0" * 5000 + b"}",
        b"\xff",
    ],
    ids=lambda payload: payload[:12].decode("latin1"),
)
def test_a_statement_that_is_not_written_in_the_one_way_is_none_although_it_is_signed(
    payload: bytes, signing: Signing
) -> None:
    pae = b"DSSEv1 %d %b %d %b" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(payload), payload)
    sig = base64.b64encode(bytes.fromhex(signing.signer.sign(pae).signature)).decode()
    whole = json.loads(unsigned(payload, signing.trusted.keyid))
    whole["signatures"][0]["sig"] = sig
    with pytest.raises(AlteredError):
        opened(canonical(whole) + b"\n")


@pytest.mark.parametrize(
    "line",
    [b"", b"\n", b"null\n", b"1\n", b"[]\n", b"{}\n", b"[" * 100_000 + b"\n", b'{"payload":1e999}\n', b"1e999\n"]
    + [b"[" * deep + b"]" * deep + b"\n" for deep in (900, 950, 980, 990, 1000)],
    ids=lambda line: f"{line[:8]!r} {len(line)}",
)
def test_what_is_no_envelope_is_told_as_such(line: bytes) -> None:
    with pytest.raises(AlteredError):
        opened(line)


def test_what_is_longer_than_any_record_is_not_read(monkeypatch: pytest.MonkeyPatch, small: bytes) -> None:
    monkeypatch.setattr(envelope, "LONGEST", len(small) - 1)
    with pytest.raises(AlteredError, match="longer"):
        opened(small)


@pytest.mark.parametrize("kind", ["payload", "signature"])
def test_the_unused_bits_of_base64_are_not_free(kind: str, signing: Signing) -> None:
    for text in ("a", "aa", "aaa"):  # one of them ends in a padded group
        whole = json.loads(seal({"a": text}, signing))
        target = whole if kind == "payload" else whole["signatures"][0]
        key = "payload" if kind == "payload" else "sig"
        if not target[key].endswith("="):
            continue
        bare = target[key].rstrip("=")
        for last in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/":
            if last != bare[-1]:
                target[key] = bare[:-1] + last + "=" * (-len(bare) % 4)
                assert not holds(canonical(whole) + b"\n", signing)


def test_a_key_of_another_does_not_sign_for_it(small: bytes, signing: Signing, tmp_path: Path) -> None:
    other = ring_in(tmp_path / "other").signing()
    forged = seal(json.loads(base64.b64decode(json.loads(small)["payload"])), other)
    whole = json.loads(forged)
    whole["signatures"][0]["keyid"] = signing.trusted.keyid
    assert holds(forged, other)
    assert not holds(canonical(whole) + b"\n", signing)
    assert isinstance(other.signer, CryptoSigner)


def test_a_statement_with_no_word_in_json_is_not_signed(signing: Signing) -> None:
    with pytest.raises(ValueError, match="JSON"):
        seal({"a": float("nan")}, signing)
