"""Inputs that are constants of a compiled function, or traced."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtickets.attacks import (
    apgd_ce,
    autoattack,
    fab_t,
    pgd,
    square,
    worst_case,
)
from rtickets.attacks.honesty import check_model
from rtickets.attacks.inputs import clean_logits
from rtickets.errors import InputError
from tests.attacks.inputs.conftest import ATTACKS, KEY, SOME, Y, call, linear, moved

CONSTANT = {
    "pgd": moved,
    "apgd_ce": partial(apgd_ce, eps=0.1, num_steps=1),
    "fab_t": partial(fab_t, eps=0.1, num_steps=1, num_targets=1),
    "square": partial(square, eps=0.1, num_queries=2),
}


@pytest.mark.parametrize("attack", CONSTANT.values(), ids=CONSTANT)
def test_images_may_be_constants_of_a_compiled_function(attack):
    inside = jax.jit(lambda weight: attack(lambda x: weight * linear(x), SOME, Y, 0))
    expected = attack(lambda x: 2 * linear(x), SOME, Y, 0)
    np.testing.assert_allclose(inside(jnp.float32(2)), expected, atol=1e-6)
    with pytest.raises(InputError, match="images lie in"):
        jax.jit(lambda: attack(linear, SOME + 1, Y, KEY))()


@pytest.mark.parametrize("attack", CONSTANT.values(), ids=CONSTANT)
@pytest.mark.parametrize("kind", [np.array, jnp.array])
@pytest.mark.parametrize("label", [7, -3])
def test_labels_that_are_constants_of_a_compiled_function_are_checked(attack, kind, label):
    wrong = kind([0, label, 1])
    with pytest.raises(InputError, match=rf"label {label} of image 1 is not in 0 \.\.\. 2"):
        jax.jit(lambda x: attack(linear, x, wrong, KEY))(SOME)
    fine = jax.jit(lambda x, y: attack(linear, x, y, KEY))(SOME, Y)  # of these nothing is known
    np.testing.assert_allclose(
        jax.jit(lambda x: attack(linear, x, kind(Y), KEY))(SOME), fine, atol=1e-6
    )


def test_targets_that_are_constants_of_a_compiled_function_are_checked():
    wrong = np.array([1, 0, 5])
    with pytest.raises(InputError, match=r"target 5 of image 2 is not in 0 \.\.\. 2"):
        jax.jit(lambda x, y: call(pgd, linear, x=x, y=y, target=wrong))(SOME, Y)


MASKED = {"x": SOME, "y": Y, "key": np.zeros(2, np.uint32), "eps": np.full(3, 0.1)}
MASKED_OF_PGD = {"step_size": np.full(3, 0.1), "target": Y}


@pytest.mark.parametrize(
    ("attack", "name", "value"),
    [
        *((attack, *each) for attack in ATTACKS for each in MASKED.items()),
        *((pgd, *each) for each in MASKED_OF_PGD.items()),
    ],
)
def test_what_a_mask_hides_is_refused(attack, name, value):
    words = {"y": "labels", "x": "images", "target": "targets"}.get(name, name)
    hidden = np.zeros(value.shape, bool)
    hidden[0] = True
    masked = np.ma.masked_array(value, hidden)
    for each in (masked, list(masked)) if name == "x" else (masked,):
        with pytest.raises(InputError, match=f"{words}: a masked array"):
            call(attack, linear, **{name: each})


@pytest.mark.parametrize("attack", [worst_case, autoattack, check_model])
def test_what_decides_on_the_host_says_so_while_traced(attack):
    with pytest.raises(InputError, match=r"inside jax\.jit"):
        jax.jit(lambda: attack(linear, SOME, Y, KEY, eps=0.1))()
    with pytest.raises(InputError, match=r"inside jax\.jit"):
        jax.jit(lambda x: attack(linear, x, Y, KEY, eps=0.1))(SOME)
    for transform in (jax.grad, jax.vmap):  # without jit, only the model's weight is traced
        with pytest.raises(InputError, match=r"inside jax\.jit, jax\.vmap or jax\.grad"):
            transform(lambda w: attack(lambda x: w * linear(x), SOME, Y, KEY, eps=0.1))(
                jnp.float32(2) if transform is jax.grad else jnp.ones(2)
            )


def test_dead_layers_that_a_model_closes_over_keep_their_answers():
    kernels = [np.zeros((3, 3, width, 32), np.float32) for width in (16, 32)]
    biases = np.linspace(1, 2, 32, dtype=np.float32)
    x = np.random.default_rng(0).random((4, 7, 7, 16)).astype(np.float32)
    for number in range(6):  # with kernels as constants about every second one was wrong

        def model(x, number=number):
            for kernel in kernels:
                x = jax.lax.conv_general_dilated(
                    x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
                )
                x = jax.nn.relu(x + biases)
            return x.mean((1, 2)) + 0 * number

        found = clean_logits(model, x, jax.random.split(KEY, len(x)))
        np.testing.assert_allclose(found, np.tile(biases, (4, 1)), rtol=1e-6)
