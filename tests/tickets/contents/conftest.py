"""Tickets of made-up trees."""

import numpy as np
import pytest

import rtickets
from rtickets.errors import InputError

ONE = np.arange(1, 4, dtype=np.float32)
KEEP = np.array([True, False, True])


def saved(tmp_path, mask, params, batch_stats=None, meta=None):
    path = tmp_path / "t"
    stats = {} if batch_stats is None else batch_stats
    rtickets.Ticket(mask, params, stats, meta or {}).save(path)
    return rtickets.Ticket.load(path)


def assert_same(found, given):
    """Compare dictionaries to the last bit, keys with their types."""
    assert type(found) is dict
    assert sorted(map(repr, found)) == sorted(map(repr, given))
    for key, value in given.items():
        if isinstance(value, dict):
            assert_same(found[key], value)
        else:
            expected = np.asarray(value)
            assert (found[key].dtype, found[key].shape) == (expected.dtype, expected.shape)
            assert found[key].tobytes() == expected.tobytes()


def assert_refused(tmp_path, words, mask, params, batch_stats=None, meta=None):
    with pytest.raises(InputError) as refusal:
        saved(tmp_path, mask, params, batch_stats, meta)
    assert all(word in str(refusal.value) for word in words), refusal.value
    assert "\n" not in str(refusal.value)
    assert list(tmp_path.iterdir()) == []


TREES = {
    "integers": {"layers": {0: {"kernel": ONE}, 1: {"kernel": ONE + 1}, 10: {"kernel": ONE + 2}}},
    "integers at the top": {0: ONE, -3: ONE + 1},
    "digits": {"layers": {"0": ONE, "01": ONE + 1}},
    "integers here and digits there": {"a": {0: ONE}, "b": {"0": ONE}},
    "slashes": {"mlp/~/linear_0": {"w": ONE, "b": ONE + 1}, "mlp/~/linear_1": {"w": ONE + 2}},
    "odd slashes": {"/": ONE, "a/": {"/b": ONE + 1}, "//": {"": ONE + 2}},
    "no names": {"": {"": ONE, "a": ONE + 1}},
    "words of the format": {
        "params": {"params": ONE, "batch_stats": ONE},
        "batch_stats": {"mean": ONE},
        "__metadata__": {"__metadata__": ONE},
        "shapes": ONE,
        "sha256": ONE,
        "meta": ONE,
        "keys": {"empty": ONE},
        "all": ONE,
        "scores": ONE,
        "value": ONE,
    },
    "dots and others": {
        "a.b": ONE,
        "a": {"b": ONE},
        "ü ": ONE,
        "a\nb": ONE,
        "~0~1": ONE,
        "\x1b": ONE,
    },
    "empty dictionaries": {"a": {}, "b": {"c": {}, "kernel": ONE}, "d/e": {}, "f": {3: {}}},
    "only an empty dictionary": {"a": {}},
    "nothing": {},
}


def names(tree, above=""):
    for key, value in tree.items():
        yield from names(value, f"{above}{key}/") if isinstance(value, dict) else [f"{above}{key}"]
