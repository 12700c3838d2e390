import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtickets import masks, models, training
from rtickets.config import AttackConfig, GateConfig, LmpConfig, ObjectiveConfig, OptimizerConfig
from rtickets.draw import Ticket, draw_omp, survivors
from rtickets.errors import InputError
from rtickets.masks.gates import SCORES, LearnedMask, initial_scores, mask_of
from rtickets.platform import parallel
from rtickets.tickets import provenance

HEAVY = OptimizerConfig(learning_rate=1.0, momentum=0.9, weight_decay=0.1, schedule="constant")
SETTINGS = LearnedMask(0.6)


def lmp_of(**gate):
    return LmpConfig(gate=GateConfig(**gate))


def learn(bench, **fields):
    run = bench.draw(**{"method": "lmp", "sparsity": 0.6, "scope": "uniform", **fields})
    return Ticket.load(run.source.ticket)


def without_head(params):
    return {name: leaf for name, leaf in params.items() if name != "head"}


def test_weights_are_frozen_bit_for_bit_and_the_head_is_trained(bench):
    ticket = learn(bench, train=bench.train(optimizer=HEAVY))
    dense = bench.dense
    expected = masks.apply(ticket.mask, dense.params)
    chex.assert_trees_all_equal(without_head(ticket.params), without_head(expected))
    assert (ticket.params["head"]["kernel"] != dense.params["head"]["kernel"]).all()
    moved = jax.tree.map(lambda a, b: bool((a != b).any()), ticket.batch_stats, dense.batch_stats)
    assert all(jax.tree.leaves(moved))
    (run,) = bench.runs
    chex.assert_trees_all_equal(
        without_head({n: leaf for n, leaf in run.outcome.params.items() if n != SCORES}),
        without_head(dense.params),
    )


def test_head_and_statistics_stay_when_asked(bench):
    train = bench.train(optimizer=HEAVY, statistics="frozen")
    ticket = learn(bench, train=train, method=lmp_of(train_head=False))
    chex.assert_trees_all_equal(ticket.params, masks.apply(ticket.mask, bench.dense.params))
    chex.assert_trees_all_equal(ticket.batch_stats, bench.dense.batch_stats)


def test_the_mask_is_that_of_the_final_scores_exact_in_every_layer_and_not_magnitude(bench):
    ticket = learn(bench, train=bench.train(optimizer=HEAVY))
    (run,) = bench.runs
    scores = run.outcome.params[SCORES]
    chex.assert_trees_all_equal(ticket.mask, mask_of(SETTINGS, bench.dense.params, scores))
    for count in masks.summary(ticket.mask, ticket.params).leaves.values():
        assert count.survivors == survivors(count.total, 0.6)
    start = draw_omp(bench.dense.params, 0.6, scope="uniform")
    assert masks.overlap(ticket.mask, start)[""] < 0.95
    assert "scores" not in ticket.params
    assert ticket.meta["history"][-1]["method"]["name"] == "lmp"


@pytest.mark.parametrize("pattern", ["element", "kernel"])
def test_learning_starts_at_the_magnitudes_of_the_network_that_was_loaded(bench, pattern):
    """Groups too: scores made before the weights are loaded would keep random groups."""
    ticket = learn(bench, pattern=pattern, train=bench.train(optimizer__learning_rate=0.0))
    expected = draw_omp(bench.dense.params, 0.6, pattern, "uniform")
    chex.assert_trees_all_equal(ticket.mask, expected)


def test_a_global_budget_is_exact_and_a_random_start_depends_on_the_seed(bench):
    lmp = lmp_of(start="kaiming", ranking="plain")
    tickets = [
        learn(bench, scope="global", method=lmp, train=bench.train(seed=seed)) for seed in (0, 1)
    ]
    for ticket in tickets:
        summary = masks.summary(ticket.mask, ticket.params)
        assert summary.prunable.survivors == survivors(summary.prunable.total, 0.6)
    assert masks.overlap(*(ticket.mask for ticket in tickets))[""] < 0.5


def test_downstream_a_fresh_head_is_trained_on_the_scores_of_the_source(bench):
    data, train = bench.tasks["down"], bench.train(seed=3)
    ticket = learn(bench, data=data, train=train)
    assert ticket.meta["class_names"] == ["down0", "down1"]
    assert provenance.trained_on(ticket.meta) == (data, 3)
    fresh, _ = models.initialise(provenance.build_model(ticket.meta), jax.random.key(3), (8, 8, 1))
    (run,) = bench.runs
    chex.assert_trees_all_equal(run.weights[0]["head"], fresh["head"])
    assert (ticket.params["head"]["kernel"] != fresh["head"]["kernel"]).all()
    expected = masks.apply(ticket.mask, bench.dense.params)
    chex.assert_trees_all_equal(without_head(ticket.params), without_head(expected))


def test_an_adversarial_objective_learns_another_mask(bench):
    robust = ObjectiveConfig(name="pgd", attack=AttackConfig(name="fgsm_rs", eps=0.3))
    drawn = [
        learn(bench, train=bench.train(optimizer=HEAVY, objective=objective)).mask
        for objective in (ObjectiveConfig(), robust)
    ]
    assert masks.overlap(*drawn)[""] < 0.99


def test_the_best_scores_on_validation_images_are_selected(bench):
    train = bench.train(optimizer=HEAVY, select="best", validate_every="1it")
    run = bench.draw(method="lmp", sparsity=0.6, scope="uniform", train=train)
    lines = (run.path / "metrics.jsonl").read_text().count('"validation"')
    assert lines == 4
    (trained,) = bench.runs
    mask = mask_of(SETTINGS, bench.dense.params, trained.outcome.params[SCORES])
    chex.assert_trees_all_equal(Ticket.load(run.source.ticket).mask, mask)
    assert 0 <= run.result()["training"]["validation"] <= 1


def test_a_pruned_ticket_is_refused_before_training(bench):
    pruned = bench.draw(sparsity=0.3).source
    with pytest.raises(InputError, match=r"pruned already.*learnable mask pruning"):
        bench.draw(source=pruned, method="lmp", sparsity=0.6, scope="uniform")
    assert not bench.runs


@pytest.fixture
def scored(tiny):
    """One block of the tiny network, with scores among its parameters."""
    model = tiny.model.clone(stage_sizes=(1,))
    params, batch_stats = models.initialise(model, jax.random.key(0), (8, 8, 1))
    scores = initial_scores(SETTINGS, params, jax.random.key(0))
    mask = {**masks.full(params), SCORES: jax.tree.map(lambda _: np.ones((), bool), scores)}
    params = {**params, SCORES: scores}
    return tiny._replace(model=model, params=params, batch_stats=batch_stats, mask=mask)


def program_of(scored, **changes):
    fields = {
        "trainable": "scores",
        "batch_size": 16,
        "learned_mask": SETTINGS,
        "optimizer": OptimizerConfig(learning_rate=0.0, weight_decay=1e-3, schedule="constant"),
    }
    return scored.program(**{**fields, **changes})


def test_learning_a_mask_lowers_the_loss(scored):
    state, losses = scored.steps(program_of(scored), 25, rate=1.0)
    assert np.mean(losses[-3:]) < 0.9 * np.mean(losses[:3])
    frozen = {name: leaf for name, leaf in state.params.items() if name != SCORES}
    chex.assert_trees_all_equal(frozen, {name: scored.params[name] for name in frozen})
    assert set(jax.tree.leaves(jax.tree.map(np.shape, state.opt_state))) <= {
        length for leaf in scored.params[SCORES].values() for length in leaf.shape
    }


def test_all_numbers_of_devices_and_both_mappings_learn_the_same(scored):
    states = []
    for count, mapping in ((1, "pmap"), (2, "pmap"), (4, "pmap"), (1, "shard_map"),
                           (2, "shard_map"), (4, "shard_map")):  # fmt: skip
        program = program_of(scored, devices=parallel.local_devices(count, mapping))
        state, losses = scored.steps(program, 3, rate=0.1)
        states.append((state.params, state.batch_stats, losses))
    for state in states[1:]:
        chex.assert_trees_all_close(states[0], state, atol=2e-4)


def test_the_step_maps_over_scores_masks_and_seeds(scored):
    program = program_of(scored, trainable="scores and head")
    other = jax.tree.map(lambda score: score[::-1], scored.params[SCORES])
    head = scored.params["head"]
    own_mask = {**scored.mask, "head": jax.tree.map(lambda leaf: np.ones(leaf.shape, bool), head)}
    other_mask = {**own_mask, "head": jax.tree.map(np.logical_not, own_mask["head"])}
    members = [
        (scored.params[SCORES], own_mask, jax.random.key(1)),
        (other, other_mask, jax.random.key(2)),
    ]
    raw = jax.tree.map(jnp.asarray, scored.split.take(np.arange(8)).arrays)

    def step(scores, mask, key):
        params = {**scored.params, SCORES: scores}
        state = training.init_state(program, params, scored.batch_stats, mask)
        run = training.RunData(key, jnp.float32(0.1))
        state, totals = training.train_step(program, state, mask, run, raw)
        return state.params[SCORES], state.params["head"], totals

    def on_one_device(fn):
        mapped = {"axis_name": parallel.AXIS, "axis_size": 1}
        return jax.jit(jax.vmap(fn, in_axes=None, out_axes=None, **mapped))

    stacked = [
        jax.tree.map(lambda *leaves: jnp.stack(leaves), *parts)
        for parts in zip(*members, strict=True)
    ]
    together, alone = on_one_device(jax.vmap(step))(*stacked), on_one_device(step)
    for index, member in enumerate(members):
        mapped = jax.tree.map(lambda leaf, index=index: leaf[index], together)
        chex.assert_trees_all_close(mapped, alone(*member), atol=2e-3, rtol=2e-3)
    np.testing.assert_array_equal(together[1]["kernel"][1], 0)
