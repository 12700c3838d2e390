"""Complex, wide and narrow numbers wherever weights are ranked, compared or drawn."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtickets.draw import Ticket
from rtickets.errors import InputError
from rtickets.masks.gates import LearnedMask, initial_scores
from rtickets.masks.ordered import modulus, real
from rtickets.report import ticket_pictures
from rtickets.tickets.inspect import compare, verify


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([3 + 4j, -1j], np.complex64), [5, 1]),
        (np.array([1e-30 + 1e-30j], np.complex64), [np.sqrt(2) * np.float32(1e-30).astype(float)]),
        (np.array([-128, 127], np.int8), [128, 127]),
        (np.array([-(2**31), 2**31 - 1], np.int32), [2**31, 2**31 - 1]),
        (np.array([-1.5, 0.25], np.float16), [1.5, 0.25]),
        (jnp.array([-1.5, 0.25], jnp.bfloat16), [1.5, 0.25]),
        (np.array([-1 - 1e-12, 1]), [1 + 1e-12, 1]),
        (np.float32([-1e-45, 0]), np.float32([1e-45, 0])),
    ],
)
def test_absolute_values_are_exact(values, expected):
    np.testing.assert_array_equal(modulus("a", values), expected)


@pytest.mark.parametrize("values", [np.ones(2, bool), np.array(["a"]), np.array([None])])
def test_what_has_no_order_is_named(values):
    for rank in (real, modulus):
        with pytest.raises(InputError, match=f"a/kernel .*{values.dtype}"):
            rank("a/kernel", values)
    with pytest.raises(InputError, match="a is complex128"):
        real("a", np.ones(2, complex))


def test_learned_scores_start_at_the_modulus():
    params = {"a": {"kernel": np.array([[3 + 4j, 0], [0, 1j]], np.complex64)}}
    for pattern, expected in (("element", [[5, 0], [0, 1]]), ("channel", [[2.5, 0.5]])):
        scores = initial_scores(LearnedMask(0.5, pattern), params, jax.random.key(0))
        np.testing.assert_array_equal(scores["a.kernel"], expected)


def test_complex_weights_differ_by_the_modulus_of_the_difference():
    mask = {"a": {"kernel": np.ones((1, 2), bool)}}
    a, b = (Ticket(mask, {"a": {"kernel": np.array([[1 + part, 2]])}}) for part in (1j, -4j))
    assert compare(a, b)["layers"][0]["largest_difference"] == 5


def test_complex_kernels_are_drawn_by_their_modulus(tmp_path, monkeypatch):
    kernel = np.array([[3 + 4j, -1j], [0, 1]], np.complex64).reshape(2, 1, 1, 2)
    mask = {"stem": {"kernel": kernel != 0, "bias": np.ones((), bool)}}
    ticket = Ticket(mask, {"stem": {"kernel": kernel, "bias": np.zeros(2, np.float32)}})
    drawn = []
    monkeypatch.setattr(ticket_pictures, "_grid", _spied(ticket_pictures._grid, drawn))
    ticket_pictures.plot_kernels(ticket)
    np.testing.assert_array_equal(drawn[0].ravel(), [5, 1, 0, 1])
    ticket.save(tmp_path / "complex")
    np.testing.assert_array_equal(verify(tmp_path / "complex").params["stem"]["kernel"], kernel)


def _spied(function, seen):
    def spied(weights, keep):
        seen.append(weights)
        return function(weights, keep)

    return spied
