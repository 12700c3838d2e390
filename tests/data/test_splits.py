import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtickets.data import epoch_order, few_shot, hold_out, labelled
from rtickets.errors import InputError

class_sizes = st.lists(st.integers(4, 30), min_size=2, max_size=5)
seeds = st.integers(0, 2**31 - 1)


def numbered(sizes):
    """Examples in random order whose only pixel pair is their number."""
    labels = np.random.default_rng(1).permutation(np.repeat(np.arange(len(sizes)), sizes))
    numbers = np.stack(np.divmod(np.arange(len(labels)), 256), -1).astype(np.uint8)
    return labelled(numbers.reshape(-1, 1, 2, 1), labels.astype(np.int32))


def numbers(split):
    return split.images.reshape(-1, 2).astype(int) @ [256, 1]


def counts(split, classes):
    return np.bincount(split.labels, minlength=classes).tolist()


@settings(max_examples=40, deadline=None)
@given(class_sizes, st.sampled_from([0.2, 0.25, 0.5, 0.8]))
def test_held_out_part_and_rest_are_disjoint_and_their_union_is_the_whole(sizes, fraction):
    split = numbered(sizes)
    rest, part = hold_out(split, fraction, "test")
    assert not set(numbers(rest)) & set(numbers(part))
    assert sorted([*numbers(rest), *numbers(part)]) == list(range(len(split)))


@settings(max_examples=40, deadline=None)
@given(class_sizes, st.sampled_from([0.2, 0.25, 0.5, 0.8]))
def test_the_same_part_of_every_class_is_held_out(sizes, fraction):
    _, part = hold_out(numbered(sizes), fraction, "test")
    assert counts(part, len(sizes)) == [round(size * fraction) for size in sizes]


def test_both_parts_keep_order_and_labels():
    split = numbered([20, 30])
    for part in hold_out(split, 0.3, "test"):
        order = numbers(part)
        assert (np.diff(order) > 0).all()
        np.testing.assert_array_equal(part.labels, split.labels[order])


def test_the_held_out_part_is_random_and_always_the_same():
    split = numbered([40, 40])
    first, second = (numbers(hold_out(split, 0.5, "test")[1]) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    members = np.flatnonzero(split.labels == 0)
    assert set(first[split.labels[first] == 0]) not in (set(members[:20]), set(members[20:]))


@pytest.mark.parametrize(("sizes", "fraction", "label"), [((9, 2), 0.2, 1), ((2, 9), 0.8, 0)])
def test_a_class_too_small_to_split_is_named(sizes, fraction, label):
    message = f"pets: test split: {fraction} of the 2 examples of class {label}"
    with pytest.raises(InputError, match=message):
        hold_out(numbered(sizes), fraction, "pets: test split")


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 5), st.data(), seeds)
def test_a_larger_few_shot_subset_contains_the_smaller(classes, data, seed):
    split = numbered([12] * classes)
    size = st.integers(classes, 12 * classes)
    small, large = sorted([data.draw(size), data.draw(size)])
    few, more = (few_shot(split, examples, seed) for examples in (small, large))
    assert (len(few), len(more)) == (small, large)
    assert set(numbers(few)) <= set(numbers(more))


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 5), st.data(), seeds)
def test_few_shot_classes_differ_by_at_most_one_example(classes, data, seed):
    examples = data.draw(st.integers(classes, 10 * classes))
    found = counts(few_shot(numbered([10] * classes), examples, seed), classes)
    assert sum(found) == examples
    assert max(found) - min(found) <= 1


def test_few_shot_subsets_keep_order_and_labels_and_repeat_nothing():
    split = numbered([20, 20, 20])
    few = few_shot(split, 17, seed=3)
    order = numbers(few)
    assert (np.diff(order) > 0).all()
    np.testing.assert_array_equal(few.labels, split.labels[order])


def test_few_shot_subsets_belong_to_their_seed():
    split = numbered([50, 50])
    subsets = [tuple(numbers(few_shot(split, 20, seed))) for seed in (0, 1, 0)]
    assert subsets[0] == subsets[2] != subsets[1]


def test_all_examples_are_a_few_shot_subset():
    split = numbered([7, 7])
    np.testing.assert_array_equal(few_shot(split, 14, 0).images, split.images)


@pytest.mark.parametrize(
    ("examples", "message"),
    [
        (2, "train_examples=2 .*3 classes"),
        (16, "train_examples=16 .*5 .*class 1, .*3"),
    ],
)
def test_a_few_shot_subset_that_cannot_be_drawn_is_named(examples, message):
    with pytest.raises(InputError, match=message):
        few_shot(numbered([9, 3, 9]), examples, 0)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 200), seeds, st.integers(0, 1000))
def test_an_epoch_visits_every_example_once(examples, seed, epoch):
    order = epoch_order(examples, seed, epoch)
    assert order.dtype == np.int32
    np.testing.assert_array_equal(np.sort(order), np.arange(examples))


def test_the_order_belongs_to_seed_and_epoch():
    orders = {tuple(epoch_order(50, *key)) for key in [(0, 0), (0, 1), (1, 0), (1, 1), (0, 0)]}
    assert len(orders) == 4


def test_many_classes_take_no_longer_than_many_examples():
    """Each was looked for among all examples once."""
    count = 200_000
    images = np.broadcast_to(np.zeros((1, 1, 1, 1), np.uint8), (2 * count, 1, 1, 1))
    split = labelled(images, np.arange(2 * count, dtype=np.int32) // 2)
    rest, held = hold_out(split, 0.5, "half")
    assert len(rest) == len(held) == count


def test_without_classes_a_random_part_of_all_is_taken():
    split, alike = numbered([20, 30]), np.zeros(50, np.int32)
    rest, part = hold_out(split, 0.3, "test", alike)
    assert (len(rest), len(part)) == (35, 15)
    few, more = (set(numbers(few_shot(split, count, 3, alike))) for count in (7, 21))
    assert len(few) == 7
    assert few < more
    with pytest.raises(InputError, match=r"test: 0.001 of the 50 examples"):
        hold_out(split, 0.001, "test", alike)
    with pytest.raises(InputError, match=r"train_examples=51 .*50"):
        few_shot(split, 51, 3, alike)
