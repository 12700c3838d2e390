"""Arguments of other kinds are one line, wherever they are given."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtickets import draw_omp, masks
from rtickets.draw.controls import control_mask
from rtickets.draw.criteria import magnitude
from rtickets.draw.scheduled import draw_scheduled
from rtickets.errors import InputError
from rtickets.masks.arguments import check_integer, check_share

PARAMS = {"a": {"kernel": np.arange(1.0, 13).reshape(3, 4)}}
MASK = draw_omp(PARAMS, 0.5)


def scheduled(**options):
    arguments = {"sparsity": 0.5, "rounds": 2, **options}
    return draw_scheduled(PARAMS, score_fn=lambda params, mask: magnitude(params), **arguments)


@pytest.mark.parametrize(
    "sparsity", [None, [0.5], 0.5j, "0.5", np.array([0.5, 0.6]), np.nan, 1, -1]
)
def test_a_sparsity_is_a_number_below_one(sparsity):
    for draw in (lambda: draw_omp(PARAMS, sparsity), lambda: scheduled(sparsity=sparsity)):
        with pytest.raises(InputError, match="sparsity="):
            draw()


@pytest.mark.parametrize("sparsity", [0.5, np.float32(0.5), jnp.float32(0.5), np.array(0.5), 0])
def test_numbers_of_every_library_are_numbers(sparsity):
    kept = masks.leaf_paths(draw_omp(PARAMS, sparsity))["a/kernel"].sum()
    assert kept == 12 - round(12 * float(sparsity))


@pytest.mark.parametrize("field", ["pattern", "prunable"])
@pytest.mark.parametrize("value", [None, 3, b"element"])
def test_texts_are_texts(field, value):
    with pytest.raises(InputError, match=f"{field}="):
        draw_omp(PARAMS, 0.5, **{field: value})


@pytest.mark.parametrize("rounds", [2.0, "2", None, True, 0])
def test_rounds_are_counted(rounds):
    with pytest.raises(InputError, match="rounds="):
        scheduled(rounds=rounds)


@pytest.mark.parametrize("change", [{"seed": -1}, {"seed": 0.5}, {"flip_fraction": "a"}])
def test_arguments_of_controls(change):
    (name,) = change
    with pytest.raises(InputError, match=f"{name}="):
        control_mask(MASK, "random", **{"seed": 0, **change})


def test_masked_arrays_are_no_weights_and_no_scores():
    hidden = np.ma.masked_array(PARAMS["a"]["kernel"], PARAMS["a"]["kernel"] > 6)
    with pytest.raises(InputError, match=r"a/kernel.*masked"):
        draw_omp({"a": {"kernel": hidden}}, 0.5)
    with pytest.raises(InputError, match=r"a/kernel.*masked"):
        draw_omp(PARAMS, 0.5, scores={"a": {"kernel": hidden}})


@pytest.mark.parametrize("transform", [jax.jit, lambda f: jax.vmap(f, axis_size=2, in_axes=None)])
def test_draws_are_made_outside_of_traces(transform):
    with pytest.raises(InputError, match=r"a/kernel.*traced"):
        jax.jit(lambda params: transform(lambda p: draw_omp(p, 0.5))(params))(PARAMS)


def test_integers_and_shares():
    assert check_integer("n", np.int64(3), 0) == 3
    for wrong in (2.5, "3", None, False, -1):
        with pytest.raises(InputError, match="n="):
            check_integer("n", wrong, 0)
    check_share("p", 1, closed=True)
    with pytest.raises(InputError, match=r"p=1 is outside \[0, 1\)"):
        check_share("p", 1)
