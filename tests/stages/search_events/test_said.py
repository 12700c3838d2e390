"""What events say and write."""

import jax
import numpy as np
import pytest

from rtickets import Ticket, masks
from rtickets.draw.searching import channels
from tests.stages.search_events.conftest import DYING, Made, with_scales


def test_channels_that_only_the_budget_removes_are_said(network, monkeypatch):
    fixed = 100_000 - sum(10 * (n + 1) * 8 for n in range(len(channels.find(network[1]))))
    made = Made(network, monkeypatch, budget=fixed + 100)
    state, _ = made.events.happen(6, 6, made.state(made.params), made.events.whole)
    scales = masks.leaf_paths(made.params)
    gone = [np.abs(scales[path])[~live] for path, live in state.search.alive.items()]
    number, largest = sum(map(len, gone)), max(each.max() for each in gone if len(each))
    assert number > 0
    (note,) = [each for each in made.written[-1].notes if "budget" in each]
    assert note.startswith(f"step 6: {number} channels with scales up to {largest:.3g}")
    assert note in made.order  # said when it happens
    small = with_scales(made.params, [1e-4])  # died by its scale, and the budget is met
    made = Made(network, monkeypatch, budget=99_999)
    made.events.happen(6, 6, made.state(small), made.events.whole)
    assert made.written[-1].notes == []


def test_a_search_that_leaves_no_channel_or_frees_none_is_said(network, monkeypatch):
    made = Made(network, monkeypatch, threshold=100)
    made.events.happen(6, 6, made.state(made.params), made.events.whole)
    (note,) = [each for each in made.written[-1].notes if "searchable channels" in each]
    assert "lives; lower searching.penalty, 0.5, or searching.threshold, 100" in note
    assert note in made.order
    for penalty, said in ((0.5, 1), (0, 0)):
        made = Made(network, monkeypatch, penalty=penalty)
        made.events.happen(2, 6, made.state(made.params), made.events.whole)  # not the last one
        made.events.happen(6, 6, made.state(made.params), made.events.whole)
        notes = [each for each in made.order if "died, no scale fell below threshold" in each]
        assert len(notes) == said
    made = Made(network, monkeypatch)
    made.events.happen(6, 6, made.state(with_scales(made.params, [1e-4])), made.events.whole)
    assert made.written[-1].notes == []


def test_layers_that_die_and_floors_that_do_not_fit_are_noted(network, monkeypatch):
    made = Made(network, monkeypatch, sparsity=0.9, sparsity_step=0.9)
    faint = {**made.params, "stem_conv1": {"kernel": 1e-6 * made.params["stem_conv1"]["kernel"]}}
    made.events.happen(3, 99, made.state(faint), made.events.whole)
    assert any("stem_conv1/kernel" in note for note in made.written[-1].notes)
    made = Made(network, monkeypatch, sparsity=0.9, sparsity_step=0.9, floor=0.1)
    made.events.happen(3, 99, made.state(faint), made.events.whole)
    (note,) = made.written[-1].notes
    assert "floor=0.1" in note
    assert "down" in note
    size = made.params["stem_conv1"]["kernel"].size
    assert made.written[-1].mask["stem_conv1"]["kernel"].sum() == int(0.1 * size)


@pytest.mark.parametrize("masked_average", [False, True])
def test_what_is_written_is_zero_where_it_is_dead(network, monkeypatch, masked_average):
    """Weights are kept while they are masked; a ticket has none of them."""
    made = Made(network, monkeypatch)
    average = made.params if masked_average else None
    made.events.happen(3, 99, made.state(made.params, average), made.events.whole)
    (written,) = made.written
    kept, left = masks.leaf_paths(written.mask), masks.leaf_paths(written.params)
    pruned = {path: ~keep for path, keep in kept.items() if np.ndim(keep)}
    assert sum(int(dead.sum()) for dead in pruned.values()) > 100
    for path, dead in pruned.items():
        assert (np.asarray(left[path])[dead] == 0).all()


def test_a_ticket_of_a_search_comes_back_as_it_was(network, tmp_path):
    _, params, stats = network
    alive = channels.all_alive(params)
    alive[DYING][:3] = False
    mask = channels.mask_of(params, alive, masks.full(params))
    kept = masks.apply(mask, channels.without_dead(params, alive))
    Ticket(mask, kept, stats, {"step": 7}).save(tmp_path / "ticket")
    found = Ticket.load(tmp_path / "ticket")
    assert found.meta["step"] == 7
    for ours, theirs in ((mask, found.mask), (kept, found.params), (stats, found.batch_stats)):
        jax.tree.map(np.testing.assert_array_equal, ours, theirs)
