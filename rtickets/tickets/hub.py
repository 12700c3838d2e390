"""Addresses of tickets on the Hugging Face Hub, and getting what is there.

Of a repository three files are taken, by their names, whatever else it holds; none is executed.
HF_ENDPOINT, HF_TOKEN and HF_HOME say where the hub is, who asks and where files are kept, as they
do for all that uses `huggingface_hub`.
"""

import errno
import importlib.util
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from rtickets.errors import InputError, printable

SCHEME = "hf://"
FILES = ("ticket.json", "mask.safetensors", "weights.safetensors")
_OURS = {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS}  # this machine's own trouble
_PART = r"[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"hf://({_PART}/{_PART})(?:@([\w][\w./-]*))?", re.ASCII)


class Address(NamedTuple):
    """Where a ticket is.

    Attributes:
        repository: OWNER/NAME.
        revision: a branch, a tag or a commit; None is the main branch.
    """

    repository: str
    revision: str | None

    def __str__(self) -> str:
        """Return the address as it is written."""
        return f"{SCHEME}{self.repository}" + (f"@{self.revision}" if self.revision else "")


def is_address(text: object) -> bool:
    """Return whether a word is meant as an address."""
    return isinstance(text, str) and text.startswith(SCHEME)


def read_address(text: str) -> Address:
    """Return the address that a word names, or raise InputError."""
    match = _ADDRESS.fullmatch(text)
    if match is None or ".." in text or "--" in text:
        raise InputError(f"{text!r} is no address of a ticket; give hf://OWNER/NAME@REVISION")
    return Address(match[1], match[2])


def endpoint() -> str | None:
    """Return where the hub is, None for where `huggingface_hub` looks."""
    return os.environ.get("HF_ENDPOINT") or None


def fetch(text: str) -> Path:
    """Return a folder with the files of a ticket, as they are in one commit of a repository.

    They are kept where `huggingface_hub` keeps files, and taken from there where it has no network.
    Whoever reads them checks their digests.

    Raises:
        InputError: for what is no address, or cannot be had.
    """
    address = read_address(text)
    check_installed()
    with told(address):
        from huggingface_hub import snapshot_download

        return Path(
            snapshot_download(
                address.repository,
                revision=address.revision,
                allow_patterns=list(FILES),
                endpoint=endpoint(),
            )
        )


def check_installed() -> None:
    """Raise InputError without `huggingface_hub`."""
    if importlib.util.find_spec("huggingface_hub") is None:
        raise InputError("hf:// needs huggingface_hub: pip install 'rtickets[hub]'")


@contextmanager
def told(address: Address) -> Iterator[None]:
    """Turn what goes wrong on the way to the hub and back into an InputError of a line."""
    try:
        yield
    except Exception as error:  # versions of the client raise those of several libraries
        if isinstance(error, OSError) and error.errno in _OURS:
            raise
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        why = printable(" ".join(lines)[:300])
        raise InputError(
            f"{address} cannot be reached: {type(error).__name__}: {why}; check the address, the "
            "network, and HF_TOKEN where it is private"
        ) from None
