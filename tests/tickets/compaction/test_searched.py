"""Searched supernets: the smaller network answers as the masked one, whatever lives."""

import jax
import numpy as np
import pytest

from rtickets import Ticket, compact, masks, models
from rtickets.draw.searching import channels
from rtickets.models.supernet import Joined, Stage, Table, supernet
from rtickets.settings import config_files
from rtickets.tasks import Keypoints, Segmentation
from rtickets.tickets import provenance

SMALL = Table(4, (Stage((4,), (1,)),), Joined(5), (3,), 2)
LARGE = Table(4, (Stage((4,), (1,)), Stage((4, 6), (1, 1))), Joined(5), (3, 5), 2)
SHAPE = (16, 16, 3)
HEADS = {
    "keypoints": (Keypoints(decoder="none"), {"keypoint_names": ["a", "b", "c"]}),
    "deconvolutions": (Keypoints(channels=4, layers=1), {"keypoint_names": ["a", "b"]}),
    "masks": (Segmentation(decoder="none"), {"class_names": ["a"]}),
}


@pytest.fixture(autouse=True)
def _mine(monkeypatch):
    monkeypatch.setitem(models.ARCHITECTURES, "small", supernet(SMALL))
    monkeypatch.setitem(models.ARCHITECTURES, "large", supernet(LARGE))


def searched(arch, head, seed, dead):
    """Return a ticket with random weights, channels of which a part is dead, and a random mask."""
    task, about = HEADS[head]
    meta = {
        "model": {"arch": arch, "stem": "imagenet"}, "asks": config_files.to_dict(task),
        "about": about, "mean": [0.4] * 3, "std": [0.2] * 3, "image_shape": list(SHAPE),
        "history": [{"stage": "search"}],
    }  # fmt: skip
    model = provenance.build_model(meta)
    params, stats = jax.device_get(models.initialise(model, jax.random.key(seed), SHAPE))
    rng = np.random.default_rng(seed)

    def shaken(leaf):
        return (leaf + 0.3 * rng.normal(size=leaf.shape)).astype(np.float32)

    params = jax.tree.map(shaken, params)
    stats = jax.tree.map(lambda leaf: leaf + abs(shaken(leaf)), stats)
    alive = {
        path: rng.random(each.shape) >= dead for path, each in channels.all_alive(params).items()
    }
    first = next(iter(alive))
    alive[first][:] = False  # a path without any
    living = channels.mask_of(params, alive, masks.full(params))
    mask = jax.tree.map(
        lambda keep: keep & (rng.random(np.shape(keep)) > 0.3) if np.ndim(keep) else keep, living
    )
    return Ticket(mask, channels.without_dead(params, alive), stats, meta), alive


SLOW = [
    ("large", "keypoints", 2, 0.5), ("large", "masks", 3, 0.3), ("large", "deconvolutions", 4, 0.7),
    ("large", "keypoints", 5, 0.95), ("large", "keypoints", 6, 1.0),
]  # fmt: skip


@pytest.mark.parametrize(
    ("arch", "head", "seed", "dead"),
    [
        ("small", "keypoints", 0, 0.5),
        ("small", "deconvolutions", 1, 0.7),
        *(pytest.param(*each, marks=pytest.mark.slow) for each in SLOW),
    ],
)
def test_a_searched_network_answers_the_same_without_its_dead_channels(arch, head, seed, dead):
    ticket, alive = searched(arch, head, seed, dead)
    found = compact(ticket)
    before, after = found.report["parameters"]
    # of every path one channel stays, of the others at most the living ones
    most = sum(max(int(each.sum()), 1) for each in alive.values())
    hidden = sum(np.shape(leaf)[0] for path, leaf in masks.leaf_paths(found.ticket.params).items()
                 if path.endswith("depthwise_norm/scale"))  # fmt: skip
    assert hidden <= most
    assert after < before
    assert found.report["multiply_adds"][1] < found.report["multiply_adds"][0]
    x = jax.random.uniform(jax.random.key(9), (2, *SHAPE))
    answers = [
        np.asarray(models.logits(
            provenance.build_model(each.meta), masks.apply(each.mask, each.params),
            each.batch_stats, x,
        ))
        for each in (ticket, found.ticket)
    ]  # fmt: skip
    np.testing.assert_allclose(answers[1], answers[0], atol=1e-5 * abs(answers[0]).max())
    assert answers[0].std() > 0
