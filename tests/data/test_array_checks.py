import numpy as np
import pytest

from rtickets.data.array_checks import check_arrays
from rtickets.data.arrays import Raw, Split
from rtickets.errors import InputError

IMAGE = np.zeros((4, 2, 2, 1), np.uint8)
ARRAYS = {"image": IMAGE, "depth": np.ones((4, 3), np.float32), "place": np.arange(4)}


def test_arrays_of_any_task_are_fine():
    check_arrays(Raw(Split(ARRAYS), None, validation=Split(ARRAYS)), "lab")


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"image": IMAGE / 255}, "float64.*uint8"),
        ({"image": IMAGE[..., 0]}, r"\(4, 2, 2\)"),
        ({"image": np.zeros((4, 2, 2, 2), np.uint8)}, r"\(4, 2, 2, 2\)"),
        ({"depth": np.full((4, 3), np.nan, np.float32)}, "'depth'.*not finite"),
        ({"depth": np.ones((4, 2), np.float32)}, r"'depth'.*\(2,\).*\(3,\)"),
        ({"depth": np.ones((4, 3))}, "'depth'.*float64.*float32"),
        ({"place": np.arange(4) + 2**32}, "'place'.*32 bits"),
        ({"place": np.array(["a", "b", "c", "d"])}, "'place'.*<U1"),
        ({"more": np.arange(4)}, "more.*expected the same"),
    ],
)
def test_arrays_that_would_be_taken_for_something_else_are_named(changes, named):
    other = Split({**ARRAYS, **changes})
    with pytest.raises(InputError, match=f"lab: test.*{named}"):
        check_arrays(Raw(Split(ARRAYS), other), "lab")


def test_examples_without_images_are_named():
    tokens = Split({"tokens": np.arange(4)})
    with pytest.raises(InputError, match=r"lab: train.*tokens.*'image' is missing"):
        check_arrays(Raw(tokens, None), "lab")


def test_arrays_of_a_split_have_one_length():
    with pytest.raises(InputError, match=r"'image': 4.*'depth': 3"):
        Split({"image": IMAGE, "depth": np.zeros(3)})
