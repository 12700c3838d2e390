"""The walk over the glass, against one pixel after the other."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtickets.data.images.corruptions.glass import walked


@pytest.mark.parametrize("reach", [1, 2, 4])
def test_following_the_neighbours_is_the_walk(reach: int) -> None:
    random = np.random.RandomState(reach)
    picture = random.uniform(size=(13, 17, 3)).astype(np.float32)
    drawn = random.randint(-reach, reach, (13 - 2 * reach, 17 - 2 * reach, 2))
    expected = picture.copy()
    for i, row in enumerate(range(13 - reach, reach, -1)):
        for j, column in enumerate(range(17 - reach, reach, -1)):
            right, down = drawn[i, j]
            expected[row, column] = expected[row + down, column + right]
    result = jax.jit(walked, static_argnums=2)(picture, drawn, reach)
    np.testing.assert_array_equal(result, expected)


def test_a_pixel_can_go_all_the_way() -> None:
    picture = np.arange(100, dtype=np.float32).reshape(10, 10, 1)
    drawn = np.zeros((8, 8, 2), int)
    drawn[..., 1] = -1  # copy the pixel above, which has not had its turn: all move down by one
    result = jax.jit(walked, static_argnums=2)(picture, drawn, 1)
    np.testing.assert_array_equal(result[2:, 2:, 0], picture[1:-1, 2:, 0])


def test_pictures_without_an_inside_stay() -> None:
    picture = jnp.ones((8, 8, 1))
    np.testing.assert_array_equal(walked(picture, jnp.zeros((0, 0, 2), int), 4), picture)
