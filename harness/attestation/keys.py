"""The installation's own key, and the keys of others that it trusts: two files in a folder of the user's.

`signing.pem` is the private key (Ed25519, PKCS 8), which only its owner may read; `trusted.json` has the public ones,
ours among them, and from when to when each is believed. The folder is HARNESS_KEYS, else below XDG_CONFIG_HOME or
~/.config.

Covered: a private key that others may read is not used, and a list that others may write is not believed; one that is
replaced leaves no copy; nothing here is ever mounted, logged, exported or handed to another process. Not covered: who
can read this user's files can sign as it.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from securesystemslib.exceptions import UnsupportedLibraryError
from securesystemslib.signer import CryptoSigner, SigstoreKey, SigstoreSigner, SSlibKey

from harness.attestation import times
from harness.core import text as sanitize
from harness.core.errors import UserError
from harness.core.files import SMALL, load_bytes, read_bytes, write_whole
from harness.core.waiting import alone

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from securesystemslib.signer import Key, Signer

#: How long a key is believed from when it was made, in days, unless somebody says otherwise.
DAYS = 730
_PRIVATE, _TRUSTED = "signing.pem", "trusted.json"
_MAKE = "make one with `harness keys init`"
_NO_KEY = "this installation has no key to sign with"
_LOST = "restore it; without it, `harness keys rotate` makes another"
#: What ours are called; nobody else's are.
_OURS = "this installation"


class _Entry(BaseModel):
    """A key as `trusted.json` has it. Of an Ed25519 key `public` is its PEM; of an identity, who vouches for whom."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    keyid: str = Field(pattern=r"^[0-9a-f]{64}$")
    name: str
    own: bool
    public: str = ""
    identity: str = ""
    issuer: str = ""
    since: str | None
    until: str
    retired: str | None
    distrusted: bool


class _Trusted(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    keys: list[_Entry]


@dataclass(frozen=True)
class TrustedKey:
    """A public key and what is known of it.

    `since` is None for a key of others, of which nobody here knows when it was made. After `until` it is not believed
    any more; what it signed before it was `retired` still is. `distrusted` is somebody's word, and final.
    """

    key: Key
    name: str
    own: bool
    since: datetime | None
    until: datetime
    retired: datetime | None = None
    distrusted: bool = False

    @property
    def keyid(self) -> str:
        """SHA-256 (hex) of the public key, as the signature names it."""
        return str(self.key.keyid)

    @property
    def pem(self) -> str:
        """The public key for other programs; empty for an identity."""
        return _pem(self.key) if isinstance(self.key, SSlibKey) else ""

    def against(self, made: datetime, at: datetime) -> str:
        """Why a record that says that it was made then is not believed at that time; empty where it is."""
        if self.distrusted:
            return "its key is not trusted any more"
        if at > self.until:
            return f"its key expired on {self.until:%Y-%m-%d}"
        if made > self.until:
            return f"it says that it was made after its key had expired, on {self.until:%Y-%m-%d}"
        if self.since is not None and made < self.since:
            return f"it says that it was made before its key was, on {times.spelt(self.since)}"
        if self.retired is not None and made > self.retired:
            return f"it says that it was made after its key was retired, on {times.spelt(self.retired)}"
        return ""


@dataclass(frozen=True)
class Signing:
    """The installation's key with what signs by it."""

    trusted: TrustedKey
    signer: Signer


def folder_of(environment: Mapping[str, str] | None = None) -> Path:
    """Where this user's keys lie."""
    environment = os.environ if environment is None else environment
    if chosen := environment.get("HARNESS_KEYS"):
        return Path(chosen).expanduser().absolute()
    if (home := environment.get("XDG_CONFIG_HOME", "")) and Path(home).is_absolute():
        return Path(home) / "harness" / "keys"
    return Path.home() / ".config" / "harness" / "keys"


@dataclass(frozen=True)
class Rotated:
    """A key that was replaced, what it signs with for the last time where that was asked for, and the one after it."""

    old: TrustedKey
    last: Signing | None
    made: TrustedKey


class Keyring:
    """The keys below a folder. Raises UserError for what a person has to mend."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or folder_of()

    @property
    def private(self) -> Path:
        """Where the private key lies."""
        return self.folder / _PRIVATE

    def trusted(self) -> tuple[TrustedKey, ...]:
        """All keys that are known here, ours first."""
        path = self.folder / _TRUSTED
        if not path.exists():
            return ()
        for each in (self.folder, path):
            _refuse_what_others_write(each)
        data = load_bytes(path, SMALL, "the list of trusted keys")
        try:
            found = [_read(entry) for entry in _Trusted.model_validate_json(data).keys]
            if len({key.keyid for key in found}) < len(found):  # one may say that it is trusted, and one that it is not
                raise ValueError("a key stands there twice")
        except (ValidationError, ValueError, UnsupportedAlgorithm) as error:
            raise UserError(f"{path} is no list of keys: {_first(error)}", remedy="restore it, or remove it") from error
        return tuple(sorted(found, key=lambda each: (not each.own, each.name, each.keyid)))

    def own(self) -> TrustedKey | None:
        """The key that is signed with today."""
        return next((key for key in self.trusted() if key.own and key.retired is None and not key.distrusted), None)

    def signing(self) -> Signing:
        """What signs. Raises UserError where there is no key, or it has expired, or others may read it."""
        own = self.own()
        if own is None:
            had = any(key.own for key in self.trusted())
            why = "this installation's key is retired or not trusted any more" if had else _NO_KEY
            raise UserError(why, remedy=_MAKE)
        if times.now() > own.until:
            raise UserError(
                f"this installation's key expired on {own.until:%Y-%m-%d}", remedy="`harness keys rotate` makes another"
            )
        if isinstance(own.key, SigstoreKey):
            return Signing(own, _by_identity(own.key))
        return Signing(own, self._signer(own))

    def or_new(self) -> tuple[Signing, bool]:
        """What signs, made now where this installation never had a key; and whether it was."""
        if any(key.own for key in self.trusted()):
            return self.signing(), False
        with self._changing():
            fresh = not any(key.own for key in self.trusted())
            if fresh:
                self._none_yet()
                self._make(DAYS)
        return self.signing(), fresh

    def init(self, days: int = DAYS) -> TrustedKey:
        """Make the installation's key. Raises UserError where there is one."""
        with self._changing():
            self._none_yet()
            return self._make(days)

    def init_identity(self, identity: str, issuer: str, days: int = DAYS) -> TrustedKey:
        """Sign by an identity of the network's (sigstore), for which nothing secret is kept here."""
        with self._changing():
            self._none_yet()
            key = _identity(identity, issuer)
            self._refuse_distrusted(key)
            return self._add(_own(key, days))

    def rotate(self, days: int = DAYS, *, vouching: bool = False) -> Rotated:
        """Make another key in place of today's, which is retired and removed.

        What the old key signed is believed as before. Only where it is to vouch for the new one does it have to be
        there and to be of use still. Raises UserError where there is none.
        """
        with self._changing():
            old = self.own()
            if old is None:
                raise UserError("there is no key to put another in the place of", remedy=_MAKE)
            last = self.signing().signer if vouching else None
            retired = replace(old, retired=times.now())
            # In this order: should the machine stop in between, the old key is retired, and there is none to sign with.
            self._write([retired if key.keyid == old.keyid else key for key in self.trusted()])
            made = self._make(days)
            return Rotated(retired, None if last is None else Signing(retired, last), made)

    def trust(self, public: bytes, name: str, days: int = DAYS) -> TrustedKey:
        """Believe records that are signed by a key of somebody else's (PEM). Raises UserError for what is none."""
        return self._trust(_public_key(public), name, days)

    def trust_identity(self, identity: str, issuer: str, name: str, days: int = DAYS) -> TrustedKey:
        """Believe records that are signed by an identity of the network's, for which an issuer vouches."""
        return self._trust(_identity(identity, issuer), name, days)

    def _trust(self, key: Key, name: str, days: int) -> TrustedKey:
        until = times.now() + timedelta(days=days)
        with self._changing():
            known = next((each for each in self.trusted() if each.keyid == key.keyid), None)
            if known is not None and known.own:
                raise UserError("this is a key of this installation's own", remedy="it is trusted as it is")
            self._refuse_distrusted(key)
            return self._add(TrustedKey(key, _name(name), own=False, since=None, until=until))

    def _refuse_distrusted(self, key: Key) -> None:
        """Somebody's word that a key is not to be believed is not taken back by the way."""
        if any(each.distrusted and each.keyid == key.keyid for each in self.trusted()):
            raise UserError(
                f"the key {key.keyid[:12]} was distrusted here, which is final",
                remedy="ask its owner for another (`harness keys rotate`)",
            )

    def distrust(self, start: str) -> TrustedKey:
        """Believe nothing any more that a key has signed; it is named by the first digits of its id."""
        with self._changing():
            keys = self.trusted()
            found = [key for key in keys if len(start) >= 8 and key.keyid.startswith(start)]
            if len(found) != 1:
                raise UserError(
                    f"{len(found)} keys begin with {start!r:.70}",
                    remedy="give eight digits or more of one that `harness keys show` lists",
                )
            changed = replace(found[0], distrusted=True)
            self._write([changed if key is found[0] else key for key in keys])
            return changed

    def _none_yet(self) -> None:
        if self.own() is not None:
            raise UserError(
                f"this installation has a key already, in {self.folder}", remedy="`harness keys rotate` makes another"
            )
        # What lies there may be of a key that is retired or not trusted. Of any other nothing is known.
        if self.private.exists() and not any(key.own for key in self.trusted()):
            raise UserError(
                f"there is a private key in {self.folder}, and no list that has it ({_TRUSTED})",
                remedy=f"restore the list, or remove {self.private}: nobody can be told to trust it then",
            )

    def _make(self, days: int) -> TrustedKey:
        """A new private key on the disk, and its public one in the list."""
        private = Ed25519PrivateKey.generate()
        pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        made = _own(SSlibKey.from_crypto(private.public_key()), days)
        write_whole(self.private, pem, 0o600)
        return self._add(made)

    def _add(self, key: TrustedKey) -> TrustedKey:
        self._write([*(each for each in self.trusted() if each.keyid != key.keyid), key])
        return key

    def _write(self, keys: Sequence[TrustedKey]) -> None:
        document = _Trusted(keys=[_entry(key) for key in keys]).model_dump()
        write_whole(self.folder / _TRUSTED, (json.dumps(document, indent=1) + "\n").encode(), 0o600)

    @contextlib.contextmanager
    def _changing(self) -> Iterator[None]:
        """One process at a time changes the keys, in a folder that is its user's alone."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with alone(self.folder / "lock"):
                yield
        except OSError as error:
            raise UserError(
                f"keys cannot be written in {self.folder}: {error.strerror}",
                remedy="check the folder's permissions, or name another in HARNESS_KEYS",
            ) from error

    def _signer(self, own: TrustedKey) -> Signer:
        signer = CryptoSigner(self._load_private())
        if signer.public_key.keyid != own.keyid:
            raise UserError(f"{self.private} is not the key of {self.folder / _TRUSTED}", remedy="restore one of them")
        return signer

    def _load_private(self) -> Ed25519PrivateKey:
        path = self.private
        try:
            data = read_bytes(path, SMALL)  # refuses what is no regular file
            about = path.lstat()
            if about.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise UserError(
                    f"others may read {path}",
                    remedy=f"chmod 600 {path}, or, as it may be known: `harness keys rotate`",
                )
            if about.st_uid != os.geteuid():
                raise UserError(f"{path} is somebody else's file", remedy="use a folder of your own: HARNESS_KEYS")
            key = load_pem_private_key(data, password=None)
        except OSError as error:
            raise UserError(f"{path} cannot be read: {error.strerror}", remedy=_LOST) from error
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise UserError(f"{path} is no private key", remedy=_LOST) from error
        if not isinstance(key, Ed25519PrivateKey):
            raise UserError(f"{path} is a key of another kind", remedy=_LOST)
        return key


def _refuse_what_others_write(path: Path) -> None:
    """Who can write the list, or put another in its place, decides whose records are believed. Raises UserError."""
    about = path.stat()
    if about.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise UserError(f"others may write {path}", remedy=f"look at what `harness keys show` lists; chmod go-w {path}")
    if about.st_uid not in {0, os.geteuid()}:
        raise UserError(f"{path} is somebody else's", remedy="use a folder of your own: HARNESS_KEYS")


def _own(key: Key, days: int) -> TrustedKey:
    made = times.now()
    return TrustedKey(key, _OURS, own=True, since=made, until=made + timedelta(days=days))


def _identity(identity: str, issuer: str) -> SigstoreKey:
    """The key that stands for an identity. Raises UserError for what nobody can be called."""
    if not all(text and text == sanitize.one_line(text) for text in (identity, issuer)):
        raise UserError("an identity and its issuer are each one line of plain text", remedy="look at both")
    key: SigstoreKey = SigstoreSigner.import_(identity, issuer)[1]
    return key


def _by_identity(key: SigstoreKey) -> Signer:
    """What signs by the identity that this process has: a CI job's, as its host vouches for it."""
    try:
        return SigstoreSigner.from_priv_key_uri("sigstore:", key)
    except UnsupportedLibraryError as error:
        raise UserError(
            "signing by an identity needs the package sigstore",
            remedy="pip install 'preference-loss-harness[sigstore]'",
        ) from error
    except (ValueError, RuntimeError) as error:
        raise UserError(
            f"this process has no identity to sign by: {error}", remedy="sign in a CI job that has one, or with a key"
        ) from error


def _entry(key: TrustedKey) -> _Entry:
    identity = key.key.keyval if isinstance(key.key, SigstoreKey) else {}
    return _Entry(
        keyid=key.keyid,
        name=key.name,
        own=key.own,
        public=key.pem,
        identity=str(identity.get("identity", "")),
        issuer=str(identity.get("issuer", "")),
        since=None if key.since is None else times.spelt(key.since),
        until=times.spelt(key.until),
        retired=None if key.retired is None else times.spelt(key.retired),
        distrusted=key.distrusted,
    )


def _read(entry: _Entry) -> TrustedKey:
    key: Key
    key = _ed25519(entry.public.encode()) if entry.public else _identity(entry.identity, entry.issuer)
    if key.keyid != entry.keyid:
        raise ValueError(f"{entry.keyid:.12} is not the id of its key")
    since, retired = (None if text is None else times.read(text) for text in (entry.since, entry.retired))
    return TrustedKey(key, entry.name, entry.own, since, times.read(entry.until), retired, entry.distrusted)


def _pem(key: SSlibKey) -> str:
    public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(key.keyval["public"]))
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def _name(text: str) -> str:
    """A name to show: one line of plain text."""
    name = sanitize.one_line(text).strip()
    if not name or name != text or name == _OURS:
        raise UserError(f"{text!r:.60} cannot be a key's name", remedy="give one short line of text: --name NAME")
    return name


def _first(error: Exception) -> str:
    return str(error.errors()[0]["msg"]) if isinstance(error, ValidationError) else str(error)


def trusted_once(public: bytes, name: str) -> TrustedKey:
    """A public key (PEM) that somebody vouches for at this moment, and of which nothing is kept. Raises UserError."""
    until = datetime.max.replace(tzinfo=UTC)
    return TrustedKey(_public_key(public), sanitize.one_line(name), own=False, since=None, until=until)


def _public_key(pem: bytes) -> SSlibKey:
    try:
        return _ed25519(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UserError(
            "this is no public key of the kind that records are signed with (Ed25519)",
            remedy="give a file as `harness keys show --pem` writes it",
        ) from error


def _ed25519(pem: bytes) -> SSlibKey:
    if pem.count(b"-----BEGIN") != 1:  # of several the first alone would be taken, and nobody told
        raise ValueError("not one key")
    key = load_pem_public_key(pem)
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError("a key of another kind than Ed25519")  # noqa: TRY004 - it is what the bytes say that is wrong
    return SSlibKey.from_crypto(key)
