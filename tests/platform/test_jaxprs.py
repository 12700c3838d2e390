"""What is followed answers as what was traced; what is walked has every operation once."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtickets.platform.jaxprs import called, carried_out, follow, operations_in, programs_in

WEIGHT = np.arange(6, dtype=np.float32).reshape(2, 3)


@jax.custom_jvp
def doubled(x):
    return 2 * x


doubled.defjvp(lambda primals, tangents: (doubled(*primals), 2 * tangents[0]))


def function(x):
    def round_(carry, _):
        return jax.lax.cond(carry.sum() > 0, jnp.cos, jnp.sin, carry), carry.sum()

    x = jax.jit(lambda x: x @ WEIGHT + 1.5)(x)
    x = doubled(jax.checkpoint(jnp.tanh)(x))
    return *jax.lax.scan(round_, x, None, length=3), x, 7.0


def step(equation, operands):
    inner = called(equation, len(operands))
    return carried_out(equation, operands) if inner is None else follow(inner, operands, step)


def test_what_is_followed_answers_as_what_was_traced():
    x = jnp.linspace(-1, 1, 8).reshape(4, 2)
    program = jax.make_jaxpr(function)(x)
    for found, expected in zip(follow(program, [x], step), function(x), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_arrays_of_a_program_stand_for_what_they_are_made():
    program = jax.make_jaxpr(lambda x: (x * 1.5 + WEIGHT, 1.5))(WEIGHT)
    seen = []

    def noted(equation, operands):
        seen.append([each[0] for each in operands])
        return [("made", carried_out(equation, [each[1] for each in operands])[0])]

    found = follow(program, [("given", WEIGHT)], noted, lambda array: ("constant", array))
    assert seen == [["given", "constant"], ["made", "constant"]]
    assert [each[0] for each in found] == ["made", "constant"]
    assert found[1][1].dtype == np.float32  # a float of Python has the dtype of the program
    np.testing.assert_array_equal(found[0][1], WEIGHT * 1.5 + WEIGHT)


def test_what_an_operation_returned_is_forgotten_after_its_last_use():
    program = jax.make_jaxpr(lambda x: jnp.sin(jnp.cos(jnp.tan(x))))(1.0)
    ended, counts = [], []

    class Value:
        def __del__(self):
            ended.append(1)

    def noted(equation, operands):
        counts.append(len(ended))
        return [Value()]

    first = Value()
    follow(program, [first], noted)
    assert counts == [0, 0, 1]


@pytest.mark.parametrize("closed", [True, False])
def test_every_operation_is_walked_once_at_any_depth(closed):
    program = jax.make_jaxpr(function)(jnp.ones((4, 2)))
    names = [each.primitive.name for each in operations_in(program if closed else program.jaxpr)]
    for name in ("dot_general", "tanh", "scan", "cond", "cos", "sin"):
        assert names.count(name) == 1
    assert len(list(programs_in(program))) == str(program).count("{ lambda")
