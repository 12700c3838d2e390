"""Groups of channels over several layers, drawn and taken out whole."""

import numpy as np
import pytest

from rtickets import compact, draw_omp, masks
from rtickets.config import DrawConfig
from rtickets.draw.linked import keep_linked
from rtickets.errors import InputError
from rtickets.settings import config_files
from rtickets.tickets.compaction import linked_channels
from rtickets.tickets.ticket import Ticket
from tests.tickets.compaction.test_compact import random_ticket


@pytest.fixture(scope="module")
def ticket():
    return random_ticket("resnet18", 1 / 8, (16, 16, 3), 0.0, stem="small")


@pytest.fixture(scope="module")
def linked(ticket):
    return linked_channels(ticket)


def test_residual_additions_link_layers_and_answers_stay(linked):
    stream = [linked[f"{path}/kernel"] for path in
              ("stem_conv", "stage1_block1/conv2", "stage1_block2/conv2")]  # fmt: skip
    assert all(np.array_equal(stream[0], each) for each in stream)
    assert len(np.unique(stream[0])) == 8
    inner = linked["stage1_block1/conv1/kernel"]
    assert not set(inner) & set(stream[0])
    assert set(linked["head/kernel"]) == {-1}


def test_what_is_drawn_goes_whole(ticket, linked):
    mask = draw_omp(ticket.params, 0.7, "channel_linked", linked=linked)
    assert abs(masks.sparsity(mask) - 0.7) < 0.02
    dead = {path: ~np.asarray(keep).any((0, 1, 2)) for path, keep in masks.leaf_paths(mask).items()
            if np.ndim(keep) == 4}  # fmt: skip
    for path, gone in dead.items():
        for other, same in dead.items():
            both = np.isin(linked[path], linked[other][same])
            assert (gone[both]).all()
    made = compact(Ticket(mask, ticket.params, ticket.batch_stats, ticket.meta))
    before, after = made.report["parameters"]
    assert after < 0.4 * before


def test_groups_of_a_layer_that_is_left_alone_live_as_a_whole(ticket, linked):
    mask = draw_omp(ticket.params, 0.5, "channel_linked", linked=linked, exclude="stem_conv/kernel")
    alive = {path: np.asarray(keep).any((0, 1, 2)) for path, keep in masks.leaf_paths(mask).items()
             if np.ndim(keep) == 4}  # fmt: skip
    assert alive["stage1_block1/conv2/kernel"].all()  # they write what the stem writes
    assert alive["stage1_block2/conv2/kernel"].all()
    assert not alive["stage4_block2/conv1/kernel"].all()
    assert abs(masks.sparsity(mask) - 0.5) < 0.02


def test_groups_are_ranked_by_their_mean_and_fit_the_budget():
    scores = {"a": np.array([[1.0, 5.0, 2.0]]), "b": np.array([[9.0, 1.0], [9.0, 1.0]])}
    alive = {path: np.ones(each.shape, bool) for path, each in scores.items()}
    linked = {"a": np.array([0, 1, 2]), "b": np.array([0, 1])}
    kept = keep_linked(scores, alive, linked, 0.5)
    # means 19/3, 7/3, 2 and sizes 3, 3, 1: of 7 weights 4 may live, the best and none that fits not
    np.testing.assert_array_equal(kept.masks["a"], [[True, False, False]])
    np.testing.assert_array_equal(kept.masks["b"], [[True, False], [True, False]])


def test_what_does_not_go_together_is_refused(ticket, linked):
    with pytest.raises(InputError, match="linked_channels"):
        draw_omp(ticket.params, 0.7, "channel_linked")
    with pytest.raises(InputError, match="scope='uniform'"):
        draw_omp(ticket.params, 0.7, "channel_linked", scope="uniform", linked=linked)
    with pytest.raises(InputError, match="'channel'"):
        draw_omp(ticket.params, 0.7, "channel", linked=linked)
    fixed = {path: np.full_like(each, -1) for path, each in linked.items()}
    with pytest.raises(InputError, match="never be removed"):
        draw_omp(ticket.params, 0.7, "channel_linked", linked=fixed)
    with pytest.raises(InputError, match=r"channel_linked.*method='omp'"):
        config_files.parse(DrawConfig, {"pattern": "channel_linked", "control": "random"})
