"""What holds for every criterion of the registry."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtickets import masks, models
from rtickets.config import DrawConfig
from rtickets.draw.criteria import CRITERIA, ScoredNetwork
from rtickets.errors import InputError
from rtickets.settings import config_files
from rtickets.settings.fields import find_kind
from rtickets.tasks import Classification

SHAPE = (8, 8, 1)
names = pytest.mark.parametrize("name", CRITERIA)
of_networks = pytest.mark.parametrize(
    "name", [name for name, entry in CRITERIA.items() if entry.make is not None]
)


@pytest.fixture(scope="module")
def network(tiny):
    """Return the network and a subject that counts how often its data are read."""
    read = []

    def load_batches():
        read.append(1)
        x = jnp.asarray(tiny.split.images[:8] / 255, jnp.float32)
        rest = {"label": jnp.asarray(tiny.split.labels[:8])}
        return [(x, rest, jax.random.split(jax.random.key(0), 8))]

    def logits_fn(params, x):
        return models.logits(tiny.model, params, tiny.batch_stats, x)

    pattern = masks.DEFAULT_PRUNABLE
    return tiny, read, ScoredNetwork(
        tiny.model, tiny.batch_stats, models.as_inputs(SHAPE), logits_fn, load_batches, None,
        pattern, None, Classification(),
    )  # fmt: skip


@of_networks
def test_rounds_do_not_trace_the_network_again(network, name, monkeypatch):
    tiny, _, subject = network
    traced, logits = [], models.logits

    def counted(*args):
        traced.append(1)
        return logits(*args)

    monkeypatch.setattr(models, "logits", counted)
    score = CRITERIA[name].make(subject)
    score(tiny.params, tiny.mask)
    once = len(traced)
    assert once
    for _ in range(3):
        score(masks.apply(tiny.mask, tiny.params), tiny.mask)
    assert len(traced) == once


@of_networks
def test_scores_are_finite_and_as_the_entry_says(network, name):
    tiny, read, subject = network
    read.clear()
    entry = CRITERIA[name]
    score = entry.make(subject)
    alive = masks.apply(tiny.mask, tiny.params)
    scores, again = score(alive, tiny.mask), score(alive, tiny.mask)
    assert bool(read) == entry.from_data
    kept = masks.prunable_leaves(tiny.mask)
    assert set(scores) == set(kept)
    for path, keep in kept.items():
        assert np.shape(scores[path]) == keep.shape
        assert np.isfinite(scores[path]).all()
        np.testing.assert_array_equal(scores[path][~keep], 0)
        np.testing.assert_array_equal(scores[path], again[path])
    signed = any((np.asarray(leaf) < 0).any() for leaf in scores.values())
    assert signed == entry.signed


@names
def test_settings_that_it_does_not_read_are_refused(name):
    entry, config = CRITERIA[name], DrawConfig(criterion=name)
    assert (config.reads_task, config.num_rounds) == (entry.from_data, entry.rounds)
    assert (entry.passes > 0) == entry.from_data
    for field, value, used in (
        ("examples", 8, entry.from_data),
        ("rounds", 3, entry.in_rounds),
        ("group_norm", "l2", not entry.signed),
    ):
        if used:
            DrawConfig(criterion=name, **{field: value})
        else:
            with pytest.raises(InputError, match=f"criterion='{name}'.*{field}"):
                config_files.parse(DrawConfig, {"criterion": name, field: value})


def test_names_are_those_of_the_registry():
    assert find_kind(DrawConfig, "criterion").words.split(" | ") == list(CRITERIA)
    with pytest.raises(InputError) as caught:
        config_files.parse(DrawConfig, {"criterion": "snipp"})
    assert "criterion='snipp'" in str(caught.value)
    assert "'snip'" in str(caught.value)
