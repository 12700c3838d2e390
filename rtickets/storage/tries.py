"""Requests to a bucket that are tried again, and errors of it that no other try can help."""

import random
import re
import time
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from rtickets.errors import RefusedError, StorageError, printable

T = TypeVar("T")

PATIENCE = 60.0  # seconds for which a request that fails is tried again
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 8.0
_NO_PATH = "invalid path"
_REFUSED = re.compile(r"status code: (4(?!04|08|09|25|29)\d\d|501)|redirect without LOCATION")


class Request(NamedTuple):
    """What is asked of a bucket.

    Attributes:
        of: the address of the bucket, for messages.
        what: is done, for messages.
        may_lack: raise FileNotFoundError where there is no such object.
    """

    of: str
    what: str
    may_lack: bool = False


def tried(call: Callable[[], T], request: Request, patience: float, check: Callable[[], None]) -> T:
    """Call, and again for as long as patience lasts after the first failure.

    Args:
        call: makes the request.
        request: that it makes.
        patience: seconds.
        check: called before every try; what it raises ends them.

    Raises:
        RefusedError: for what would be refused again.
        StorageError: where patience ended.
        FileNotFoundError: see `Request`.
    """
    from obstore.exceptions import BaseError

    end, pause = 0.0, _FIRST_PAUSE
    while True:
        check()
        try:
            return call()
        except (BaseError, ConnectionError, FileNotFoundError) as error:
            _raise_if_final(error, request)
            now = time.monotonic()
            end = end or now + patience
            if now + pause > end:
                raise StorageError(
                    f"{request.of}: {request.what} failed for {patience:.0f} s ({_line(error)}); "
                    "what was written before is intact: check the network, and give the same "
                    "command again"
                ) from None
        time.sleep(pause * random.uniform(0.5, 1))  # so that workers do not come all at once
        pause = min(2 * pause, _LONGEST_PAUSE)


def _raise_if_final(error: Exception, request: Request) -> None:
    """Raise what says so where no other try can help."""
    if why := _refusal(error, request.what):
        raise RefusedError(f"{request.of}{why}") from None
    if isinstance(error, FileNotFoundError):
        if request.may_lack:
            raise error
        raise RefusedError(
            f"{request.of}: {request.what} met 404, not found ({_line(error)}); check the "
            "address and the server, see docs/storage.md"
        ) from None


def _refusal(error: Exception, what: str) -> str | None:
    """Return what is wrong with a bucket where no other try can help.

    Lists have one kind of error for all of it.
    """
    from obstore.exceptions import PermissionDeniedError, UnauthenticatedError

    text = str(error)
    if "NoSuchBucket" in text:
        return ": there is no such bucket; make it"
    if _NO_PATH in text:
        return f" has an object whose name is no path of a file ({_line(error)}); rename it"
    if isinstance(error, (PermissionDeniedError, UnauthenticatedError)) or _REFUSED.search(text):
        return (
            f" refuses {what} ({_line(error)}); check bucket, region and credentials, see "
            "docs/storage.md"
        )
    return None


def _line(error: Exception) -> str:
    """Return what an error says in a line: `obstore` shows the error in its error below it."""
    return printable(" ".join(str(error).split("Debug source")[0].split()))[:300]
