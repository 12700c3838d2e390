"""What happens in events, when, and what comes back."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtickets import masks, models
from rtickets.draw.searching import channels
from rtickets.models.heads.places import Places
from rtickets.models.supernet import TABLES
from tests.stages.search_events.conftest import DYING, SHAPE, Made, with_scales


def test_channels_die_before_weights_are_pruned_and_the_end_has_both(network, monkeypatch):
    made = Made(network, monkeypatch)
    state, mask = made.state(made.params), made.events.whole
    happened = {}
    for step in (2, 3, 4, 6, 7):
        made.order.clear()
        state, mask = made.events.happen(step, 7, state, mask)
        happened[step] = [each for each in made.order if " " not in each]  # no notes
    both = ["channels", "weights"]
    assert happened == {2: ["channels"], 3: ["weights"], 4: ["channels"], 6: both, 7: both}
    assert [each.step for each in made.written] == [3, 6, 7]


@pytest.mark.parametrize("mode", ["explicit", "on_shrink", "none"])
def test_what_comes_back_has_its_old_values(network, monkeypatch, mode):
    """Weights are pruned at step 3; at step 4 channels of one block die."""
    made = Made(network, monkeypatch, reactivation=mode)
    state, mask = made.events.happen(3, 99, made.state(made.params), made.events.whole)
    ticket = made.written[0].mask
    size = masks.summary(ticket, made.params).prunable
    assert size.survivors == size.total - int(0.25 * size.total)
    jax.tree.map(np.testing.assert_array_equal, state.params, made.params)  # nothing is erased
    same = jax.tree.map(lambda a, b: bool(np.all(a == b)), mask, ticket)
    assert all(jax.tree.leaves(same)) == (mode != "explicit")
    dead = with_scales(state.params, [1e-4, 1e-4])
    state, after = made.events.happen(4, 99, state._replace(params=dead), mask)
    inside = {array for tied in channels.find(dead).values() for array in tied.arrays}
    living = masks.leaf_paths(channels.mask_of(dead, state.search.alive, made.events.whole))
    assert sum(int((~each).sum()) for each in state.search.alive.values()) == 2
    for path, keep in masks.leaf_paths(after).items():
        if not np.ndim(keep):
            continue
        comes_back = mode == "explicit" or (mode == "on_shrink" and path in inside)
        pruned = np.asarray(masks.leaf_paths(ticket)[path])
        expected = living[path] if comes_back else living[path] & pruned
        np.testing.assert_array_equal(keep, expected)
        before, now = (masks.leaf_paths(tree)[path] for tree in (dead, state.params))
        np.testing.assert_array_equal(now[living[path]], before[living[path]])
        assert (now[~living[path]] == 0).all()


def test_masked_weights_get_no_gradient_of_the_task(network):
    model, params, stats = network
    mask = jax.tree.map(
        lambda leaf: (
            np.random.default_rng(leaf.size).random(leaf.shape) > 0.5
            if np.ndim(leaf) > 1
            else np.ones((), bool)
        ),
        params,
    )
    x = jax.random.uniform(jax.random.key(1), (2, *SHAPE))

    @jax.jit
    @jax.grad
    def slopes(own):
        outputs, _ = models.training_logits(model, masks.apply(mask, own), stats, x)
        return (outputs**2).sum()

    found = masks.leaf_paths(slopes(params))
    seen = 0
    for path, keep in masks.leaf_paths(mask).items():
        if np.ndim(keep):
            assert (np.asarray(found[path])[~keep] == 0).all()
            seen += int((np.asarray(found[path])[keep] != 0).sum())
    assert seen > 100


def test_in_the_last_event_the_average_alone_decides(network, monkeypatch):
    made = Made(network, monkeypatch)
    # two channels are small in the average and one of these is large now
    now = with_scales(made.params, [1.0, 1e-4, 1.0])
    average = with_scales(made.params, [1e-4, 1e-4, 1.0])
    for step, last, dead in ((2, 99, [False, True, False]), (2, 2, [True, True, False])):
        state = made.state(now, average)
        state, _ = made.events.happen(step, last, state, made.events.whole)
        assert (~state.search.alive[DYING])[:3].tolist() == dead


def test_too_little_freed_waits_for_the_end(network, monkeypatch):
    made = Made(network, monkeypatch, least_freed=10_000)
    small = with_scales(made.params, [1e-4, 1e-4])
    for last, dead in ((99, 0), (2, 2)):
        state, _ = made.events.happen(2, last, made.state(small), made.events.whole)
        assert int((~state.search.alive[DYING]).sum()) == dead


@pytest.mark.parametrize("refresh", [False, True])
def test_costs_are_weighed_anew_where_that_is_asked(network, monkeypatch, refresh):
    made = Made(network, monkeypatch, refresh=refresh)
    before = made.events.start(made.params).weights
    dead = with_scales(made.params, np.full(8, 1e-4))  # all of the block's
    state, _ = made.events.happen(2, 99, made.state(dead), made.events.whole)
    alive, costs = state.search.alive, made.events.costs
    assert not alive[DYING].any()
    counted = alive if refresh else channels.all_alive(made.params)
    number = sum(int(each.sum()) for each in counted.values())
    mean = sum(costs[path] * int(each.sum()) for path, each in counted.items()) / number
    for path, weights in state.search.weights.items():
        np.testing.assert_allclose(weights, 0.5 * costs[path] / mean * alive[path], rtol=1e-5)
    others = [path for path in before if path != DYING]
    same = all(np.allclose(before[path], state.search.weights[path]) for path in others)
    assert same != refresh


def test_a_budget_hurries_and_then_lets_go(network, monkeypatch):
    fixed = 100_000 - sum(
        10 * (n + 1) * 8 for n in range(len(channels.find(network[1])))
    )  # of 8 channels each
    made = Made(network, monkeypatch, budget=fixed + 450, urgency=2.0)
    state = made.state(made.params)  # 480 of channels: more than 450
    first = state.search.weights[DYING].copy()
    state, _ = made.events.happen(2, 99, state, made.events.whole)
    np.testing.assert_allclose(state.search.weights[DYING], 2 * first)
    dead = with_scales(state.params, [1e-4] * 4)
    state, _ = made.events.happen(4, 99, state._replace(params=dead), made.events.whole)
    assert all((each == 0).all() for each in state.search.weights.values())


def test_a_refreshed_penalty_of_equal_weights_stays_what_it_is(network, monkeypatch):
    made = Made(network, monkeypatch, refresh=True, penalty_by="equal")
    state, mask = made.state(made.params), made.events.whole
    for step in (2, 4, 8, 10):
        state, mask = made.events.happen(step, 99, state, mask)
    for path, weights in state.search.weights.items():
        np.testing.assert_allclose(weights, 0.5 * state.search.alive[path], rtol=1e-6)


@pytest.mark.parametrize("settings", [{}, {"refresh": True}, {"refresh": True, "budget": 99_900}])
def test_a_search_goes_on_where_no_channel_lives(network, monkeypatch, settings):
    made = Made(network, monkeypatch, **settings)
    params = jax.tree.map(np.copy, made.params)
    for path in channels.find(params):
        block, norm, scale = path.split("/")
        params[block][norm][scale][:] = 1e-5
    state, mask = made.events.happen(2, 99, made.state(params), made.events.whole)
    for step in (3, 4, 99):
        state, mask = made.events.happen(step, 99, state, mask)
    assert not any(each.any() for each in state.search.alive.values())
    assert not any(each.any() for each in state.search.weights.values())
    kept = masks.summary(made.written[-1].mask, params).prunable
    assert 0 < kept.survivors < kept.total


def test_the_early_step_happens_once(network, monkeypatch):
    made = Made(network, monkeypatch)
    assert made.events.once == ()
    seen = made.events._replace(early=1, write_early=made.written.append)
    assert (seen.periods, seen.once) == ((2, 3), (1,))
    state = made.state(made.params)
    for step in (1, 5):
        seen.happen(step, 99, state, seen.whole)
    assert [each.step for each in made.written] == [1]


@pytest.mark.parametrize(
    "arch", [pytest.param(arch, marks=[pytest.mark.slow] * ("_s" not in arch)) for arch in TABLES]
)
def test_what_is_penalised_is_what_can_be_removed(arch):
    """By the names of parameters alone: every scale has its three kernels and normalisations."""
    model = models.build(arch, 3, stem="imagenet", make_head=Places(), width=0.25)
    made = jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, 32, 32, 3)))["params"]
    shapes = {path: leaf.shape for path, leaf in masks.leaf_paths(made).items()}
    empty = jax.tree.map(lambda leaf: np.empty(leaf.shape, np.int8), made)
    tied, alive = channels.find(empty), channels.all_alive(empty)
    weights = channels.penalty_weights(1.0, dict.fromkeys(tied, 7), alive, alive)
    assert set(weights) == {p for p in shapes if p.endswith("depthwise_norm/scale")}
    for path, each in tied.items():
        assert len(each.arrays) == 7
        for array, axis in each.arrays.items():
            assert shapes[array][axis] == shapes[path][0]
