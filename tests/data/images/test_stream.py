"""The order of streamed batches, and the threads that decode them."""

import threading
from itertools import chain

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from rtickets.data import Split, labelled
from rtickets.data.images.stream import TrainingOrder, evaluation_batches, training_batches
from rtickets.data.images.streamed import ImageFiles, streamed
from rtickets.data.images.views import View
from rtickets.errors import InputError
from rtickets.training.batches import batch_indices


@pytest.fixture(scope="module")
def split(tmp_path_factory):
    """23 images of one pixel value each, their number, and labels that are its remainder."""
    root = tmp_path_factory.mktemp("images")
    for number in range(23):
        Image.new("L", (4, 4), number).save(root / f"{number}.png")
    files = ImageFiles(tuple(root / f"{number}.png" for number in range(23)))
    images = streamed(files, View(None, channels=1), 3)
    return labelled(images, np.arange(23, dtype=np.int32) % 5)


def numbers(batches):
    return [batch["image"][:, 0, 0, 0].tolist() for batch in batches]


@settings(max_examples=30, deadline=None)
@given(
    st.integers(4, 40), st.integers(1, 4), st.integers(0, 5), st.integers(0, 30),
    st.integers(1, 20), st.integers(1, 3),
)  # fmt: skip
def test_the_order_is_that_of_images_in_memory(examples, batch, seed, start, count, replays):
    order = TrainingOrder(examples, batch, seed, start, start + count, replays=replays)
    expected = batch_indices(examples, batch, seed, start, start + count, replays)
    found = [order.place(position)[0] for position in range(len(order))]
    assert found == expected.ravel().tolist()


def test_batches_are_those_of_the_order_with_their_labels(split):
    order = TrainingOrder(23, 4, 7, 3, 12)
    batches = list(training_batches(split, order))
    assert numbers(batches) == batch_indices(23, 4, 7, 3, 12).tolist()
    for batch in batches:
        assert batch["image"].dtype == np.uint8
        assert batch["image"].shape == (4, 4, 4, 1)
        np.testing.assert_array_equal(batch["label"], batch["image"][:, 0, 0, 0] % 5)
        assert batch["label"].dtype == np.int32


def test_going_on_in_the_middle_of_an_epoch_gives_what_was_left(split):
    whole = numbers(training_batches(split, TrainingOrder(23, 4, 7, 0, 13)))
    rest = numbers(training_batches(split, TrainingOrder(23, 4, 7, 8, 13)))
    assert rest == whole[8:]
    assert len(set(chain(*whole[:5]))) == 20


@pytest.mark.parametrize("hosts", [2, 4])
def test_hosts_have_disjoint_parts_of_the_same_batches(split, hosts):
    whole = numbers(training_batches(split, TrainingOrder(23, 4, 1, 0, 5)))
    parts = [
        numbers(training_batches(split, TrainingOrder(23, 4, 1, 0, 5, places.tolist())))
        for places in np.arange(4).reshape(hosts, -1)
    ]
    assert [list(chain(*steps)) for steps in zip(*parts, strict=True)] == whole
    seen = [{number for batch in part for number in batch} for part in parts]
    assert sum(map(len, seen)) == len(set().union(*seen)) == 20


def test_crops_do_not_depend_on_the_number_of_hosts_or_the_first_step(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (40, 30, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "0.png")
    view = View((8, 8), random_crop=(0.1, 1.0))
    files = ImageFiles((tmp_path / "0.png",) * 8)
    one = labelled(streamed(files, view, 2), np.zeros(8, np.int32))
    whole = [batch["image"] for batch in training_batches(one, TrainingOrder(8, 4, 3, 0, 4))]
    assert len({image.tobytes() for batch in whole for image in batch}) == 16
    second = TrainingOrder(8, 4, 3, 2, 4, (3, 1))
    for step, batch in enumerate(training_batches(one, second), 2):
        np.testing.assert_array_equal(batch["image"], whole[step][[3, 1]])


def test_evaluation_takes_the_examples_it_is_told(split):
    positions = np.array([5, 0, 22, 22, 1, 9])
    batches = list(evaluation_batches(split, positions, 2))
    assert numbers(batches) == [[5, 0], [22, 22], [1, 9]]


def test_a_broken_image_is_named_from_within_the_threads(split, tmp_path):
    paths = list(split.images.files.paths)
    paths[9] = tmp_path / "broken.png"
    paths[9].write_bytes(b"nothing")
    bad = labelled(streamed(ImageFiles(tuple(paths)), View(None, channels=1), 2), split.labels)
    with pytest.raises(InputError, match=r"broken\.png: "):
        list(training_batches(bad, TrainingOrder(23, 23, 0, 0, 3)))


def test_threads_end_with_the_batches(split):
    before = set(threading.enumerate())
    batches = training_batches(split, TrainingOrder(23, 4, 0, 0, 1000))
    next(batches)
    started = set(threading.enumerate()) - before
    assert started
    batches.close()
    for thread in started:
        thread.join(timeout=5)
        assert not thread.is_alive()


def test_what_is_done_ahead_is_done_to_every_batch(split):
    def shapes(batch):
        return batch["image"].shape, threading.current_thread() is threading.main_thread()

    found = list(training_batches(split, TrainingOrder(23, 4, 0, 0, 3), shapes))
    assert found == [((4, 4, 4, 1), False)] * 3


def test_batches_hold_all_arrays_of_the_examples(split):
    depth = np.arange(46, dtype=np.float32).reshape(23, 2)
    measured = Split({"image": split.images, "depth": depth})
    batches = [
        *training_batches(measured, TrainingOrder(23, 4, 7, 3, 6)),
        *evaluation_batches(measured, np.arange(20), 10),
    ]
    for batch in batches:
        assert set(batch) == {"image", "depth"}
        np.testing.assert_array_equal(batch["depth"], depth[batch["image"][:, 0, 0, 0]])


class Counted:
    """Sequences that stay elsewhere, int32: their number, and what their view was asked with."""

    dtype, workers = np.dtype(np.int32), 2

    def __init__(self, numbers):
        self.numbers = numbers
        self.shape = (len(numbers), 3)

    def __len__(self):
        return len(self.numbers)

    def __getitem__(self, part):
        return Counted(self.numbers[part])

    def evaluation(self, index):
        return np.array([self.numbers[index], -1, -1], np.int32)

    def training(self, index, seed):
        return np.array([self.numbers[index], seed[2], seed[3]], np.int32)


def test_arrays_of_any_kind_are_streamed_beside_each_other(split):
    both = split.having(tokens=Counted(np.arange(23)))
    assert both.streamed
    assert not Split({"tokens": np.zeros(3)}).streamed
    alone = Split({"tokens": both.arrays["tokens"], "label": split.labels})
    for own in (both, alone):
        for number, batch in enumerate(training_batches(own, TrainingOrder(23, 4, 7, 0, 3))):
            assert batch["tokens"].dtype == np.int32
            np.testing.assert_array_equal(batch["tokens"][:, 1], number)
            np.testing.assert_array_equal(batch["tokens"][:, 2], np.arange(4))
            np.testing.assert_array_equal(batch["label"], batch["tokens"][:, 0] % 5)
            if "image" in batch:
                np.testing.assert_array_equal(batch["image"][:, 0, 0, 0], batch["tokens"][:, 0])
        (batch,) = evaluation_batches(own, np.array([5, 3]), 2)
        np.testing.assert_array_equal(batch["tokens"], [[5, -1, -1], [3, -1, -1]])
