"""What the primary process finds out, for all processes."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np

from rtickets import parallel
from rtickets.errors import InputError


def from_primary(ask: Callable[[], Any]) -> Any:
    """Call a function in the primary process and return its value in every process.

    Args:
        ask: returns what JSON can hold.

    Returns:
        The value.

    Raises:
        InputError: in every process, if the function raises it.
    """
    found: dict[str, Any] = {}
    if parallel.is_primary():
        try:
            found = {"value": ask()}
        except InputError as error:
            found = {"error": str(error)}
    text = np.frombuffer(json.dumps(found).encode(), np.uint8)
    length = int(parallel.broadcast(np.int32(text.size)))
    sent = text if parallel.is_primary() else np.zeros(length, np.uint8)
    found = json.loads(np.asarray(parallel.broadcast(sent)).tobytes())
    if "error" in found:
        raise InputError(found["error"])
    return found["value"]
