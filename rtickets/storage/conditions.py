"""Whether a bucket keeps to conditions: some servers that speak S3 take them and ignore them.

Claims are worth nothing there. So they are tried once, on an object of their own.
"""

import secrets

from rtickets.errors import RefusedError
from rtickets.storage.objects import Objects

_checked: set[str] = set()


def check(objects: Objects, folder: str) -> None:
    """Raise RefusedError for a bucket that creates or replaces an object against its condition.

    Args:
        objects: of the bucket; it is tried once in a process.
        folder: where the object lies while that is tried.
    """
    if objects.name in _checked:
        return
    key = f"{folder}/.tried-{secrets.token_hex(8)}"
    first = objects.create(key, b"first")
    if first is None:
        raise RefusedError(f"{objects.name} does not create {key}, which is not there")
    try:
        again = objects.create(key, b"second") is not None
        second = objects.replace(key, b"third", first)
        stale = objects.replace(key, b"fourth", first) is not None
    finally:
        objects.delete(key)
    if again or stale or second is None:
        raise RefusedError(
            f"{objects.name} does not keep to conditions of requests (If-None-Match, If-Match), "
            "without which two workers would write the same run; use another store, or a disk"
        )
    _checked.add(objects.name)
