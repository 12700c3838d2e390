"""A function that has changed computes something else, and is found out whatever it is."""

import hashlib

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rtickets.platform.programs import Pinned, digest, digest_of, trace

X = jnp.ones((2, 3))
SCALE = 1.0


def of_global(x):
    return SCALE * x


class Holder:
    def __init__(self):
        self.weight, self.through = jnp.ones(3), False

    def __call__(self, x):
        rounded = jnp.round(x * self.weight)
        return x + jax.lax.stop_gradient(rounded - x) if self.through else rounded


def test_what_does_not_change_has_one_digest():
    holder = Holder()
    assert digest(holder, X) == digest(holder, X) == digest(holder.__call__, X)
    assert digest(holder, X) != digest(holder, jnp.ones((4, 3)))
    assert digest(of_global, X) == digest(lambda x: 1.0 * x, X)


@pytest.mark.parametrize(
    "change",
    [
        lambda holder: setattr(holder, "weight", 2 * holder.weight),
        lambda holder: setattr(holder, "weight", np.full(3, 2.0)),
        lambda holder: setattr(holder, "weight", 1.5),
        lambda holder: setattr(holder, "through", True),  # the same answers, another gradient
    ],
)
def test_a_changed_object_has_another_digest(change):
    holder = Holder()
    before = digest(holder, X)
    change(holder)
    assert digest(holder, X) != before


def test_a_closure_a_global_and_an_array_changed_in_place_are_seen(monkeypatch):
    weight = np.ones(3, np.float32)

    def closure(x):
        return jax.jit(lambda x: x * weight)(x) + weight

    before = digest(closure, X), digest(of_global, X)
    weight[1] = 7
    monkeypatch.setitem(globals(), "SCALE", 2.0)
    assert digest(closure, X) != before[0]
    assert digest(of_global, X) != before[1]


def test_modules_of_flax_are_seen():
    net = nnx.Linear(3, 2, rngs=nnx.Rngs(0))
    before = digest(net, X)
    net.bias[...] = net.bias[...] + 1
    assert digest(net, X) != before
    bound = nn.Dense(2).bind({"params": {"kernel": jnp.ones((3, 2)), "bias": jnp.zeros(2)}})
    other = nn.Dense(2).bind({"params": {"kernel": jnp.ones((3, 2)), "bias": jnp.ones(2)}})
    assert digest(bound, X) != digest(other, X)


def test_the_values_of_arguments_are_data():
    def scaled(x, weights):
        return x * weights

    assert digest(scaled, X, jnp.ones(3)) == digest(scaled, X, jnp.zeros(3))


def test_a_function_without_a_gradient_is_told_by_what_it_calls_back():
    def calling(host):
        shape = jax.ShapeDtypeStruct((2, 3), jnp.float32)
        return lambda x: jax.pure_callback(host, shape, x)

    one, other = (lambda x: x), (lambda x: 2 * x)
    assert digest(calling(one), X) == digest(calling(one), X) != digest(calling(other), X)


def test_an_error_of_the_function_is_its_own():
    def broken(x):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        digest(broken, X)


def test_pinned_functions_are_equal_if_they_are_the_same_and_compute_the_same():
    holder, other = Holder(), Holder()
    assert Pinned(holder, "a") == Pinned(holder, "a")
    assert hash(Pinned(holder, "a")) == hash(Pinned(holder, "a"))
    assert Pinned(holder, "a") != Pinned(holder, "b")
    assert Pinned(holder, "a") != Pinned(other, "a")
    assert Pinned(holder.__call__, "a") == Pinned(holder.__call__, "a")
    assert Pinned(holder.__call__, "a") != Pinned(other.__call__, "a")
    assert Pinned(len, "a") != len
    assert Pinned(of_global)(X).sum() == 6


def test_what_is_beyond_the_text_counts_in_its_order():
    """A digest that is stored with an attack that was begun is found again."""
    inner = np.array([1.0, 2.0, 3.0], np.float32)
    part = jax.jit(lambda x: x + inner)
    shape = jax.ShapeDtypeStruct(X.shape, X.dtype)
    traced = trace(lambda x: jax.pure_callback(np.asarray, shape, part(x)), X)
    total = hashlib.sha256(str(traced).encode())
    for equation in traced.jaxpr.eqns:  # the part, then what is called back
        for parameter in jax.tree.leaves(tuple(equation.params.values())):
            if hasattr(parameter, "consts"):
                total.update(parameter.consts[0].tobytes())
            elif callable(parameter):
                total.update(repr(parameter).encode())
    assert digest_of(traced) == total.hexdigest()
