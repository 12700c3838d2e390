"""A supernet of a few channels, and the events of a search in it."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from rtickets import masks, models
from rtickets.config import SearchingConfig
from rtickets.draw.searching import channels
from rtickets.models.heads.places import Places
from rtickets.models.supernet import Joined, Stage, Supernet, Table
from rtickets.stages.search_events import SearchEvents
from rtickets.training import TrainState
from rtickets.training.averaging import Average

TABLE = Table(4, (Stage((4,), (1,)),), Joined(4), (3,), 2)
SHAPE = (16, 16, 1)
DYING = "stage1_branch1_block1/path3_depthwise_norm/scale"


@pytest.fixture(scope="module")
def network():
    model = Supernet(2, TABLE, make_head=Places())
    params, stats = jax.device_get(models.initialise(model, jax.random.key(0), SHAPE))
    shaken = jax.tree.map(
        lambda leaf: (leaf + np.random.default_rng(leaf.size).normal(0, 0.2, leaf.shape)).astype(
            np.float32
        ),
        params,
    )
    return model, shaken, stats


def with_scales(params, values):
    """Return parameters with other scales of the first channels that `DYING` names."""
    found = jax.tree.map(np.copy, params)
    block, path, scale = DYING.split("/")
    found[block][path][scale][: len(values)] = values
    return found


class Made:
    """Events of settings, with what they write and the order in which things happen."""

    def __init__(self, network, monkeypatch, **settings):
        _, self.params, self.stats = network
        config = SearchingConfig(**{
            "search_every": "2it", "prune_every": "3it", "least_freed": 1, "sparsity": 0.5,
            "sparsity_step": 0.25, "penalty": 0.5, **settings,
        })  # fmt: skip
        self.written, self.order = [], []
        whole = masks.full(self.params)
        costs = {path: 10 * (n + 1) for n, path in enumerate(channels.find(self.params))}
        self.events = SearchEvents(
            config, (2, 3), costs, 100_000, whole, jax.nn.relu, self.written.append,
            self.order.append,
        )  # fmt: skip
        shrink, prune = SearchEvents._shrink, SearchEvents._prune

        def noted(name, original):
            def call(own, *arguments, **named):
                self.order.append(name)
                return original(own, *arguments, **named)

            return call

        monkeypatch.setattr(SearchEvents, "_shrink", noted("channels", shrink))
        monkeypatch.setattr(SearchEvents, "_prune", noted("weights", prune))

    def state(self, params, average=None):
        held = None
        if average is not None:
            held = Average(jnp.int32(5), average, self.stats)
        return TrainState(
            jnp.int32(0), params, self.stats, optax.adam(0.1).init(params), held,
            search=self.events.start(params),
        )  # fmt: skip
