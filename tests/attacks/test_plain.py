"""A model's own `jax.jit` keeps what it was compiled with; attacks refuse it once it is old."""

from functools import partial

import jax
import jax.numpy as jnp
import pytest

from rtickets.attacks import Member, apgd_ce, pgd, worst_case
from rtickets.attacks.honesty import check_model
from rtickets.attacks.plain import has_own_jit
from rtickets.errors import InputError

X = jax.random.uniform(jax.random.key(1), (12, 4, 4, 1), minval=0.2, maxval=0.8)
Y, KEY = jnp.arange(12) % 3, jax.random.key(2)


class Model:
    def __init__(self):
        self.weights = jax.random.normal(jax.random.key(0), (16, 3))

    def __call__(self, x):
        return x.reshape(len(x), -1) @ self.weights


def around(model):
    return jax.jit(model)


def within(model):
    compiled = jax.jit(model)
    return lambda x: 2 * compiled(x)


def of_method(model):
    return jax.jit(model.__call__)


def held(model):
    class Holder:
        def __init__(self):
            self.network = jax.jit(model)

        def __call__(self, x):
            return self.network(x)

    return Holder()


def with_argument(model):
    return partial(lambda network, x: network(x), jax.jit(model))


MEMBER = Member("pgd", 2, step_size=0.1, random_start=False)
ATTACKS = {
    "pgd": partial(pgd, step_size=0.1, num_steps=1),
    "apgd": partial(apgd_ce, num_steps=2),
    "ensemble": partial(worst_case, members=(MEMBER,)),
    "checks": partial(check_model, num_steps=8),
}


@pytest.mark.parametrize("wrap", [around, within, of_method, held, with_argument])
def test_a_jit_of_its_own_with_old_weights_is_refused(wrap):
    model = Model()
    logits_fn = wrap(model)
    pgd(logits_fn, X, Y, KEY, eps=0.1, step_size=0.1, num_steps=1)
    model.weights = -model.weights
    with pytest.raises(InputError, match=r"jax\.jit.*8 images") as error:
        pgd(logits_fn, X, Y, KEY, eps=0.1, step_size=0.1, num_steps=1)
    assert "without jax.jit" in str(error.value)


@pytest.mark.parametrize("attack", ATTACKS)
def test_every_attack_compares(attack):
    model = Model()
    logits_fn = around(model)
    ATTACKS[attack](logits_fn, X, Y, KEY, eps=0.1)
    model.weights = model.weights[::-1]
    with pytest.raises(InputError, match=r"jax\.jit"):
        ATTACKS[attack](logits_fn, X, Y, KEY, eps=0.1)


def test_what_is_up_to_date_or_random_is_attacked():
    found = pgd(around(Model()), X, Y, KEY, eps=0.1, step_size=0.1, num_steps=1)
    assert 0 < jnp.abs(found - X).max() <= 0.1 + 1e-6

    @jax.jit
    def noisy(x, keys):
        noise = jax.vmap(lambda key: jax.random.normal(key, (3,)))(keys)
        return x.reshape(len(x), -1)[:, :3] + noise

    found = pgd(noisy, X, Y, KEY, eps=0.1, step_size=0.1, num_steps=1, samples=2)
    assert 0 < jnp.abs(found - X).max() <= 0.1 + 1e-6


def test_only_a_jit_of_its_own_costs_a_run():
    def plain(x):
        return jnp.dot(x.reshape(len(x), -1), jnp.ones((16, 3)))

    assert not has_own_jit(plain)
    assert not has_own_jit(Model())
    assert has_own_jit(within(Model()))
