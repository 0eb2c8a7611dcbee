"""Envelopes: a statement's exact bytes with a signature over them (DSSE), each in one line of JSON.

There is one way to write an envelope, and one to write the statement inside: keys sorted, no blanks, ASCII. What is
spelt otherwise is refused although its signature may hold, so that no byte of a file can be changed unnoticed, also
where the signature does not reach: blanks, the unused bits of base64, the order of keys.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import UnverifiedSignatureError, VerificationError
from securesystemslib.signer import Signature

if TYPE_CHECKING:
    from securesystemslib.signer import Key

    from harness.attestation.keys import Signing
    from harness.core.verdict import Json

PAYLOAD_TYPE = "application/vnd.in-toto+json"


class AlteredError(Exception):
    """It is no envelope as the harness writes them, or its signature is not that key's. The message says which."""


class _SignatureModel(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    keyid: str = Field(pattern=r"^[0-9a-f]{64}$")
    sig: str
    #: What a signature by an identity comes with: its certificate, and its entry in the public log.
    bundle: dict[str, Any] | None = None


class _EnvelopeModel(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    payload: str
    payloadType: str = Field(pattern=f"^{PAYLOAD_TYPE.replace('+', '[+]')}$")  # noqa: N815 - as DSSE spells it
    signatures: list[_SignatureModel] = Field(min_length=1, max_length=1)


@dataclass(frozen=True)
class Sealed:
    """An envelope that is written as it should be. Nothing is known of its signature before `hold` was asked."""

    line: bytes
    payload: bytes
    statement: Any
    keyid: str
    _signature: Signature

    @property
    def sha256(self) -> str:
        """Digest (hex) of the whole envelope, as other records name it."""
        return hashlib.sha256(self.line).hexdigest()

    def hold(self, key: Key) -> None:
        """Check the signature against the key that it names. Raises AlteredError."""
        try:
            Envelope(self.payload, PAYLOAD_TYPE, {self.keyid: self._signature}).verify([key], threshold=1)
        except (VerificationError, UnverifiedSignatureError) as error:
            raise AlteredError("its signature does not hold: something in it was changed, or forged") from error


def canonical(document: Json) -> bytes:
    """The one way in which a document is written. Raises ValueError for numbers that JSON has no word for."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")


def seal(statement: Json, signing: Signing) -> bytes:
    """The envelope of a statement as one line, with its end."""
    envelope = Envelope(canonical(statement), PAYLOAD_TYPE, {})
    signature = envelope.sign(signing.signer)
    bundle = signature.unrecognized_fields.get("bundle")
    # What comes with a bundle is base64 already, what a key of ours signs is hex.
    sig = signature.signature if bundle is not None else _base64(bytes.fromhex(signature.signature))
    signed: dict[str, Json] = {"keyid": signature.keyid, "sig": sig} | ({} if bundle is None else {"bundle": bundle})
    whole: Json = {
        "payload": _base64(envelope.payload),
        "payloadType": PAYLOAD_TYPE,
        "signatures": [signed],
    }
    return canonical(whole) + b"\n"


def opened(line: bytes) -> Sealed:
    """Read an envelope, with the end of its line. Raises AlteredError for what `seal` would not have written."""
    whole = _parsed(line.removesuffix(b"\n"), "the record")
    if canonical(whole) + b"\n" != line:
        raise AlteredError("it is not written as records are: a byte was changed, added or lost")
    try:
        model = _EnvelopeModel.model_validate(whole)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise AlteredError(f"it is no envelope: {where}: {first['msg']}") from error
    signed = model.signatures[0]
    payload = _decoded(model.payload)
    statement = _parsed(payload, "the statement in it")
    if canonical(statement) != payload:
        raise AlteredError("the statement in it is not written as statements are")
    if signed.bundle is None:
        signature = Signature(signed.keyid, _decoded(signed.sig).hex())
    else:
        signature = Signature(signed.keyid, signed.sig, {"bundle": signed.bundle})
    return Sealed(line, payload, statement, signed.keyid, signature)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _decoded(text: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise AlteredError("a part of it is no base64") from error
    if _base64(data) != text:
        raise AlteredError("a part of it is not written in base64 as records are")
    return data


def _parsed(data: bytes, what: str) -> Any:
    try:
        return json.loads(data.decode("ascii"), parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise AlteredError(f"{what} is no JSON as records have it") from error


def _no_number(word: str) -> float:
    raise ValueError(f"{word} is no number in JSON")
