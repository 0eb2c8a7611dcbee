"""`harness keys`: the key that records are signed with here, and those of others that are trusted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.progress import tell

if TYPE_CHECKING:
    from harness.attestation.keys import TrustedKey

#: As `harness.attestation.keys.DAYS`, which the help must not load.
_DAYS = 730
_days = click.option(
    "--days", default=_DAYS, show_default=True, type=click.IntRange(1, 36500), help="How long it is believed."
)


@click.group("keys")
def keys_command() -> None:
    """Make, show and replace the key that records are signed with, and say whose records are believed."""


@keys_command.command("init")
@_days
@click.option("--identity", metavar="NAME", help="Sign by this identity (sigstore), with no key of one's own.")
@click.option("--issuer", metavar="URL", help="Who vouches for that identity.")
def init_command(*, days: int, identity: str | None, issuer: str | None) -> None:
    """Make this installation's key."""
    from harness.attestation.keys import Keyring  # noqa: PLC0415 - the help of the command needs none of it

    ring = Keyring()
    if (identity is None) != (issuer is None):
        raise click.UsageError("--identity and --issuer go together")
    made = ring.init(days) if identity is None or issuer is None else ring.init_identity(identity, issuer, days)
    tell(f"made the key {made.keyid[:12]} in {ring.folder}, believed until {made.until:%Y-%m-%d}")
    tell("give others what `harness keys show --pem` prints; they say `harness keys trust FILE --name NAME`")


@keys_command.command("show")
@click.option("--pem", is_flag=True, help="Print the public key alone, as others and openssl take it.")
def show_command(*, pem: bool) -> None:
    """List the keys that are known here, this installation's own first."""
    from harness.attestation.keys import Keyring  # noqa: PLC0415 - as above
    from harness.core import text as sanitize  # noqa: PLC0415
    from harness.core.errors import UserError  # noqa: PLC0415

    ring = Keyring()
    if pem:
        own = ring.own()
        if own is None or not own.pem:
            raise UserError("this installation has no key of its own", remedy="make one with `harness keys init`")
        click.echo(own.pem, nl=False)
        return
    keys = ring.trusted()
    if not keys:
        tell(f"no key in {ring.folder}: `harness keys init` makes one, and so does the first record")
    for key in keys:
        tell(f"{key.keyid}  {sanitize.one_line(key.name)}  {_state(key)}")


def _state(key: TrustedKey) -> str:
    from harness.attestation import times  # noqa: PLC0415 - as above

    if key.distrusted:
        return "not trusted"
    if key.until < times.now():
        return f"expired on {key.until:%Y-%m-%d}"
    told = f"until {key.until:%Y-%m-%d}"
    return told if key.retired is None else f"retired on {key.retired:%Y-%m-%d}, what it signed is believed {told}"


@keys_command.command("rotate")
@_days
@click.option(
    "--output", type=click.Path(path_type=Path), metavar="FILE", help="For the old key's word on the new one."
)
def rotate_command(*, days: int, output: Path | None) -> None:
    """Put a new key in the place of today's, whose private part is removed; what it signed is believed as before.

    With --output, the old key's last record vouches for the new one: who trusts the old one can give that file to
    `harness keys trust`.
    """
    from harness.attestation.keys import Keyring  # noqa: PLC0415 - as above
    from harness.attestation.next_key import vouched  # noqa: PLC0415
    from harness.cli.record_file import check_record, write_records  # noqa: PLC0415

    if output is not None:
        check_record(output)
    ring = Keyring()
    done = ring.rotate(days, vouching=output is not None)
    tell(f"made the key {done.made.keyid[:12]} in {ring.folder}; {done.old.keyid[:12]} is retired")
    if output is not None and done.last is not None:
        write_records(vouched(done.last, done.made), output)


@keys_command.command("trust")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--name", metavar="NAME", help="What to call it.  [default: the file's name, or the old key's]")
@_days
def trust_command(file: Path, *, name: str | None, days: int) -> None:
    """Believe the records of a key: FILE is a public key, or the word of a trusted key on the one after it."""
    from harness.attestation.keys import Keyring  # noqa: PLC0415 - as above
    from harness.attestation.next_key import followed  # noqa: PLC0415
    from harness.core.files import SMALL, load_bytes  # noqa: PLC0415

    ring = Keyring()
    data = load_bytes(file, SMALL, "the key", links=True)
    if data.startswith(b"{"):
        data, old = followed(data, ring.trusted())
        name = name or old.name
    key = ring.trust(data, name or file.stem, days)
    tell(f"trusts the key {key.keyid[:12]} ({key.name}) until {key.until:%Y-%m-%d}")


@keys_command.command("trust-identity")
@click.argument("identity")
@click.argument("issuer")
@click.option("--name", required=True, metavar="NAME", help="What to call it.")
@_days
def trust_identity_command(identity: str, issuer: str, *, name: str, days: int) -> None:
    """Believe what IDENTITY signs (sigstore), for whom ISSUER vouches. Verifying it takes the network."""
    from harness.attestation.keys import Keyring  # noqa: PLC0415 - as above

    key = Keyring().trust_identity(identity, issuer, name, days)
    tell(f"trusts {identity} as {key.keyid[:12]} ({key.name}) until {key.until:%Y-%m-%d}")


@keys_command.command("distrust")
@click.argument("keyid")
def distrust_command(keyid: str) -> None:
    """Believe nothing any more that a key has signed or will sign; KEYID is the beginning of its id."""
    from harness.attestation.keys import Keyring  # noqa: PLC0415 - as above

    key = Keyring().distrust(keyid)
    tell(f"does not trust the key {key.keyid[:12]} ({key.name}) any more")
