"""Who has a claim of a run in a bucket, as the object of the claim says, and for how long."""

import json
import os
from typing import NamedTuple

from rtickets.errors import InputError

SECONDS = 60.0  # that a claim holds
VARIABLE = "RTICKETS_CLAIM_SECONDS"
_SHORTEST = 6.0
_LONGEST_TEXT = 200


def seconds_of_claims() -> float:
    """Return how long claims hold: `SECONDS`, or what the environment says."""
    text = os.environ.get(VARIABLE, "")
    try:
        seconds = float(text or SECONDS)
    except ValueError:
        seconds = 0.0
    if not _SHORTEST <= seconds <= 3600:
        raise InputError(f"{VARIABLE}={text!r}: give seconds from {_SHORTEST:g} to 3600")
    return seconds


class Owner(NamedTuple):
    """Who claims.

    Attributes:
        token: random, of the process; it names its scratch folder.
        seconds: that its claims hold.
    """

    token: str
    seconds: float


class Holder(NamedTuple):
    """What a claim says of who has it; `owner` is '' where nobody has."""

    owner: str
    process: int
    host: str
    seconds: float

    def __str__(self) -> str:
        """Return it as a file lock has it."""
        return f"process {self.process} on {self.host}"


def read_holder(data: bytes) -> Holder:
    """Return what a claim says; one that anybody made up is held by nobody for the usual time."""
    try:
        found = json.loads(data)
        owner, host = (str(found[name])[:_LONGEST_TEXT] for name in ("owner", "host"))
        seconds = min(max(float(found["seconds"]), _SHORTEST), 3600.0)
        return Holder(owner, int(found["process"]), host, seconds)
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return Holder("?", 0, "?", SECONDS)
