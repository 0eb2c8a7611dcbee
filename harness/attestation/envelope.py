"""Envelopes: a statement's exact bytes with a signature over them (DSSE), each in one line of JSON.

There is one way to write an envelope, and one to write the statement inside: keys sorted, no blanks, ASCII. What is
spelt otherwise is refused although its signature may hold, so that no byte of a file can be changed unnoticed, also
where the signature does not reach: blanks, the unused bits of base64, the order of keys.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import importlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import UnverifiedSignatureError
from securesystemslib.signer import Signature, SigstoreKey

from harness.core import text as sanitize

if TYPE_CHECKING:
    from securesystemslib.signer import Key

    from harness.attestation.keys import Signing
    from harness.core.verdict import Json

PAYLOAD_TYPE = "application/vnd.in-toto+json"
#: No record is as long. What is longer is not read: it costs many times its size.
LONGEST = 16 << 20
#: What of a bundle is the signature itself.
_IN_BUNDLE = ("messageSignature", "signature")


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
    payloadType: Literal["application/vnd.in-toto+json"]  # noqa: N815 - as DSSE spells it
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
        if key.keyid != self.keyid:
            raise AlteredError("it is signed with another key")
        by_identity = isinstance(key, SigstoreKey)
        # Neither kind of key looks at what the other needs, so that it could be added or changed unnoticed.
        if by_identity != ("bundle" in self._signature.unrecognized_fields):
            raise AlteredError("it is not signed in the way of its key: something was added or left out")
        try:
            # Asked of the key itself: an envelope of theirs does not pass on why it could not be asked.
            key.verify_signature(self._signature, Envelope(self.payload, PAYLOAD_TYPE, {}).pae())
        except UnverifiedSignatureError as error:
            if isinstance(error.__cause__, ImportError):
                raise AlteredError(
                    "it is signed by an identity, and to verify that takes the package sigstore: "
                    "pip install 'preference-loss-harness[sigstore]'"
                ) from error
            raise AlteredError("its signature does not hold: something in it was changed, or forged") from error
        bundle = self._signature.unrecognized_fields.get("bundle")
        # Its reader takes a bundle in more than one spelling: unused bits of base64, names with other letters.
        if by_identity and _rewritten(bundle) != bundle:
            raise AlteredError("its bundle is not written as bundles are")


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
    if len(line) > LONGEST:
        raise AlteredError(f"it is longer than any record: {len(line)} bytes")
    whole = _parsed(line.removesuffix(b"\n"), "the record")
    if canonical(whole) + b"\n" != line:
        raise AlteredError("it is not written as records are: a byte was changed, added or lost")
    try:
        model = _EnvelopeModel.model_validate(whole)
    except ValidationError as error:
        first = error.errors()[0]
        where = sanitize.path(".".join(map(str, first["loc"])))  # it may be a name of a stranger's making
        raise AlteredError(f"it is no envelope: {where}: {first['msg']}") from error
    signed = model.signatures[0]
    if signed.bundle is None and "bundle" in signed.model_fields_set:
        raise AlteredError("it is no envelope: a bundle that is none")
    payload = _decoded(model.payload)
    statement = _parsed(payload, "the statement in it")
    if canonical(statement) != payload:
        raise AlteredError("the statement in it is not written as statements are")
    if signed.bundle is None:
        signature = Signature(signed.keyid, _decoded(signed.sig).hex())
    else:
        # Only the bundle is verified: what stands beside it has to be what is in it.
        if _signature_in(signed.bundle) != signed.sig:
            raise AlteredError("its signature is not the one in its bundle")
        signature = Signature(signed.keyid, signed.sig, {"bundle": signed.bundle})
    return Sealed(line, payload, statement, signed.keyid, signature)


def _signature_in(bundle: Any) -> Any:
    for name in _IN_BUNDLE:
        bundle = bundle.get(name) if isinstance(bundle, dict) else None
    return bundle


def _rewritten(bundle: Any) -> Any:
    """A bundle as sigstore itself writes it."""
    read = importlib.import_module("sigstore.models").Bundle.from_json(json.dumps(bundle))
    return json.loads(read.to_json())


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
        parsed = json.loads(data.decode("ascii"), parse_constant=_no_number)
        canonical(parsed)  # a number may be too large for what it is read as
    except (ValueError, RecursionError) as error:
        raise AlteredError(f"{what} is no JSON as records have it") from error
    return parsed


def _no_number(word: str) -> float:
    raise ValueError(f"{word} is no number in JSON")
