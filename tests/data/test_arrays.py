import numpy as np
import pytest

from rtickets.data import Split
from rtickets.data.arrays import checked_split
from rtickets.errors import InputError

IMAGES = np.arange(4 * 2 * 3, dtype=np.uint8).reshape(4, 2, 3)
LABELS = np.array([0, 1, 2, 1])


def check(images=IMAGES, labels=LABELS, num_classes=3):
    return checked_split(images, labels, num_classes, "pets")


def test_grey_images_get_a_channel_axis():
    split = check()
    assert split.images.shape == (4, 2, 3, 1)
    np.testing.assert_array_equal(split.images[..., 0], IMAGES)


@pytest.mark.parametrize("channels", [1, 3])
def test_images_with_channels_stay_as_they_are(channels):
    images = np.repeat(IMAGES[..., None], channels, -1)
    np.testing.assert_array_equal(check(images).images, images)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.uint16])
def test_labels_become_int32(dtype):
    labels = check(labels=LABELS.astype(dtype)).labels
    assert labels.dtype == np.int32
    np.testing.assert_array_equal(labels, LABELS)


def test_images_become_contiguous():
    assert check(np.asfortranarray(IMAGES)).images.flags.c_contiguous


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"images": IMAGES / 255}, r"pets: images .*float64; .*uint8 in \[0, 255\]"),
        ({"images": IMAGES.astype(np.int16)}, "pets: images are int16"),
        ({"images": IMAGES[:, 0]}, r"pets: images .*\(4, 3\)"),
        ({"images": np.zeros((4, 2, 2, 4), np.uint8)}, r"images .*\(4, 2, 2, 4\)"),
        ({"images": np.zeros((4, 3, 8, 8), np.uint8)}, r"images .*\(4, 3, 8, 8\)"),
        ({"images": np.zeros((4, 0, 2), np.uint8)}, r"images .*\(4, 0, 2, 1\)"),
        ({"images": IMAGES[:0], "labels": LABELS[:0]}, r"images .*\(0, 2, 3, 1\)"),
        ({"labels": LABELS[:3]}, r"labels .*int64.*\(3,\); .*integers .* \(4,\)"),
        ({"labels": LABELS[:, None]}, r"labels .*int64.*\(4, 1\)"),
        ({"labels": LABELS.astype(float)}, "labels are float64"),
        ({"labels": LABELS > 0}, "labels are bool"),
        ({"labels": LABELS - 1}, r"labels .*\[-1, 1\]; .*\[0, 3\)"),
        ({"labels": LABELS + 1}, r"labels .*\[1, 3\]; .*\[0, 3\)"),
        ({"num_classes": 4}, "pets: class 3"),
    ],
)
def test_what_does_not_fit_is_named(arguments, message):
    with pytest.raises(InputError, match=message):
        check(**arguments)


def test_a_split_counts_examples_and_takes_some_in_order():
    split = check()
    taken = split.take(np.array([3, 0]))
    assert (len(split), len(taken)) == (4, 2)
    assert isinstance(taken, Split)
    np.testing.assert_array_equal(taken.labels, [1, 0])
    np.testing.assert_array_equal(taken.images[..., 0], IMAGES[[3, 0]])
