import numpy as np
import pytest

from rtickets.errors import InputError
from rtickets.masks.layout_names import layouts_of, parse_names, resolve
from rtickets.masks.layouts import Layout

SHAPES = {"a/kernel": (3, 8, 4), "b/kernel": (3, 8, 4), "b/bias": (4,), "conv/kernel": (3, 8, 4)}


def test_named_layouts_come_before_inferred_ones():
    names = {"a/.*": "sio", "(b|c)/kernel": "iio"}
    paths = [path for path in SHAPES if path.endswith("kernel")]
    found = resolve(SHAPES, paths, names)
    assert found == {
        "a/kernel": Layout("sio"),
        "b/kernel": Layout("iio"),
        "conv/kernel": Layout("wio"),
    }
    assert resolve(SHAPES, paths)["a/kernel"] is None
    assert list(resolve(SHAPES, ["conv/kernel"], names)) == ["conv/kernel"]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["a/kernel=sio"], "layouts=.*write {REGEX: LAYOUT}"),
        ("a/kernel=sio", "layouts=.*write {REGEX: LAYOUT}"),
        ({"a/kernel": None}, "layouts=.*write {REGEX: LAYOUT}"),
        ({"a/kernel": Layout("sio")}, "layouts=.*write {REGEX: LAYOUT}"),
        ({"a/kernel": "io"}, "'io' .*a/kernel .*3, 8, 4"),
        ({"a/kernel": "xyz"}, "layout 'xyz'"),
        ({"a": "sio"}, "'a' .*4 leaves.*a/kernel"),
        ({"a/(": "sio"}, "'a/.' .*regular expression"),
        ({"a/.*": "sio", ".*/kernel": "ioo"}, "a/kernel .*'sio' and 'ioo'"),
    ],
)
def test_a_bad_name_is_refused(names, words):
    with pytest.raises(InputError, match=words):
        resolve(SHAPES, ["a/kernel"], names)


def test_an_unknown_layout_is_refused_where_it_is_needed():
    params = {"a": {"kernel": np.zeros((3, 8, 4))}, "b": {"kernel": np.zeros((8, 4))}}
    paths = ["a/kernel", "b/kernel"]
    assert layouts_of(params, paths) == {"a/kernel": None, "b/kernel": Layout("io")}
    with pytest.raises(InputError) as refused:
        layouts_of(params, paths, needed_by="pattern='row'")
    for words in ("pattern='row'", "a/kernel", "(3, 8, 4)", "layouts={'a/kernel'", "exclude"):
        assert words in str(refused.value)
    layouts_of(params, paths, {"a/kernel": "wio"}, "pattern='row'")


def test_names_are_written_as_text():
    assert parse_names(()) == {}
    assert parse_names([".*/out/kernel=iio", "(?=a)b=io"]) == {
        ".*/out/kernel": "iio",
        "(?=a)b": "io",
    }


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        (["a/kernel"], "'a/kernel' has no '='"),
        (["a=io", "a=oi"], "'a=oi' .*again"),
        (["a=ox"], "layout 'ox'"),
        (["a(=io"], "'a.' .*regular expression"),
    ],
)
def test_bad_texts_are_refused(entries, words):
    with pytest.raises(InputError, match=words):
        parse_names(entries)
