import jax
import numpy as np
import pytest

from rtickets import models
from rtickets.data.arrays import Split, labelled
from rtickets.data.images.augment import Transform
from rtickets.data.images.random_views import ViewsConfig
from rtickets.errors import InputError
from rtickets.evaluation import Network, judge, on_devices
from rtickets.evaluation.comparison import (
    compared,
    gallery_of,
    headless,
    neighbours,
    ranks_of_pairs,
    retrieval,
)
from rtickets.evaluation.features import pooled_features
from rtickets.platform import parallel
from rtickets.tasks import SimClr
from rtickets.tasks.comparison import Neighbours, Retrieval
from rtickets.training.objectives.base import CLASSIFICATION

NOTHING = ViewsConfig(
    crop_scale=(1.0, 1.0), flip=0, brightness=0, contrast=0, saturation=0, hue=0, grey=0, blur=0
)


@pytest.fixture(scope="module")
def network(tiny):
    return Network(tiny.model, tiny.params, tiny.batch_stats)


def examples(split, task, devices=1):
    return on_devices(split, Transform(), parallel.local_devices(devices), task)


def split_of(tiny, chosen):
    return labelled(tiny.split.images[chosen], tiny.split.labels[chosen])


def voted(network, asking, gallery, how):
    """k nearest neighbours, one query after the other."""
    ours, theirs = (
        pooled_features(network, each, CLASSIFICATION, Transform(), 16).astype(np.float64)
        for each in (asking, gallery)
    )
    ours, theirs = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in (ours, theirs))
    answers = []
    for query in ours:
        near = np.argsort(-(theirs @ query))[: how.count]
        votes = np.zeros(3)
        for place in near:
            votes[gallery.labels[place]] += np.exp(theirs[place] @ query / how.temperature)
        answers.append(votes.argmax())
    return np.asarray(answers)


@pytest.mark.parametrize("how", [Neighbours(5), Neighbours(200, 0.5)])
@pytest.mark.parametrize("devices", [1, 2])
def test_neighbours_vote_as_one_after_the_other(tiny, network, how, devices):
    generator = np.random.default_rng(1)
    noisy = labelled(generator.integers(0, 256, (21, 8, 8, 1), np.uint8), np.arange(21) % 3)
    asking = split_of(tiny, np.arange(13))
    task = SimClr()
    for gallery in (noisy, split_of(tiny, np.arange(13, 48))):
        found = neighbours(
            network, examples(asking, task, devices), examples(gallery, task, devices), how, 8
        )
        right = voted(network, asking, gallery, how) == asking.labels
        assert found == {"knn": right.sum(), "asked": 13}


def test_a_gallery_is_spread_over_the_training_examples(tiny, network):
    assert gallery_of(None, tiny.split) is None
    assert gallery_of(Retrieval(), tiny.split) is None
    devices = parallel.local_devices(1)
    few = gallery_of(Neighbours(gallery=7), tiny.split, Transform(), devices, SimClr())()
    assert len(few.split) == 7
    np.testing.assert_array_equal(few.split.images[[0, -1]], tiny.split.images[[0, -1]])
    task = SimClr(neighbours=1)
    own = examples(tiny.split, task)
    whole = gallery_of(task.comparison, tiny.split, Transform(), devices, task)
    found = judge(network, own, gallery=whole)["knn"]
    assert found.value == 1.0  # every example is its own nearest
    with pytest.raises(InputError, match=r"nearest training examples.*metric='retrieval'"):
        compared(network, own, None)
    assert compared(network, examples(tiny.split, CLASSIFICATION), None) == {}


def test_ranks_count_what_is_as_near():
    eye = np.eye(3, dtype=np.float32)
    np.testing.assert_array_equal(ranks_of_pairs(np.stack([eye, eye], 1)), 0)
    np.testing.assert_array_equal(ranks_of_pairs(np.ones((4, 2, 5), np.float32)), 6)
    generator = np.random.default_rng(0)
    pairs = generator.normal(size=(6, 2, 3)).astype(np.float32)
    flat = pairs.transpose(1, 0, 2).reshape(12, 3)
    flat = flat / np.linalg.norm(flat, axis=1, keepdims=True)
    for i, rank in enumerate(ranks_of_pairs(pairs)):
        others = [j for j in range(12) if j != i]
        ordered = sorted(others, key=lambda j: -(flat[j] @ flat[i]))
        assert rank == ordered.index((i + 6) % 12)


def test_equal_views_are_found_and_a_smaller_group_counts(tiny, network):
    generator = np.random.default_rng(2)
    split = Split({"image": generator.integers(0, 256, (11, 8, 8, 1), np.uint8)})
    task = SimClr(views=NOTHING, metric="retrieval", group=4)
    found = retrieval(network, examples(split, task), task.comparison)
    assert found == {"retrieval": 22, "retrieval_top3": 22, "retrieval_top5": 22, "asked": 22}
    one_over = Split({"image": split.arrays["image"][:9]})
    assert retrieval(network, examples(one_over, task), task.comparison)["asked"] == 16
    measured = judge(network, examples(split, task))
    assert measured["retrieval"].value == 1.0
    assert set(measured) == {"retrieval", "retrieval_top3", "retrieval_top5"}


def test_views_in_retrieval_do_not_depend_on_devices(tiny, network):
    task = SimClr(views=ViewsConfig(), metric="retrieval", group=8)
    one, two = (retrieval(network, examples(tiny.split, task, n), task.comparison) for n in (1, 2))
    assert one == two
    assert 0 < one["retrieval"] < one["asked"]


def test_a_headless_network_answers_its_features(tiny, network):
    images = tiny.split.images[:5] / np.float32(255)
    own = headless(network)
    found = jax.jit(lambda x: models.logits(own.model, own.params, own.batch_stats, x))(images)
    expected = pooled_features(
        network, split_of(tiny, np.arange(5)), CLASSIFICATION, Transform(), 5
    )
    np.testing.assert_allclose(found, expected, rtol=1e-5)
