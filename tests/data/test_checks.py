"""Class names and labels of every source."""

import os

import numpy as np
import pytest

from rtickets.data.arrays import Raw, labelled
from rtickets.data.checks import check_raw, class_notes
from rtickets.errors import InputError


def raw(names=("a", "b", "c"), train=(0, 1, 2), test=(0,)):
    splits = (
        labelled(np.zeros((len(labels), 2, 2, 1), np.uint8), np.array(labels, np.int32))
        for labels in (train, test)
    )
    return Raw(*splits, tuple(names))


def test_plain_classes_pass():
    check_raw(raw(), "set")
    assert class_notes(raw()) == ()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"names": ("a", "b", "a")}, "set: .*'a'"),
        ({"names": ("a", "b", os.fsdecode(b"caf\xe9"))}, r"class name caf\\xe9 is no Unicode"),
        ({"train": (0, 3)}, r"set: train .*\[0, 3\]; .*\[0, 3\)"),
        ({"test": (-1, 2)}, r"set: test .*\[-1, 2\]; .*\[0, 3\)"),
    ],
)
def test_what_cannot_be_trained_on_is_named(changes, message):
    with pytest.raises(InputError, match=message):
        check_raw(raw(**changes), "set")


def test_odd_classes_are_noted():
    names = ("Cat", "cat", "cafe\u0301", "café", "dog", "emu")
    assert class_notes(raw(names, (0, 1, 2, 3, 4))) == (
        "classes without training images: emu",
        "class names that look alike: Cat and cat, cafe\u0301 and café",
    )
    many = class_notes(raw(list("abcdefgh"), (0,)))
    assert many == ("classes without training images: b, c, d, e, f and 2 more",)
