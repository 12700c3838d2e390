"""Which provenance comes back from a ticket, and which is refused."""

from pathlib import Path

import numpy as np
import pytest
from flax.core import FrozenDict
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tickets.contents.conftest import KEEP, ONE, assert_refused, saved

META = {
    "in a tuple": ({"shape": (1, np.int64(2))}, ["meta.shape.1", "int64"]),
    "float32": ({"a": {"b": [1, np.float32(1)]}}, ["meta.a.b.1", "float32"]),
    "int64": ({"a": np.int64(1)}, ["meta.a", "int64"]),
    "bool of NumPy": ({"a": np.True_}, ["meta.a", "bool"]),
    "array": ({"a": np.ones(2)}, ["meta.a", "ndarray"]),
    "NaN": ({"a": [float("nan")]}, ["meta.a.0", "nan"]),
    "infinity": ({"a": -float("inf")}, ["meta.a", "-inf"]),
    "integer key": ({"a": {1: 2}}, ["meta.a", "1"]),
    "None as key": ({None: 2}, ["meta", "None"]),
    "True as key": ({True: 2}, ["meta", "True"]),
    "set": ({"a": {1}}, ["meta.a", "set"]),
    "bytes": ({"a": b"b"}, ["meta.a", "bytes"]),
    "path": ({"a": Path("b")}, ["meta.a", "PosixPath"]),
    "mapping": ({"a": FrozenDict({})}, ["meta.a", "FrozenDict"]),
    "huge number": ({"a": 10**5000}, ["meta"]),
    "list": (["a"], ["meta", "list"]),
}


@pytest.mark.parametrize(("meta", "words"), META.values(), ids=META)
def test_what_json_would_change_is_refused(tmp_path, meta, words):
    assert_refused(tmp_path, words, {"k": KEEP}, {"k": ONE}, {}, meta)


def test_tuples_of_meta_come_back_as_lists(tmp_path):
    meta = {"shape": (1, ({"a": ()}, 2))}
    found = saved(tmp_path, {"k": KEEP}, {"k": ONE}, {}, meta).meta
    assert found == {"shape": [1, [{"a": []}, 2]]}


def test_a_meta_without_an_end_is_refused(tmp_path):
    meta: dict = {"a": []}
    meta["a"].append(meta["a"])
    assert_refused(tmp_path, ["meta"], {"k": KEEP}, {"k": ONE}, {}, meta)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters()),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.text(max_size=3), json_values, max_size=3))
def test_any_other_meta_comes_back(tmp_path_factory, meta):
    path = tmp_path_factory.mktemp("meta")
    found = saved(path, {"k": KEEP}, {"k": ONE}, {}, meta).meta
    assert repr(found) == repr(meta)
