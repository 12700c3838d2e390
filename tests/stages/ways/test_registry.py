"""Every way of drawing leaves a ticket of the sparsity asked for, and says what it needs."""

import json
from typing import get_args

import numpy as np
import pytest

from rtickets import masks
from rtickets.config import DrawConfig, TrainConfig, WayConfig
from rtickets.costs import Setting
from rtickets.draw import Ticket
from rtickets.errors import InputError
from rtickets.settings import config_files
from rtickets.stages.registry import estimate
from rtickets.stages.ways.registry import WAYS

ALL = pytest.mark.parametrize("name", WAYS)


def config_of(name, **fields):
    train = {"train": TrainConfig(duration="4it")} if WAYS[name].trains else {}
    return DrawConfig(method=name, **{**train, **fields})


def drawn(bench, name):
    if name != "given":
        return bench.draw(method=name, sparsity=0.2, scope="uniform")
    method = WayConfig(name=name, mask=str(bench.draw(sparsity=0.2).path))
    return bench.draw(method=method, sparsity=0.2, train=None)


@ALL
def test_it_draws_what_is_asked_for(bench, name):
    folder = drawn(bench, name)
    ticket, dense = Ticket.load(folder.source.ticket), bench.dense
    assert masks.sparsity(ticket.mask) == pytest.approx(0.2, abs=0.02)
    assert (
        folder.result()["survivors"] == masks.summary(ticket.mask, ticket.params).prunable.survivors
    )
    assert ticket.meta["history"][-1]["method"]["name"] == name
    kernel = dense.params["stem_conv"]["kernel"] * ticket.mask["stem_conv"]["kernel"]
    np.testing.assert_array_equal(ticket.params["stem_conv"]["kernel"], kernel)


@ALL
def test_settings_survive_a_file_and_their_name_is_enough(name):
    config = config_of(name)
    assert config.method == WayConfig(name=name)
    stored = json.loads(json.dumps(config_files.to_dict(config)))
    assert config_files.parse(DrawConfig, stored) == config
    assert config_files.parse(DrawConfig, {**stored, "method": name}) == config


@ALL
def test_a_dry_run_knows_what_it_takes(name):
    (found,) = estimate(config_of(name, sparsity=0.36), Setting())
    assert name in found.name
    assert (found.operations > 0) == WAYS[name].trains
    assert found.times == WayConfig(name=name).states(0.36, 0.0)


@ALL
def test_it_is_refused_what_it_does_not_read_or_lacks(name):
    way = WAYS[name]
    if way.trains:
        with pytest.raises(InputError, match=f"method='{name}'.*train"):
            config_files.parse(DrawConfig, {"method": name})
    for field in set(way.unused) & {"train", "group_norm"}:
        value = {"train": {}, "group_norm": "l2"}[field]
        given = {"train": {}, "method": name, field: value}
        with pytest.raises(InputError, match=f"method='{name}'.*{field}"):
            config_files.parse(DrawConfig, given if way.trains else {"method": name, field: value})
    for scope in set(get_args(DrawConfig.__dataclass_fields__["scope"].type)) - set(way.scopes):
        with pytest.raises(InputError, match="scope"):
            config_files.parse(DrawConfig, {"method": name, "scope": scope, "train": {}})
