"""Names of layouts in configurations: every way of drawing takes them, and tickets remember them.

The stem is said to have its outputs before its inputs, which changes what a channel is.
"""

import chex
import numpy as np
import pytest

from rtickets import masks
from rtickets.config import DrawConfig, GateConfig, LmpConfig
from rtickets.draw import Ticket, draw_omp
from rtickets.errors import InputError
from rtickets.masks.gates import SCORES
from rtickets.tickets import provenance
from rtickets.tickets.inspect import describe

NAMES = (r".*block1/conv1/kernel=hwoi",)


def drawn(bench, **fields):
    fields = {"sparsity": 0.5, "pattern": "channel", "scope": "uniform", **fields}
    return Ticket.load(bench.draw(**fields).source.ticket)


def named_leaf(bench):
    (path,) = (p for p in masks.leaf_paths(bench.dense.params) if p.endswith("block1/conv1/kernel"))
    return path


def check_channels(ticket, path):
    """Whether everything lives or dies by the third axis of the named leaf, half of it."""
    keep = masks.leaf_paths(ticket.mask)[path]
    np.testing.assert_array_equal(keep.all((0, 1, 3)), keep.any((0, 1, 3)))
    assert keep.any((0, 1, 3)).sum() == keep.shape[2] / 2
    assert ticket.meta["layouts"] == {path: "hwoi"}
    (row,) = (row for row in describe(ticket)["layers"] if row["path"] == path)
    assert (row["layout"], row["zero_outputs"], row["zero_inputs"]) == (
        "hwoi",
        keep.shape[2] / 2,
        0,
    )


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"criterion": "synflow", "rounds": 2},
        {"method": "imp"},
        {"method": "lmp"},
        {"control": "random"},
    ],
    ids=str,
)
def test_every_way_of_drawing_takes_names_and_remembers_them(bench, fields):
    path = named_leaf(bench)
    check_channels(drawn(bench, layouts=NAMES, **fields), path)
    assert "layouts" not in drawn(bench).meta


def test_a_ticket_is_drawn_further_with_the_names_that_it_has(bench):
    pattern = {"pattern": "channel", "scope": "uniform"}
    first = bench.draw(sparsity=0.5, layouts=NAMES, **pattern)
    run = bench.draw(source=first.source, sparsity=0.75, **pattern)
    ticket = Ticket.load(run.source.ticket)
    path = named_leaf(bench)
    assert ticket.meta["layouts"] == {path: "hwoi"}
    expected = draw_omp(
        Ticket.load(first.source.ticket).params,
        0.75,
        "channel",
        "uniform",
        start=Ticket.load(first.source.ticket).mask,
        layouts={path: "hwoi"},
    )
    chex.assert_trees_all_equal(ticket.mask, expected)
    again = bench.draw(source=first.source, sparsity=0.8, layouts=(".*/conv1/kernel=hwio",))
    assert Ticket.load(again.source.ticket).meta["layouts"][path] == "hwio"


def test_a_learnt_mask_has_a_score_per_named_group(bench):
    path = named_leaf(bench)
    lmp = LmpConfig(gate=GateConfig(start="kaiming"))
    drawn(bench, layouts=NAMES, method=lmp)
    (run,) = bench.runs
    shape = masks.leaf_paths(bench.dense.params)[path].shape
    assert run.weights[0][SCORES][path.replace("/", ".")].shape == (1, 1, 1, shape[2])


@pytest.mark.parametrize("method", ["omp", "imp", "lmp"])
def test_a_name_that_fits_nothing_is_refused_before_any_training(bench, method):
    with pytest.raises(InputError, match="'stem9/kernel'"):
        drawn(bench, layouts=("stem9/kernel=hwio",), method=method)
    with pytest.raises(InputError, match=r"'io' .*conv1/kernel"):
        drawn(bench, layouts=(".*/conv1/kernel=io",), method=method)
    assert not bench.runs


def test_provenance_without_names_stays_as_it_is(bench):
    meta = bench.dense.meta
    draw = DrawConfig()
    named = provenance.name_layouts(
        meta, bench.dense.params, draw.prunable, draw.exclude, draw.layouts
    )
    assert named == meta
