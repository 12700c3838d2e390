"""A model's own `jax.jit` keeps what it was compiled with; attacks refuse it once it is old."""

from functools import partial

import jax
import jax.numpy as jnp
import pytest
from flax import linen as nn

from rtickets.attacks import Member, apgd_ce, pgd, worst_case
from rtickets.attacks.honesty import check_model
from rtickets.attacks.identity import pin
from rtickets.attacks.stale_jit import why_not_plain
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


def in_a_list(model):
    layers = [jax.jit(model)]
    return lambda x: layers[0](x)


def as_default(model):
    compiled = jax.jit(model)

    def call(x, inner=compiled):
        return inner(x)

    return call


def decorated(model):
    class Holder:
        @partial(jax.jit, static_argnums=0)
        def forward(self, x):
            return model(x)

        def __call__(self, x):
            return self.forward(x)

    return Holder()


def deep(model):
    call = jax.jit(model)
    for _ in range(6):
        call = partial(lambda inner, x: inner(x), call)
    return lambda x: call(x)


def mapped(model):
    return jax.vmap(jax.jit(lambda image: model(image[None])[0]))


def over_devices(model):
    call = jax.pmap(model)
    return lambda x: call(x[None])[0]


WRAPS = (around, within, of_method, held, with_argument, in_a_list, as_default, decorated, deep,
         mapped, over_devices)  # fmt: skip
MEMBER = Member("pgd", 2, step_size=0.1, random_start=False)
ATTACKS = {
    "pgd": partial(pgd, step_size=0.1, num_steps=1),
    "apgd": partial(apgd_ce, num_steps=2),
    "ensemble": partial(worst_case, members=(MEMBER,)),
    "checks": partial(check_model, num_steps=8),
}


@pytest.mark.parametrize("wrap", WRAPS)
def test_a_jit_of_its_own_with_old_weights_is_refused(wrap):
    model = Model()
    logits_fn = wrap(model)
    pgd(logits_fn, X, Y, KEY, eps=0.1, step_size=0.1, num_steps=1)
    model.weights = -model.weights
    with pytest.raises(InputError, match=r"jax\.jit.*\(8, 3\)") as error:
        pgd(logits_fn, X, Y, KEY, eps=0.1, step_size=0.1, num_steps=1)
    assert "without jax.jit" in str(error.value)


def test_a_small_change_of_the_weights_is_seen():
    model = Model()
    logits_fn = around(model)
    pgd(logits_fn, X, Y, KEY, eps=0.1, step_size=0.1, num_steps=1)
    model.weights = 1.01 * model.weights
    with pytest.raises(InputError, match=r"jax\.jit"):
        pgd(logits_fn, X, Y, KEY, eps=0.1, step_size=0.1, num_steps=1)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_rounding_is_no_change(dtype):
    weights = jax.random.normal(jax.random.key(0), (16, 16), dtype)
    head = jax.random.normal(jax.random.key(3), (16, 3), dtype)

    @jax.jit
    def logits_fn(x):
        x = x.reshape(len(x), -1).astype(dtype)
        for _ in range(20):
            x = jnp.tanh(x @ weights)
        return (x @ head).astype(jnp.float32)

    keys = jax.random.split(KEY, len(X))
    pinned = pin(logits_fn, X, keys, 0)
    assert pinned.rounding == jnp.finfo(dtype).eps
    # Compiled as a whole, it is not rounded between operations as the plain function is.
    assert why_not_plain(pinned, jax.jit(pinned)(X), X, keys, 0) == ""


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


class Network(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = nn.relu(nn.Conv(2, (3, 3))(x))
        return nn.Dense(3)(jnp.where(x > 0.1, x, 0.1).reshape(len(x), -1))


def test_only_a_jit_of_its_own_costs_a_run():
    network = Network()
    plain = partial(network.apply, network.init(jax.random.key(0), X))
    keys = jax.random.split(KEY, len(X))
    assert not pin(plain, X, keys, 0).jitted
    assert not pin(Model(), X, keys, 0).jitted
    assert pin(jax.jit(plain), X, keys, 0).jitted
    assert pin(within(Model()), X, keys, 0).jitted


def only_compiled(x):
    if not isinstance(x, jax.core.Tracer):
        raise RuntimeError("this model is for tracing")
    return x.reshape(len(x), -1)[:, :3]


def test_what_does_not_run_without_jit_is_told():
    logits_fn = jax.jit(only_compiled)
    for attack in ("pgd", "apgd", "ensemble"):
        with pytest.warns(UserWarning, match="not checked.*for tracing"):
            ATTACKS[attack](logits_fn, X, Y, KEY, eps=0.1)


def test_the_verdict_names_what_it_could_not_check():
    verdict = check_model(jax.jit(only_compiled), X, Y, KEY, eps=0.1, num_steps=8)
    assert [each.check for each in verdict.findings if each.passed is None] == ["plain call"]
    lines = "\n".join(verdict.lines())
    assert "plain call: not checked" in lines
    assert verdict._replace(findings=verdict.findings[-1:]).passed is False  # nothing was checked
