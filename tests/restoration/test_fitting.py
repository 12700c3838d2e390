"""Fitting a network to one picture: what stays pruned, what is remembered, what goes back."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtickets import masks
from rtickets.errors import InputError, NonFiniteLossError
from rtickets.restoration import (
    FitConfig,
    Point,
    fit,
    fit_together,
    initial_mask,
    nothing_removed,
    outcome_of,
    spoil,
)
from rtickets.restoration.fit_lanes import Lane
from rtickets.restoration.fitting import _Run
from rtickets.tasks.degradations import OperatorConfig

SHORT = FitConfig(steps=12, every=5)


@pytest.fixture(scope="module")
def dense(painter, problem):
    return fit(painter, nothing_removed(painter.params), problem, SHORT)


def test_a_fit_comes_closer_and_remembers_how(dense, problem, clean):
    assert [point.step for point in dense.history] == [0, 5, 10, 12]
    assert dense.history[-1].loss < dense.history[0].loss
    assert dense.stopped == "steps"
    assert dense.backs == ()
    error = float(((dense.picture - clean) ** 2).mean())
    assert dense.history[-1].psnr == pytest.approx(-10 * np.log10(error), abs=1e-3)
    observed = np.asarray(problem.batch["observed"][0])
    expected = ((dense.picture - observed) ** 2).mean()
    assert dense.history[-1].loss == pytest.approx(expected, rel=1e-3)
    assert -1 < dense.history[-1].ssim_observed < 1
    found = outcome_of(dense, problem)
    assert found.gap == pytest.approx(found.peak - found.final)
    assert found.noisy == pytest.approx(20, abs=1)


def test_the_same_again_is_bit_equal(dense, painter, problem):
    again = fit(painter, nothing_removed(painter.params), problem, SHORT)
    np.testing.assert_array_equal(again.picture, dense.picture)
    assert again.history == dense.history


class Killed(BaseException):
    """What no code that goes on after errors catches."""


def killed_at(step):
    def watch(point):
        if point.step == step:
            raise Killed
        return False

    return watch


@pytest.mark.parametrize("shaken", [{}, {"jitter": 0.03, "temperature": 0.5}])
def test_a_fit_that_was_killed_goes_on_and_ends_bit_equal(painter, problem, tmp_path, shaken):
    config = FitConfig(steps=14, every=2, checkpoint_every=4, **shaken)
    mask = initial_mask(painter, problem, "random", 0.5)
    whole = fit(painter, mask, problem, config)
    with pytest.raises(Killed):
        fit(painter, mask, problem, config, watch=killed_at(10), folder=tmp_path / "kept")
    assert [path.name for path in (tmp_path / "kept").iterdir() if path.is_dir()] == ["8"]
    seen = []
    again = fit(
        painter, mask, problem, config, folder=tmp_path / "kept",
        watch=lambda point: bool(seen.append(point.step)),
    )  # fmt: skip
    assert seen == [2, 4, 6, 8, 10, 12, 14]  # those before the kill once more
    assert again.history == whole.history
    for name in ("picture", "average"):
        np.testing.assert_array_equal(getattr(again, name), getattr(whole, name))
    jax.tree.map(np.testing.assert_array_equal, again.params, whole.params)


def test_several_pictures_at_once_are_each_as_if_alone(painter, problem, clean):
    other = spoil(clean[::-1], OperatorConfig(), 0.1, seed=3)
    masks_of = [initial_mask(painter, problem, "random", 0.5, seed) for seed in (0, 1)]
    seen = []

    def stop(point):
        seen.append(point.step)
        return point.step == 5

    found = fit_together(
        [painter, painter], masks_of, [problem, other], SHORT, [0, 1], [stop, None]
    )
    assert seen == [5]
    assert [one.stopped for one in found] == ["asked", "steps"]
    alone = fit(painter, masks_of[0], problem, SHORT, watch=lambda point: point.step == 5)
    np.testing.assert_allclose(found[0].picture, alone.picture, atol=2e-3)
    alone = fit(painter, masks_of[1], other, SHORT, seed=1)
    np.testing.assert_allclose(found[1].picture, alone.picture, atol=2e-3)
    assert [point.step for point in found[1].history] == [0, 5, 10, 12]


def test_one_that_goes_back_does_not_hold_up_the_others(painter, problem):
    params = jax.tree.map(lambda leaf: leaf * 1, painter.params)
    dense = nothing_removed(params)
    wild = FitConfig(steps=4, every=2, learning_rate=1e30)
    nothing = jax.tree.map(lambda leaf: np.zeros(leaf.shape, bool), params)
    found = fit_together([painter] * 2, [dense, nothing], [problem] * 2, wild, [0, 0])
    assert found[0].backs
    assert found[1].backs == ()
    assert [point.step for point in found[1].history] == [0, 2, 4]


def test_pictures_of_other_sizes_are_not_fitted_together(painter, problem, clean):
    other = spoil(clean[:8], OperatorConfig(), 0.1, seed=3)
    mask = nothing_removed(painter.params)
    with pytest.raises(InputError, match="2 kinds"):
        fit_together([painter] * 2, [mask] * 2, [problem, other], SHORT, [0, 0])


@pytest.mark.parametrize("shaken", [{}, {"jitter": 0.03, "temperature": 0.5}])
def test_pruned_weights_stay_zero_and_the_others_move(painter, problem, shaken):
    mask = initial_mask(painter, problem, "random", 0.7)
    fitted = fit(painter, mask, problem, FitConfig(steps=4, every=4, **shaken))
    keep, before = masks.leaf_paths(mask), masks.leaf_paths(painter.params)
    for path, leaf in masks.leaf_paths(fitted.params).items():
        alive = np.broadcast_to(keep[path], leaf.shape)
        assert np.all(leaf[~alive] == 0)
        if path.endswith("kernel"):
            assert np.any(leaf[alive] != np.asarray(before[path])[alive])


def test_somebody_who_watches_may_end_it(painter, problem):
    seen = []

    def watch(point):
        seen.append(point.step)
        return True

    fitted = fit(painter, nothing_removed(painter.params), problem, SHORT, watch=watch)
    assert seen == [5]
    assert fitted.stopped == "asked"


def test_a_run_that_jumps_away_goes_back(painter, problem):
    wild = FitConfig(steps=6, every=2, learning_rate=1e30)
    fitted = fit(painter, nothing_removed(painter.params), problem, wild)
    assert all(np.isfinite(point.loss) for point in fitted.history)
    assert np.isfinite(fitted.picture).all()
    assert fitted.backs
    if fitted.stopped == "diverged":
        assert outcome_of(fitted, problem).verdict == "diverged"


def test_jumps_are_losses_that_are_none_or_far_above_the_one_before():
    def point(loss):
        return Point(1, loss, None, None, None, loss)

    lane = Lane((point(0.1), point(0.01)), rate=1.0)
    assert lane.jumped(point(float("nan")), 0.1)
    assert lane.jumped(point(0.2), 0.1)
    assert not lane.jumped(point(0.025), 0.1)
    assert lane.jumped(point(0.0199), 0.02)  # of one colour, which the one before was not
    assert not Lane((point(0.019),), rate=1.0).jumped(point(0.0199), 0.02)  # never was more


def test_a_network_that_is_broken_from_the_start_is_refused(painter, problem):
    broken = painter._replace(params=jax.tree.map(lambda leaf: leaf * jnp.nan, painter.params))
    with pytest.raises(NonFiniteLossError):
        fit(broken, nothing_removed(painter.params), problem, SHORT)


def test_a_network_without_weights_has_collapsed(painter, problem):
    mask = jax.tree.map(lambda leaf: np.zeros(leaf.shape, bool), painter.params)
    fitted = fit(painter, mask, problem, FitConfig(steps=2))
    assert outcome_of(fitted, problem).verdict == "collapsed"


def test_steps_lower_for_gpus_and_tpus(painter, problem):
    dense = nothing_removed(painter.params)
    run = _Run([painter], [dense], [problem], FitConfig(jitter=0.1), [0], [None])
    keys, rate = jnp.stack([jax.random.key(0)]), jnp.full(1, 0.1)
    traced = run.step.trace(run.first, run.mask, run.batch, keys, rate, run.decay)
    for platform in ("cuda", "tpu"):
        assert "stablehlo.convolution" in traced.lower(lowering_platforms=(platform,)).as_text()
