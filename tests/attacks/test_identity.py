"""An attack is one on the model as it is now, and goes on only with the one that it began with."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.tree_util import Partial

from rtickets.attacks import Member, apgd_ce, pgd, square, worst_case
from rtickets.attacks.honesty.probes import make_subject
from rtickets.attacks.identity import Answers, alike, answers_of, pin
from rtickets.errors import InputError
from rtickets.evaluation.noise import noisy_counts
from rtickets.platform.programs import Pinned

SHAPE, COUNT, EPS, KEY = (4, 4, 1), 12, 0.1, jax.random.key(2)
X = jax.random.uniform(jax.random.key(1), (COUNT, *SHAPE), minval=0.2, maxval=0.8)
Y = jnp.arange(COUNT) % 3
MEMBER = Member("pgd", 2, step_size=0.1, random_start=False)


def weights_of(seed):
    return jax.random.normal(jax.random.key(seed), (16, 3))


class Plain:
    """A model of a class of its own, whose hash is its identity."""

    def __init__(self):
        self.weights, self.round, self.through = weights_of(0), False, False

    def __call__(self, x):
        if self.round:
            levels = jnp.round(3 * x) / 3
            x = x + jax.lax.stop_gradient(levels - x) if self.through else levels
        return x.reshape(len(x), -1) @ self.weights


class Module(nnx.Module):
    def __init__(self):
        self.kernel = nnx.Param(weights_of(0))

    def __call__(self, x):
        return x.reshape(len(x), -1) @ self.kernel[...]


def of_plain():
    model = Plain()
    return model, partial(setattr, model, "weights", weights_of(1))


def of_method():
    model = Plain()
    return model.__call__, partial(setattr, model, "weights", weights_of(1))


def of_nnx():
    model = Module()
    return model, lambda: model.kernel.set_value(weights_of(1))


def of_closure():
    weights = weights_of(0)

    def change():
        nonlocal weights
        weights = weights_of(1)

    return lambda x: x.reshape(len(x), -1) @ weights, change


def of_numpy():
    weights = np.array(weights_of(0))
    return lambda x: x.reshape(len(x), -1) @ weights, partial(np.copyto, weights, weights_of(1))


def of_partial():
    holder = {"weights": weights_of(0)}

    def forward(holder, x):
        return x.reshape(len(x), -1) @ holder["weights"]

    return partial(forward, holder), partial(holder.update, weights=weights_of(1))


def linear(weights, x):
    return x.reshape(len(x), -1) @ weights


CALLS = {
    "pgd": lambda model: pgd(model, X, Y, KEY, eps=EPS, step_size=EPS, num_steps=2),
    "apgd": lambda model: apgd_ce(model, X, Y, KEY, eps=EPS, num_steps=2),
    "worst case": lambda model: worst_case(model, X, Y, KEY, eps=EPS, members=(MEMBER,)).x_adv,
    "noise": lambda model: noisy_counts(model, X, KEY, sigma=0.2, num_classes=3, samples=9),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("make", [of_plain, of_method, of_nnx, of_closure, of_numpy, of_partial])
def test_a_model_that_changed_is_attacked_as_it_is(make, call):
    model, change = make()
    run = CALLS[call]
    before, fixed = run(model), [run(Partial(linear, weights_of(seed))) for seed in (0, 1)]
    change()
    after = run(model)
    for found, expected in zip((before, after), fixed, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-6)
    assert np.abs(np.asarray(after, float) - before).max() > 0.01


def test_a_model_that_changed_is_checked_as_it_is():
    model = Plain()
    for seed in (0, 1):
        model.weights = weights_of(seed)
        clean = make_subject(model, X, Y, KEY, EPS, "linf", 0).clean
        np.testing.assert_allclose(clean, linear(weights_of(seed), X), atol=1e-5)


def test_a_method_and_an_unchanged_object_are_compiled_once():
    model, traced = Plain(), []

    class Counted(Plain):
        def __call__(self, x):
            traced.append(1)
            return super().__call__(x)

    model = Counted()
    CALLS["pgd"](model.__call__)
    first = len(traced)
    CALLS["pgd"](model.__call__)
    assert len(traced) == first + 1  # the trace that looks for changes


def test_what_is_being_traced_is_not_pinned():
    def attacked(weights, x):
        return pgd(partial(linear, weights), x, Y, KEY, eps=EPS, step_size=EPS, num_steps=1)

    expected = attacked(weights_of(0), X)
    np.testing.assert_allclose(jax.jit(attacked)(weights_of(0), X), expected, atol=1e-6)
    assert isinstance(pin(Partial(linear, weights_of(0)), X, KEY[None], 0).func, Pinned)


# --- going on in a folder -------------------------------------------------------------------------


def masked(weights, x):
    return linear(weights, jnp.round(3 * x) / 3)


def mended(weights, x):
    return linear(weights, x + jax.lax.stop_gradient(jnp.round(3 * x) / 3 - x))


def attack(model, folder):
    return worst_case(model, X, Y, KEY, eps=EPS, members=(MEMBER,), folder=folder)


@pytest.mark.parametrize("as_partial", [True, False])
def test_a_folder_does_not_go_on_with_a_mended_model(as_partial, tmp_path):
    def model(function):
        make = Partial if as_partial else partial
        return make(function, weights_of(0))

    found = attack(model(masked), tmp_path)
    np.testing.assert_array_equal(found.x_adv, attack(model(masked), tmp_path).x_adv)
    with pytest.raises(InputError, match="another folder"):
        attack(model(mended), tmp_path)


def scaled(weights, x):
    return 3 * linear(weights, x)


def test_a_folder_does_not_go_on_with_the_same_classes_of_another_function(tmp_path):
    attack(Partial(linear, weights_of(0)), tmp_path)
    with pytest.raises(InputError, match="another folder"):
        attack(Partial(scaled, weights_of(0)), tmp_path)


def test_models_are_alike_up_to_rounding():
    keys = jax.random.split(KEY, COUNT)
    own = answers_of(Partial(linear, weights_of(0)), np.asarray(X), keys, 0)
    assert own.logits.shape == (8, 3)
    np.testing.assert_allclose(own.logits[0], linear(weights_of(0), X)[0], rtol=1e-5)
    rounded = Answers(*(np.asarray(each.astype(jnp.bfloat16), np.float32) for each in own))
    assert alike(own, rounded)
    assert not alike(own, own._replace(slopes=0 * own.slopes))
    assert not alike(own, own._replace(logits=own.logits[:, :2]))
    assert not alike(own, own._replace(logits=1.2 * own.logits))


def test_a_model_without_a_gradient_has_answers_all_the_same():
    shape = jax.ShapeDtypeStruct((COUNT, 3), jnp.float32)
    weights = np.asarray(weights_of(0))

    def host(x):
        return linear(weights, np.asarray(x)).astype(np.float32)

    def model(x):
        return jax.pure_callback(host, jax.ShapeDtypeStruct((len(x), 3), jnp.float32), x)

    assert shape.shape == model(X).shape
    found = answers_of(model, np.asarray(X), jax.random.split(KEY, COUNT), 0)
    np.testing.assert_allclose(found.logits[0], model(X)[0], rtol=1e-5)
    assert not found.slopes.any()


def centred(weights):
    return lambda x: (x - 0.5).reshape(len(x), -1) @ weights


RUNS = {
    "pgd": partial(pgd, eps=EPS, step_size=0.05, num_steps=2),
    "best": partial(pgd, eps=EPS, step_size=0.05, num_steps=1, best=True, restarts=2),
    "apgd_ce": partial(apgd_ce, eps=EPS, num_steps=2),
    "square": partial(square, eps=EPS, num_queries=2),
}


@pytest.mark.parametrize("attack", RUNS.values(), ids=RUNS)
@pytest.mark.parametrize("wrap", [lambda model: model, jax.jit], ids=["plain", "jit"])
def test_weights_of_a_closure_may_be_mapped_over(attack, wrap):
    weights = jnp.stack([weights_of(0), weights_of(1)])
    found = jax.vmap(lambda each: attack(wrap(centred(each)), X, Y, KEY))(weights)
    expected = [attack(centred(each), X, Y, KEY) for each in weights]
    np.testing.assert_allclose(found, jnp.stack(expected), atol=1e-5)
    assert np.abs(found[0] - found[1]).max() > 0.01


@pytest.mark.parametrize("attack", RUNS.values(), ids=RUNS)
def test_adversarial_images_are_constants_of_a_gradient_by_the_weights(attack):
    def total(weights):
        return centred(weights)(attack(centred(weights), X, Y, KEY))[:, 0].sum()

    x_adv = attack(centred(weights_of(0)), X, Y, KEY)
    expected = np.zeros((16, 3))
    expected[:, 0] = (np.asarray(x_adv) - 0.5).reshape(COUNT, -1).sum(0)
    np.testing.assert_allclose(jax.grad(total)(weights_of(0)), expected, atol=1e-4)


def test_labels_are_checked_where_the_weights_of_a_closure_are_traced():
    with pytest.raises(InputError, match="label 7 of image 0"):
        jax.vmap(lambda each: RUNS["pgd"](centred(each), X, Y + 7, KEY))(weights_of(0)[None])


@pytest.mark.parametrize("transform", [jax.vmap, jax.jit])
def test_noisy_counts_are_made_on_the_host(transform):
    with pytest.raises(InputError, match=r"inside jax\.jit, jax\.vmap or jax\.grad"):
        transform(
            lambda each: noisy_counts(centred(each[0]), X, KEY, sigma=0.1, num_classes=3, samples=2)
        )(weights_of(0)[None, None])
