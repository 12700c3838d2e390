"""Turns and scales: points stay on what they are on, halves of bodies fill the image."""

import jax
import jax.numpy as jnp
import numpy as np

from rtickets.data.images.turned import Turns, turned

SIZE = (48, 36)


def body():
    """Return an image with a spot at each of 10 points, five above and five below."""
    points = np.array([(8 + 3 * (k % 2) + 28 * (k // 5), 8 + 5 * (k % 5)) for k in range(10)]) + 0.5
    image = np.zeros((*SIZE, 1), np.float32)
    for row, column in points.astype(int):
        image[row, column] = 1
    return jnp.asarray(image), jnp.asarray(points, jnp.float32)


def test_points_stay_on_their_spots_and_lengths_grow_by_the_factor():
    image, points = body()
    turns = Turns(rotation=30, scale=0.3)
    turn = jax.jit(lambda key: turned(key, image, points, jnp.ones(10, bool), turns))
    angles, factors = [], []
    for number in range(40):
        seen, moved, factor = turn(jax.random.key(number))
        one, other = (each[9] - each[0] for each in (points, moved))
        np.testing.assert_allclose(jnp.linalg.norm(other), factor * jnp.linalg.norm(one), rtol=1e-4)
        angles.append(np.rad2deg(np.arctan2(*other) - np.arctan2(*one)))
        factors.append(float(factor))
        for row, column in np.floor(moved).astype(int):
            if 1 <= row < SIZE[0] - 2 and 1 <= column < SIZE[1] - 2:
                assert seen[row - 1 : row + 2, column - 1 : column + 2].sum() > 0.2
    angles = np.array(angles)
    assert 0.15 < (abs(angles) < 1e-3).mean() < 0.65  # 40% are not turned
    assert 30 < abs(angles).max() <= 60.001
    assert 1 / 1.3 - 1e-6 <= min(factors) < 0.9 < 1.1 < max(factors) <= 1 / 0.7 + 1e-6


def test_nothing_asked_changes_nothing():
    image, points = body()
    seen, moved, factor = turned(
        jax.random.key(0), image, points, jnp.ones(10, bool), Turns(0.0, 0.0)
    )
    np.testing.assert_allclose(seen, image, atol=1e-5)
    np.testing.assert_allclose(moved, points, atol=1e-5)
    assert factor == 1


def test_a_window_around_a_half_has_all_of_its_points():
    image, points = body()
    upper = tuple(k < 5 for k in range(10))
    turns = Turns(0.0, 0.0, 1.0, upper)
    halves = set()
    for number in range(8):
        _, moved, factor = turned(jax.random.key(number), image, points, jnp.ones(10, bool), turns)
        inside = ((moved >= 0) & (moved <= jnp.array(SIZE))).all(-1)
        half = "upper" if inside[:5].all() else "lower"
        assert inside[:5].all() or inside[5:].all()
        # 20 columns of points are to be two thirds of 36
        np.testing.assert_allclose(factor, 36 / (1.5 * 20), rtol=1e-5)
        halves.add(half)
    assert halves == {"upper", "lower"}
    few = jnp.arange(10) < 8
    _, same, factor = turned(jax.random.key(0), image, points, few, turns)
    np.testing.assert_allclose(same, points, atol=1e-5)
    assert factor == 1
