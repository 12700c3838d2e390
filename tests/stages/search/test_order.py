"""What happens in the events of a search, in which order, and what they keep."""

import jax
import numpy as np
import pytest

from rtickets import Ticket, masks
from rtickets.stages import search_events
from tests.stages.search.conftest import run, whole


def test_the_last_event_meets_the_budget(tmp_path):
    folder = run(
        tmp_path, searching__budget=8000, searching__threshold=0.0, searching__prune_every="0ep",
        searching__search_every="4it", train__duration="4it",
    )  # fmt: skip
    found = folder.result()
    # channels of 17 multiply-adds at each of 16 places
    assert 8000 - 17 * 16 < found["multiply_adds"]["searched"] <= 8000
    # what was removed by force is said where the ticket is, and channels that go are no sign
    (note,) = found["notes"]
    assert "budget=8,000" in note
    assert Ticket.load(folder.path / "ticket").meta["notes"] == [note]
    assert "broken" not in found


def test_channels_die_before_weights_are_pruned_in_one_event(tmp_path, monkeypatch):
    order = []
    for name in ("_shrink", "_prune"):
        own = getattr(search_events.SearchEvents, name)

        def spy(self, *arguments, own=own, name=name, **options):
            order.append(name)
            return own(self, *arguments, **options)

        monkeypatch.setattr(search_events.SearchEvents, name, spy)
    run(tmp_path)
    assert order == ["_shrink", "_prune", "_shrink", "_shrink", "_prune", "_shrink", "_prune"]


@pytest.mark.parametrize("mode", ["explicit", "on_shrink", "none"])
def test_what_comes_back_between_prune_events(mode, tmp_path, monkeypatch):
    found, happen = [], search_events.SearchEvents.happen

    def spy(self, step, last, state, mask):
        after = happen(self, step, last, state, mask)
        found.append((step, state, mask, after))
        return after

    monkeypatch.setattr(search_events.SearchEvents, "happen", spy)
    folder = run(tmp_path, searching__reactivation=mode)
    for step, state, mask, (later, after) in found:
        living = search_events.channels.mask_of(later.params, later.search.alive, whole(later))
        before, now, most = (
            {path: np.asarray(leaf) for path, leaf in masks.leaf_paths(each).items()}
            for each in (mask, after, living)
        )
        died = any((state.search.alive[p] != each).any() for p, each in later.search.alive.items())
        if step == 8:  # the last event prunes, and nothing comes back after it
            continue
        if step % 3 == 0:
            full = all((now[path] == most[path]).all() for path in now)
            assert full == (mode == "explicit")
            continue
        for path, leaf in now.items():
            searchable = "block1" in path or "fusion" in path or "joined" in path
            if mode == "on_shrink" and died and searchable and "path3" in path:
                assert (leaf == most[path]).all()
            else:
                assert (leaf == (before[path] & most[path])).all()
    last = Ticket.load(folder.path / "ticket")
    result = folder.result()
    assert result["survivors"] == masks.summary(last.mask, last.params).prunable.survivors
    assert any(search_step % 3 for search_step, *_ in found)


def test_the_network_of_an_early_step_is_kept_whole(tmp_path):
    folder = run(tmp_path, searching__early="1it")
    early, plain = Ticket.load(folder.path / "early"), run(tmp_path)
    assert masks.sparsity(early.mask) == 0
    assert early.meta["step"] == 1
    initial = Ticket.load(folder.path / "initial")
    moved = np.abs(early.params["stem_conv1"]["kernel"] - initial.params["stem_conv1"]["kernel"])
    assert 0 < moved.max() <= 0.011  # a step of AdamW
    own, other = (Ticket.load(each.path / "ticket") for each in (folder, plain))
    jax.tree.map(np.testing.assert_array_equal, own.params, other.params)  # and changes nothing
