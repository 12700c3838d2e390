"""Wrong and broken gradients, and answers that depend on the batch, are caught by name."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import Partial

from rtickets.attacks import Member, apgd_ce, fgsm, pgd, worst_case
from rtickets.attacks.honesty import check_model
from rtickets.attacks.honesty.gradients import slopes
from rtickets.attacks.honesty.probes import companion_difference, make_subject, place_difference

SHAPE, COUNT, EPS, KEY = (6, 6, 1), 48, 8 / 255, jax.random.key(3)
X = jnp.round(25 + 205 * jax.random.uniform(jax.random.key(1), (COUNT, *SHAPE))) / 255


def forward(weights, x):
    first, second = weights
    x = (x.reshape(len(x), -1) - 0.5).astype(first.dtype)
    return jax.nn.relu(x @ first) @ second


def weights_of(seed, dtype=jnp.float32):
    keys = jax.random.split(jax.random.key(seed))
    shapes = (36, 24), (24, 4)
    return tuple(jax.random.normal(k, s, dtype) * 0.4 for k, s in zip(keys, shapes, strict=True))


NET = Partial(forward, weights_of(0))
Y = NET(X).argmax(-1)


def subject(logits_fn, samples=0):
    return make_subject(logits_fn, X, Y, KEY, EPS, "linf", samples)


def failed(verdict):
    return {finding.check for finding in verdict.findings if not finding.passed}


def with_gradient(change):
    """A network whose gradients are changed on their way to the pixels."""

    @jax.custom_vjp
    def same(x):
        return x

    same.defvjp(lambda x: (x, x), lambda x, gradient: (change(x, gradient),))
    return lambda x: NET(same(x))


def other_network(x, gradient):
    del gradient
    return jax.grad(lambda x: forward(weights_of(1), x)[:, 0].sum())(x)


def mostly_masked(x, gradient):
    return gradient * (jax.random.uniform(jax.random.key(5), x.shape) < 0.2)


def noisy(x, gradient):
    return gradient + 2 * gradient.std() * jax.random.normal(jax.random.key(5), x.shape)


WRONG = {
    "those of another network": other_network,
    "reversed": lambda x, gradient: -gradient,
    "ten times as long": lambda x, gradient: 10 * gradient,
    "of other places": lambda x, gradient: gradient[:, :, ::-1],
    "masked in most pixels": mostly_masked,
    "noisy": noisy,
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_gradients_are_caught_by_name(name):
    verdict = check_model(with_gradient(WRONG[name]), X, Y, KEY, eps=EPS, num_steps=8)
    assert "wrong gradients" in failed(verdict), "\n".join(verdict.lines())


@jax.custom_vjp
def flipped(x, key, share):
    del key, share
    return x


def _flip(kept, gradient):
    keys, share = kept
    flip = jax.vmap(lambda key: jax.random.uniform(key, gradient.shape[1:]) < share)(keys)
    return jnp.where(flip, -gradient, gradient), None, None


flipped.defvjp(lambda x, key, share: (x, (key, share)), _flip)


@pytest.mark.parametrize("samples", [2, 16])
@pytest.mark.parametrize("share", [0.5, 0.3])
def test_random_signs_in_gradients_are_not_trusted(share, samples):
    """Means of few draws point elsewhere, and those of many are (1 - 2 share) of the gradient."""

    def logits_fn(x, key):
        return NET(flipped(x, key, share))

    verdict = check_model(logits_fn, X, Y, KEY, eps=EPS, num_steps=8, samples=samples)
    assert "wrong gradients" in failed(verdict), "\n".join(verdict.lines())


def cut_half(x):
    return NET(0.5 * x + 0.5 * jax.lax.stop_gradient(x))


def test_a_gradient_of_half_the_model_is_caught():
    assert "wrong gradients" in failed(check_model(cut_half, X, Y, KEY, eps=EPS, num_steps=8))


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16, jnp.float16])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
def test_honest_slopes_agree_at_any_precision_and_scale(dtype, scale):
    def logits_fn(x):
        return scale * forward(weights_of(2, dtype), x).astype(jnp.float32)

    found = slopes(subject(logits_fn))
    assert found.measurable.all()
    for agree in found.agree():
        assert agree.mean() > 0.9


@pytest.mark.parametrize("levels", [255, 63])
def test_rounding_to_many_levels_with_the_derivative_one_agrees(levels):
    def logits_fn(x):
        return NET(x + jax.lax.stop_gradient(jnp.round(levels * x) / levels - x))

    assert slopes(subject(logits_fn)).agree()[2].mean() > 0.9


def test_slopes_of_a_plane_are_those_of_the_closed_form():
    """Two classes whose margin is linear: everything measured is 1, or equal."""
    weight = jax.random.normal(jax.random.key(8), (36,))

    def plane(x):
        margin = x.reshape(len(x), -1) @ weight
        return jnp.stack([-margin, margin], 1)

    found = slopes(make_subject(plane, X, plane(X).argmax(-1), KEY, EPS, "linf", 0))
    np.testing.assert_allclose(found.along, 1, atol=0.01)
    np.testing.assert_allclose(found.across - found.predicted, 0, atol=0.02)


def test_a_gradient_that_is_zero_is_not_measured():
    found = slopes(subject(lambda x: NET(jax.lax.stop_gradient(x))))
    assert not found.measurable.any()


# --- answers that depend on the batch -------------------------------------------------------------


def batch_normalised(x):
    """A network in training mode: it normalises by the batch that it sees."""
    mean, std = x.mean(0), x.std(0) + 1e-3
    return NET((x - mean) / std)


def neighbours(x):
    return NET(x) + 0.05 * jnp.roll(NET(x), 1, axis=0)


def noise_of_the_batch(x):
    """Noise of a fixed key is another at every place of the batch."""
    return NET(x) + 0.3 * jax.random.normal(jax.random.key(0), (len(x), 4))


def normalised_by_groups(size, x):
    """Ghost batch normalisation: by groups of neighbours in the batch."""
    groups = x.reshape(-1, size, *x.shape[1:])
    groups = (groups - groups.mean(1, keepdims=True)) / (groups.std(1, keepdims=True) + 1e-3)
    return NET(groups.reshape(x.shape))


@pytest.mark.parametrize(
    "logits_fn",
    [
        batch_normalised,
        neighbours,
        noise_of_the_batch,
        *(partial(normalised_by_groups, size) for size in (2, 4, 8)),
    ],
)
def test_answers_that_depend_on_the_batch_are_caught_by_name(logits_fn):
    verdict = check_model(logits_fn, X, Y, KEY, eps=EPS, num_steps=8)
    assert "companions" in failed(verdict), "\n".join(verdict.lines())


def test_one_image_alone_has_no_companions():
    one = make_subject(batch_normalised, X[:1], Y[:1], KEY, EPS, "linf", 0)
    assert companion_difference(one) == 0


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_honest_answers_do_not_change_with_their_companions(dtype):
    honest = subject(partial(forward, weights_of(0, dtype)))
    assert companion_difference(honest) == 0
    assert place_difference(honest) < 0.01


def test_a_declared_random_model_keeps_its_draws_beside_other_images():
    def random(x, keys):
        return NET(x) + jax.vmap(lambda key: jax.random.normal(key, (4,)))(keys)

    declared = subject(random, samples=3)
    assert companion_difference(declared) == 0
    assert place_difference(declared) < 1e-4


@pytest.mark.parametrize("scale", [1e-25, 1e5])
def test_gradients_are_right_whatever_the_scale_of_the_logits(scale):
    found = slopes(subject(lambda x: NET(x) * scale))
    assert found.measurable.mean() > 0.9
    assert found.agree()[2][found.measurable].mean() > 0.9


# --- gradients that are not finite ----------------------------------------------------------------


def rooted(x):
    """A network of the square root, whose slope is infinite at black pixels."""
    return NET(jnp.sqrt(x))


DARK = X.at[:24, 0, 0, 0].set(0.0)


def test_gradients_that_are_not_finite_are_caught_by_name():
    verdict = check_model(rooted, DARK, Y, KEY, eps=EPS, num_steps=8)
    (finding,) = (f for f in verdict.findings if f.check == "non-finite gradients")
    right = np.asarray(rooted(DARK).argmax(-1) == Y)
    assert not finding.passed
    assert finding.value == pytest.approx(right[:24].sum() / right.sum())
    assert failed(verdict) == {"non-finite gradients"}, "\n".join(verdict.lines())


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
@pytest.mark.parametrize("kind", ["pgd", "apgd_ce", "fab", "fab_t", "square"])
def test_an_attack_says_where_gradients_were_not_finite(kind, norm):
    options = {"step_size": 1e-3, "random_start": False} if kind == "pgd" else {}
    targets = 1 if kind == "fab_t" else None
    member = Member(kind, 2, num_targets=targets, **options)
    y = np.asarray(rooted(DARK).argmax(-1))
    found = worst_case(rooted, DARK, y, KEY, eps=1e-3, norm=norm, members=(member,))
    if kind != "apgd_ce":  # which starts at random points
        assert found.broken[:24].all() == (kind != "square")
    if norm != "l1":  # where other pixels become black on the way
        assert not found.broken[24:].any()


def far_root(x):
    """A plane between two classes, and a third far away, of infinite slope at black pixels."""
    lead = x.reshape(len(x), -1).mean(1) - 0.5
    return jnp.stack([lead, -lead, jnp.sqrt(x[:, 0, 0, 0]) - 9], 1)


def test_fab_finds_the_nearest_boundary_beside_an_infinite_slope():
    """The plane is 0.02 away in every pixel but the black one."""
    x, y = jnp.full((1, *SHAPE), 0.53), np.zeros(1, int)
    x = x.at[0, 0, :2, 0].set(jnp.array([0.0, 0.68]))
    assert float(far_root(x)[0, 0]) == pytest.approx(0.02 * 35 / 36, abs=1e-6)
    for eps, robust in ((0.021, False), (0.019, True)):
        found = worst_case(far_root, x, y, KEY, eps=eps, members=(Member("fab", 10),))
        assert found.broken.all()
        assert found.robust.all() == robust


@pytest.mark.parametrize(
    "attack",
    [
        partial(fgsm, eps=EPS),
        partial(pgd, key=KEY, eps=EPS, step_size=EPS, num_steps=1, random_start=False),
    ],
)
def test_an_attack_that_returns_images_alone_warns(attack):
    with pytest.warns(UserWarning, match=f"24 of {COUNT}"):
        assert attack(rooted, DARK, Y).shape == DARK.shape


def test_honest_gradients_give_no_warning():
    for run in (partial(apgd_ce, num_steps=2), partial(pgd, step_size=EPS, num_steps=2)):
        moved = run(NET, DARK, Y, KEY, eps=EPS)  # warnings are errors
        assert not np.array_equal(moved, DARK)
