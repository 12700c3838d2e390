"""A reported attack is compared with a short one, image by image, and with the ensembles."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtickets.attacks import Member, autoattack_members
from rtickets.attacks.honesty.strength import check_reported, check_strength, spent
from rtickets.errors import InputError

COUNT, KEY = 40, jax.random.key(0)
WEIGHTS = jax.random.normal(jax.random.key(1), (16,))
SLOPE = {
    "linf": jnp.abs(WEIGHTS).sum(),
    "l2": jnp.linalg.norm(WEIGHTS),
    "l1": jnp.abs(WEIGHTS).max(),
}
MARGINS = jnp.linspace(0.02, 0.8, COUNT)


def plane(x):
    lead = (x.reshape(len(x), -1) - 0.5) @ WEIGHTS
    return jnp.stack([lead, -lead], 1) / 2


X = 0.5 + (MARGINS[:, None] * WEIGHTS / (WEIGHTS**2).sum()).reshape(COUNT, 4, 4, 1)
Y = jnp.zeros(COUNT, jnp.int32)


def robust_at(eps, norm):
    """Return which images no perturbation fools, by the closed form of a plane."""
    return np.asarray(eps * SLOPE[norm] < MARGINS)


@pytest.mark.parametrize(("norm", "eps"), [("linf", 0.03), ("l2", 0.1), ("l1", 0.2)])
@pytest.mark.parametrize("missed", [0, 1, 2, 9])
def test_images_that_a_reported_attack_missed_are_counted(norm, eps, missed):
    right = robust_at(eps, norm)
    assert 9 < right.sum() < COUNT - 9
    reported = right.copy()
    reported[np.flatnonzero(~right)[:missed]] = True
    found = check_reported(plane, X, Y, KEY, {eps: reported}, norm=norm)
    assert found.check == "found more"
    assert found.value == missed / COUNT
    assert found.passed == (missed <= 1)
    for share in (reported.mean(), right.mean()):
        assert f"{share:.1%}" in found.message


def test_the_worst_radius_is_told_and_smaller_ones_count_at_larger():
    right = {eps: robust_at(eps, "linf") for eps in (0.01, 0.02, 0.04)}
    assert check_reported(plane, X, Y, KEY, right).value == 0
    missed = right | {0.02: np.ones(COUNT, bool)}
    found = check_reported(plane, X, Y, KEY, missed)
    assert found.value == (~right[0.02]).mean()
    assert "eps 0.02" in found.message


def test_a_random_model_is_fooled_if_fresh_draws_are():
    def noisy(x, keys):
        return plane(x) + 0.01 * jax.vmap(lambda key: jax.random.normal(key, (2,)))(keys)

    nothing = np.ones(COUNT, bool)
    found = check_reported(noisy, X, Y, KEY, {0.03: nothing}, samples=4)
    assert not found.passed
    assert found.value == pytest.approx((~robust_at(0.03, "linf")).mean(), abs=0.05)


def test_images_of_a_random_model_near_even_odds_are_no_misses_of_the_best_attack():
    """The odds under the worst perturbation are known: 53% to 69%, so most draws are right."""

    def noisy(x, keys):
        noise = jax.vmap(lambda key: jax.random.normal(key, x.shape[1:]))(keys)
        return plane(x + 0.25 * noise)

    eps, deviation = 0.1, 0.25 * SLOPE["l2"]
    leads = eps * SLOPE["linf"] + deviation * jnp.linspace(0.08, 0.5, COUNT)
    x = 0.5 + (leads[:, None] * WEIGHTS / (WEIGHTS**2).sum()).reshape(COUNT, 4, 4, 1)
    for seed in range(3):
        found = check_reported(
            noisy, x, Y, jax.random.key(seed), {eps: np.ones(COUNT, bool)}, samples=4
        )
        assert found.passed
    weak = check_reported(noisy, x, Y, KEY, {2 * eps: np.ones(COUNT, bool)}, samples=4)
    assert not weak.passed


@pytest.mark.parametrize("robust", [np.ones(3, bool), np.ones(COUNT), np.ones((COUNT, 1), bool)])
def test_what_is_no_flag_per_image_is_named(robust):
    with pytest.raises(InputError, match=r"eps=0\.1"):
        check_reported(plane, X, Y, KEY, {0.1: robust})


@pytest.mark.parametrize(
    ("members", "evaluations", "passed"),
    [
        ((Member("pgd", 1, step_size=0.1, random_start=False),), 2, False),  # FGSM
        ((Member("pgd", 1, step_size=0.1, restarts=5),), 10, False),  # FGSM-RS
        ((Member("square", 20),), 20, False),
        ((Member("square", 500),), 500, True),
        ((Member("pgd", 10, step_size=0.1),), 11, True),
        ((Member("apgd_ce", 20, samples=3),), 63, True),
        ((Member("apgd_t", 10, num_targets=9),), 99, True),
        ((Member("pgd", 1, step_size=0.1), Member("square", 5000)), 5002, True),
    ],
)  # fmt: skip
def test_what_is_no_search_is_weak(members, evaluations, passed):
    found = check_strength(members, "linf", 10)
    standard = spent(autoattack_members("standard", "linf"), "linf", 10)
    assert spent(members, "linf", 10) == evaluations
    assert found.check == "weak attack"
    assert found.passed == passed
    assert found.value == evaluations / standard
    assert f"{evaluations:,}" in found.message
    assert f"{standard:,}" in found.message
    assert ("without gradients" in found.message) == any(m.kind == "square" for m in members)


def test_the_budget_of_the_standard_ensemble_in_closed_form():
    assert spent(autoattack_members("standard", "linf"), "linf", 10) == 101 + 9 * (101 + 104) + 5000
    assert spent(autoattack_members("standard", "linf"), "linf", 4) == 101 + 3 * (101 + 104) + 5000
