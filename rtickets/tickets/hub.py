"""Addresses of tickets on the Hugging Face Hub, and getting what is there.

Of a repository three files are taken, by their names, whatever else it holds; none is executed.
How large they are is asked before, and must be what a ticket of that description can have.
HF_ENDPOINT, HF_TOKEN and HF_HOME say where the hub is, who asks and where files are kept, as they
do for all that uses `huggingface_hub`.
"""

import errno
import importlib.util
import math
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from rtickets.errors import InputError
from rtickets.platform import foreign
from rtickets.tickets.description import read_description

SCHEME = "hf://"
FILES = ("ticket.json", "mask.safetensors", "weights.safetensors")
_GB, _MOST = "RTICKETS_HUB_GB", "8"  # that all three may have, and the weights in memory
_BYTES = 4  # of a weight
_DESCRIPTION = 100 * 10**6  # bytes that ticket.json may have
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
        InputError: for what is no address, cannot be had, is incomplete, or is larger than
            RTICKETS_HUB_GB or than a ticket of its description.
    """
    address, most = read_address(text), _most()
    check_installed()
    with told(address):
        from huggingface_hub import HfApi
        from huggingface_hub.errors import RevisionNotFoundError

        try:
            about = HfApi(endpoint=endpoint()).model_info(
                address.repository, revision=address.revision or "main", files_metadata=True
            )
        except RevisionNotFoundError:
            raise
        except Exception:
            try:
                return _check_there(address, _snapshot(address, FILES, local_files_only=True))
            except Exception as error:
                unknown = error
            if isinstance(unknown, InputError):
                raise unknown from None
            raise  # why the hub could not be asked tells more
        sizes = {one.rfilename: one.size or 0 for one in about.siblings or ()}
        _check_sizes(address, sizes, most)
        folder = _snapshot(address, FILES[:1])
        if folder.name != about.sha:
            raise InputError(f"{address} was changed while it was fetched; give it once more")
        _check_mask(address, sizes, read_description(folder), most)
        return _check_there(address, _snapshot(address._replace(revision=about.sha), FILES))


def _snapshot(address: Address, names: tuple[str, ...], **options: Any) -> Path:
    from huggingface_hub import snapshot_download

    found: Any = snapshot_download(
        address.repository,
        revision=address.revision,
        allow_patterns=list(names),
        endpoint=endpoint(),
        **options,
    )
    return Path(found)


def _most() -> float:
    """Return how many bytes a ticket may have."""
    text = os.environ.get(_GB) or _MOST
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not 0 < found < math.inf:
        raise InputError(f"{_GB}={text!r} is no size; give 10^9 bytes, such as {_GB}={_MOST}")
    return found * 1e9


def _check_sizes(address: Address, sizes: Mapping[str, int], most: float) -> None:
    missing = [name for name in FILES if name not in sizes]
    if missing:
        raise InputError(f"{address} is incomplete: {missing[0]} is missing")
    if sizes[FILES[0]] > _DESCRIPTION:
        raise InputError(f"{address} is no ticket: its ticket.json has {sizes[FILES[0]]:,} bytes")
    total = sum(sizes[name] for name in FILES)
    if total > most:
        raise InputError(
            f"{address} has {total:,} bytes, and {most:,.0f} may be fetched; if you expect so "
            f"many, set {_GB}={math.ceil(total / 1e9)}"
        )


def _check_mask(
    address: Address, sizes: Mapping[str, int], described: Mapping[str, Any], most: float
) -> None:
    """Refuse a mask that has not the bits, and about the names, of the leaves in ticket.json.

    Nor may these be too many: pruned weights take no place in a file, and do in memory.
    """
    weights = sum(math.prod(shape) for shape in described["shapes"].values())
    if (needed := _BYTES * weights) > most:
        raise InputError(
            f"{address} has {weights:,} weights, of {needed:,} bytes in memory, and {most:,.0f} "
            f"may be fetched; if you expect so many, set {_GB}={math.ceil(needed / 1e9)}"
        )
    bits = sum(-(-math.prod(shape) // 8) for shape in described["shapes"].values())
    names = sum(1000 + 6 * len(name) for name in described["shapes"])
    found = sizes["mask.safetensors"]
    if not bits <= found <= bits + names + 10_000:
        raise InputError(
            f"{address} is no ticket: mask.safetensors has {found:,} bytes, and the shapes in its "
            f"ticket.json need {bits:,}"
        )


def _check_there(address: Address, folder: Path) -> Path:
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        raise InputError(f"{address} is incomplete: {missing[0]} is missing in {folder}")
    return folder


def check_installed() -> None:
    """Raise InputError without `huggingface_hub`."""
    if importlib.util.find_spec("huggingface_hub") is None:
        raise InputError("hf:// needs huggingface_hub: pip install 'rtickets[hub]'")


@contextmanager
def told(address: Address) -> Iterator[None]:
    """Turn what goes wrong on the way to the hub and back into an InputError of a line."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # versions of the client raise those of several libraries
        if isinstance(error, OSError) and error.errno in _OURS:
            raise
        raise InputError(
            f"{address} cannot be reached: {foreign.as_line(error)}; check the address, the "
            "network, and HF_TOKEN where it is private"
        ) from None
