"""One key after another: the word of a key that is retired on the one that comes after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.attestation import times
from harness.attestation.envelope import AlteredError, opened, seal
from harness.attestation.keys import trusted_once
from harness.attestation.statement import NEXT_KEY, NextKeyStatement, NoStatementError, made_at, read, statement
from harness.core.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.attestation.keys import Signing, TrustedKey
    from harness.core.verdict import Json


def vouched(last: Signing, made: TrustedKey) -> bytes:
    """The last record of a key: that the next one is this."""
    # Of the moment before it was retired, and so the last that is believed of it.
    when = last.trusted.retired or times.now()
    told: dict[str, Json] = {"time": times.spelt(when), "nonce": "", "public": made.pem}
    return seal(statement(NEXT_KEY, {"the next key": made.keyid}, told), last)


def followed(line: bytes, keys: Sequence[TrustedKey]) -> tuple[bytes, TrustedKey]:
    """The next public key (PEM) and the trusted key that vouches for it. Raises UserError."""
    remedy = "ask for the public key itself, on a way that you trust"
    try:
        sealed = opened(line)
        known = read(sealed.statement)
        key = next((key for key in keys if key.keyid == sealed.keyid), None)
        if key is None:
            raise UserError(f"nobody here trusts the key that vouches ({sealed.keyid[:12]})", remedy=remedy)
        sealed.hold(key.key)
    except (AlteredError, NoStatementError) as error:
        raise UserError(f"this is no word of one key on another: {error}", remedy=remedy) from error
    if not isinstance(known, NextKeyStatement):
        raise UserError("this is a record, and no word of one key on another", remedy=remedy)
    if why := key.against(made_at(known), times.now()):
        raise UserError(f"the key that vouches is not believed: {why}", remedy=remedy)
    if made_at(known) > times.now():
        raise UserError("it says that it was made later than now", remedy="look at the clocks of both machines")
    public = known.predicate.public.encode()
    if trusted_once(public, key.name).keyid != known.subject[0].digest.sha256:
        raise UserError("the key that it has is not the one that it names", remedy=remedy)
    return public, key
