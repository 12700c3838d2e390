"""Tickets to the Hugging Face Hub and from it."""

import hashlib
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rtickets.errors import InputError
from rtickets.platform.foreign import without_secrets
from rtickets.storage import guarded
from rtickets.storage.files import write_bytes
from rtickets.storage.temporary import temporary_name
from rtickets.tickets import hub, inspect
from rtickets.tickets.card import card
from rtickets.tickets.description import read_description

_LICENCE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")
# What may be a place in a text: /x ~/x ../x \\x after its start, a blank or a sign; X:/ X:\ /../
_PLACE = re.compile(
    r"""(?:^|[\s,;:='"(<{\[|])(?:/[\w.~-]|~(?:[A-Za-z_][\w.-]*)?(?:[/\\]|$)|\\\\\w|\.\.?[/\\])"""
    r"""|\w:[/\\]|[/\\]\.\.(?:[/\\]|$)"""
)


class Parcel(NamedTuple):
    """What is about to be published.

    Attributes:
        address: where to.
        files: contents by name, the card under 'README.md'.
        digest: SHA-256 of `ticket.json`.
        paths: texts of `ticket.json` that name a place, on this machine or elsewhere, and that
            everybody could read.
    """

    address: hub.Address
    files: Mapping[str, bytes]
    digest: str
    paths: Sequence[str]


def pack(
    folder: Path,
    address: str,
    license_name: str,
    measured: Mapping[str, Sequence[str]] | None = None,
) -> Parcel:
    """Read and check a ticket, and write its card; nothing is sent.

    Args:
        folder: the ticket's.
        address: hf://OWNER/NAME@BRANCH.
        license_name: of the weights, as the hub calls it, such as 'apache-2.0'.
        measured: see `rtickets.tickets.card.card`.

    Raises:
        InputError: for a ticket that `rtickets ticket verify` refuses, what is no address, or where
            everybody could read a password.
    """
    to, ticket = hub.read_address(address), inspect.verify(folder)
    if not _LICENCE.fullmatch(license_name):
        raise InputError(f"{license_name!r} is no name of a licence; give one such as apache-2.0")
    files = {name: (folder / name).read_bytes() for name in hub.FILES}
    digest = hashlib.sha256(files["ticket.json"]).hexdigest()
    text = card(ticket, to, digest, license_name, measured or {})
    said = sorted(set(_texts(read_description(folder)["meta"])))
    for one in (*said, *text.splitlines()):
        if (shown := without_secrets(one)) != one:
            raise InputError(
                f"a password or key would be published: {shown!r:.300}; give such addresses "
                "without it, and make the ticket, or the evaluation, again"
            )
    places = [one for one in said if _PLACE.search(one)]
    return Parcel(to, {**files, "README.md": text.encode()}, digest, places)


def _texts(value: Any) -> Iterator[str]:
    """Yield all text in a value of JSON, keys too."""
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield key
            yield from _texts(part)
    elif isinstance(value, list):
        for part in value:
            yield from _texts(part)
    elif isinstance(value, str):
        yield value


def push(parcel: Parcel, *, private: bool = False) -> str:
    """Publish a ticket as one commit, and return that; the repository is made where there is none.

    Raises:
        InputError: where the hub cannot be reached or refuses.
    """
    hub.check_installed()
    with hub.told(parcel.address):
        from huggingface_hub import CommitOperationAdd, HfApi

        api, repository = HfApi(endpoint=hub.endpoint()), parcel.address.repository
        api.create_repo(repository, private=private, exist_ok=True)
        done = api.create_commit(
            repository,
            [CommitOperationAdd(name, data) for name, data in parcel.files.items()],
            commit_message=f"Ticket {parcel.digest[:10]}",
            revision=parcel.address.revision,
        )
        return str(done.oid)


def pull(address: str, folder: Path, sha256: str | None = None) -> str:
    """Bring a ticket from the hub into a folder of its own, which is there whole or not at all.

    Args:
        address: hf://OWNER/NAME@REVISION.
        folder: must not exist.
        sha256: the digest that its `ticket.json` must have; None takes what is there.

    Returns:
        The digest of its `ticket.json`.

    Raises:
        InputError: if the folder exists, or the ticket cannot be had, is another or is damaged.
    """
    hub.read_address(address)
    guarded.check_no_link(folder)
    if folder.exists():
        raise InputError(f"{folder} exists; choose another folder for the ticket")
    source = hub.fetch(address)
    temporary = temporary_name(folder)
    try:
        temporary.mkdir(parents=True)
        for name in hub.FILES:
            write_bytes(temporary / name, (source / name).read_bytes())
        digest = hashlib.sha256((temporary / "ticket.json").read_bytes()).hexdigest()
        if sha256 is not None and digest != sha256.lower():
            raise InputError(f"{address} has the digest {digest}; expected {sha256}")
        inspect.verify(temporary)
        temporary.replace(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return digest
