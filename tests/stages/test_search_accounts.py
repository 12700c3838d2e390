"""What a searched network takes is counted by its living channels, prunable or not."""

import jax
import numpy as np
import pytest

from rtickets import Ticket, masks, models
from rtickets.config import SearchingConfig
from rtickets.draw.searching import channels
from rtickets.models.heads.places import Places
from rtickets.models.inputs import as_inputs
from rtickets.models.supernet import Joined, Stage, Supernet, Table
from rtickets.stages import search_accounts
from rtickets.stages.search_checks import costs_of
from rtickets.stages.search_events import SearchEvents

MODEL = Supernet(2, Table(4, (Stage((4,), (1,)),), Joined(4), (3,), 2), make_head=Places())
INPUTS = as_inputs((16, 16, 1))


@pytest.fixture(scope="module")
def params():
    return jax.device_get(models.initialise(MODEL, jax.random.key(0), INPUTS)[0])


@pytest.mark.parametrize("exclude", [None, ".*depthwise_conv/kernel", "(?!.*project).*"])
def test_a_search_and_its_account_count_the_same(params, exclude, monkeypatch):
    monkeypatch.setattr(search_accounts.provenance, "build_model", lambda meta: MODEL)
    costs, whole = costs_of(MODEL, INPUTS), masks.full(params, exclude=exclude)
    events = SearchEvents(
        config=SearchingConfig(), every=(2, 3), costs=costs.by_channel, total=costs.total,
        whole=whole, activation=jax.nn.relu, write=print, say=print,
    )  # fmt: skip
    alive = channels.all_alive(params)
    for number, live in enumerate(alive.values()):
        live[: 3 + number] = False
    mask = channels.mask_of(params, alive, whole)
    kept = channels.without_dead(params, alive)
    ticket = Ticket(mask, masks.apply(mask, kept), {}, {})
    found = search_accounts.account(ticket, INPUTS, whole)
    adds = found["multiply_adds"]
    assert adds["dense"] == costs.total
    assert adds["searched"] == adds["sparse"] == events.multiply_adds(alive) < costs.total
    dead = sum(
        int((~alive[path]).sum()) * (np.size(leaf) // np.shape(leaf)[axis])
        for path, tied in channels.find(params).items()
        for array, axis in tied.arrays.items()
        for leaf in [masks.leaf_paths(params)[array]]
    )
    assert found["parameters"]["searched"] == found["parameters"]["dense"] - dead
