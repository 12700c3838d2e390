"""Masks over untrained networks: learnt, by scores, iterative; what they keep and what they say."""

import itertools

import jax
import numpy as np
import pytest
from pydantic import ValidationError

from rtickets import masks
from rtickets.draw.ladder import imp_ladder
from rtickets.errors import InputError
from rtickets.masks.gates import Bernoulli
from rtickets.restoration import (
    FitConfig,
    GeneratorConfig,
    MaskConfig,
    density_by_layer,
    fit,
    initial_mask,
    iterate,
    learn_mask,
    load_mask,
    make_painter,
    sampled_picture,
    save_mask,
    spoil,
)
from rtickets.restoration.fit_steps import paint
from rtickets.restoration.mask_files import generator_of
from rtickets.tasks.degradations import OperatorConfig

CRITERIA = ("random", "magnitude", "snip", "grasp", "synflow")


def kept(mask):
    return sum(int(np.sum(leaf)) for leaf in jax.tree.leaves(mask) if np.ndim(leaf))


def total(mask):
    return sum(leaf.size for leaf in jax.tree.leaves(mask) if np.ndim(leaf))


@pytest.fixture(scope="module")
def learnt(painter, problem):
    return learn_mask(painter, problem, 0.8, MaskConfig(steps=3, pull=3e-2))


def test_a_learnt_mask_keeps_exactly_what_remains_of_the_kernels(learnt, painter):
    assert kept(learnt.mask) == total(learnt.mask) - round(0.8 * total(learnt.mask))
    kernels = {path for path in masks.leaf_paths(painter.params) if path.endswith("conv/kernel")}
    assert set(density_by_layer(learnt.mask)) == kernels
    assert 0 < learnt.mean_probability < 1
    assert np.isfinite(learnt.masked_loss)
    assert learnt.pull == pytest.approx(3e-2)


def test_a_prior_that_cannot_act_is_said(learnt, painter, problem):
    assert any("0.2" in line and "3 steps" in line for line in learnt.warnings)
    free = MaskConfig(steps=3, pull=0.0)
    assert learn_mask(painter, problem, 0.8, free).warnings == ()


def test_the_pull_of_the_default_reaches_the_prior(painter, problem):
    found = learn_mask(painter, problem, 0.9, MaskConfig(steps=150))
    assert found.warnings == ()
    assert found.pull > 0


def test_learning_that_was_killed_goes_on_and_ends_bit_equal(painter, problem, tmp_path):
    config = MaskConfig(steps=250, checkpoint_every=100)
    whole = learn_mask(painter, problem, 0.8, config)
    seen = []

    def watch(step, loss):
        seen.append((step, loss))
        if step == 200:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        learn_mask(painter, problem, 0.8, config, watch=watch, folder=tmp_path / "kept")
    again = learn_mask(painter, problem, 0.8, config, folder=tmp_path / "kept")
    assert again.losses == whole.losses
    assert again.mean_probability == whole.mean_probability
    jax.tree.map(np.testing.assert_array_equal, again.mask, whole.mask)


def test_a_strong_prior_is_reached_and_all_parameters_may_be_masked(painter, problem):
    config = MaskConfig(maskable="all", steps=120, pull=1e3, learning_rate=0.1)
    found = learn_mask(painter, problem, 0.8, config)
    assert found.mean_probability == pytest.approx(0.2, abs=0.02)
    assert found.warnings == ()
    assert all(np.ndim(leaf) for leaf in jax.tree.leaves(found.mask))


def test_rounded_masks_follow_the_prior_whatever_the_sparsity(painter, problem):
    gate = Bernoulli(read="rounded", prior=0.9)
    found = learn_mask(painter, problem, 0.8, MaskConfig(gate=gate, steps=30, pull=1e3))
    assert kept(found.mask) == total(found.mask)


@pytest.mark.parametrize("published", [False, True])
@pytest.mark.parametrize("criterion", CRITERIA)
def test_all_criteria_remove_the_same_part(criterion, published, painter, problem):
    mask = initial_mask(painter, problem, criterion, 0.75, published=published, rounds=3)
    assert kept(mask) == total(mask) - round(0.75 * total(mask))


def test_random_masks_depend_on_the_seed_and_unknown_criteria_are_named(painter, problem):
    one, two = (initial_mask(painter, problem, "random", 0.9, seed) for seed in (0, 1))
    assert any(
        np.any(a != b) for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(two), strict=True)
    )
    with pytest.raises(InputError, match=r"'best'.*snip"):
        initial_mask(painter, problem, "best", 0.9)


def test_snip_is_the_weight_times_its_gradient(painter, problem):
    batch = problem.painted_from(painter.noise)

    def loss(params):
        picture = paint(painter.model, params, painter.noise, problem.shape)
        return problem.task.loss(picture, batch).mean()

    slope = masks.leaf_paths(jax.jit(jax.grad(loss))(painter.params))
    mask = initial_mask(painter, problem, "snip", 0.5)
    weights = masks.leaf_paths(painter.params)
    inside, outside = [], []
    for path, keep in masks.leaf_paths(mask).items():
        if np.ndim(keep):
            scores = np.abs(np.asarray(weights[path] * slope[path]))
            inside.append(scores[keep])
            outside.append(scores[~keep])
    assert np.concatenate(inside).min() >= np.concatenate(outside).max() * (1 - 1e-3)


def test_the_mean_picture_of_draws_is_that_of_the_probabilities(learnt, painter, problem):
    for odds, factor in ((200.0, 1.0), (-200.0, 0.0)):
        scores = {name: np.full(score.shape, odds) for name, score in learnt.scores.items()}
        found = sampled_picture(learnt._replace(scores=scores), painter, count=2)
        params = jax.tree.map(
            lambda leaf, keep, by=factor: leaf * (by if np.ndim(keep) else 1.0),
            painter.params, learnt.mask,
        )  # fmt: skip
        expected = paint(painter.model, params, painter.noise, problem.shape)[0]
        np.testing.assert_allclose(found, expected, atol=1e-5)
    drawn = sampled_picture(learnt, painter, count=2)
    assert drawn.shape == problem.shape
    assert np.abs(drawn - sampled_picture(learnt, painter, seed=1, count=2)).max() > 1e-3


def test_a_weight_that_would_not_count_is_refused():
    with pytest.raises(ValidationError, match=r"gate.weight=0.5.*pull=auto"):
        MaskConfig(gate=Bernoulli(weight=0.5))
    assert MaskConfig(gate=Bernoulli(weight=0.5), pull=None).gate.weight == 0.5


def test_iterative_pruning_goes_down_the_ladder_and_dead_weights_stay_dead(painter, problem):
    rounds = list(iterate(painter, problem, (0.4, 0.6), FitConfig(steps=2), rate=0.3))
    assert [one.sparsity for one in rounds] == pytest.approx([0.3, 0.4, 0.58, 0.6])
    for before, after in itertools.pairwise(rounds):
        for a, b in zip(jax.tree.leaves(before.mask), jax.tree.leaves(after.mask), strict=True):
            assert np.all(a | ~b)
    left = 1 - imp_ladder(13)[-1]  # of the published rounds
    assert left == pytest.approx(0.055, abs=1e-3)


def test_a_mask_goes_over_to_another_task_and_other_weights(learnt, tiny, clean):
    problem = spoil(clean, OperatorConfig(name="inpaint"), 0.05, seed=1)
    fitted = fit(make_painter(tiny, problem.shape, 5), learnt.mask, problem, FitConfig(steps=2))
    for keep, leaf in zip(
        jax.tree.leaves(learnt.mask), jax.tree.leaves(fitted.params), strict=True
    ):
        assert np.all(leaf[~np.broadcast_to(keep, leaf.shape)] == 0)
    assert np.isfinite(fitted.picture).all()


def test_weights_and_what_they_paint_from_are_fresh_one_without_the_other(tiny):
    first, other, mixed = (
        make_painter(tiny, (16, 16, 3), seed, noise_seed=noise)
        for seed, noise in ((0, None), (1, None), (0, 1))
    )
    jax.tree.map(np.testing.assert_array_equal, mixed.params, first.params)
    np.testing.assert_array_equal(mixed.noise, other.noise)
    assert np.any(mixed.noise != first.noise)


def test_masks_go_into_files_and_come_back_for_the_same_network_alone(
    tmp_path, learnt, painter, tiny
):
    folder = tmp_path / "ticket"
    save_mask(folder, painter.params, learnt.mask, tiny, MaskConfig())
    again = load_mask(folder, make_painter(tiny, (20, 24, 1), 7).params)  # another, grey picture
    jax.tree.map(np.testing.assert_array_equal, again, learnt.mask)
    assert generator_of(folder) == tiny
    other = make_painter(GeneratorConfig(channels=(4, 8), depth=3), (16, 16, 3), 0)
    with pytest.raises(InputError, match="another network"):
        load_mask(folder, other.params)
