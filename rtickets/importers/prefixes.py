"""What names of tensors have in common."""

from collections.abc import Collection


def common_prefix(names: Collection[str]) -> str:
    """Return the parts that all names start with, 'module.model.' for instance.

    No network of ours has one part that all its names start with, so these are wrappers.
    """
    low, high = min(names, default=""), max(names, default="")
    places = range(min(len(low), len(high)))
    shared = next((place for place in places if low[place] != high[place]), len(places))
    return low[: low.rfind(".", 0, shared) + 1]
