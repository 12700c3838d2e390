"""Restoration as a task: the loss of what is seen, measures of what is clean."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtickets.errors import InputError
from rtickets.tasks import Restoration
from rtickets.tasks.degradations import OPERATORS, OperatorConfig

KEY = jax.random.key(0)


def test_the_loss_is_of_the_pixels_that_are_there_alone():
    task = Restoration(operator=OperatorConfig(name="inpaint"))
    seen = jnp.zeros((1, 4, 5, 1)).at[0, 0, 0].set(1)
    batch = {"seen": seen, "observed": seen * jnp.ones((1, 4, 5, 3))}
    answers = jnp.full((1, 4, 5, 3), 0.5)
    np.testing.assert_allclose(task.loss(answers, batch), 0.25 / 20)
    elsewhere = answers.at[0, 1:].set(0)
    np.testing.assert_array_equal(task.loss(elsewhere, batch), task.loss(answers, batch))


@pytest.mark.parametrize("name", OPERATORS)
def test_the_clean_picture_has_no_loss_and_sums_add_up(name):
    operator = OperatorConfig(name=name)
    task = Restoration(operator=operator)
    clean = jax.random.uniform(KEY, (3, 12, 13, 3))
    seen = jnp.stack([operator.pattern(key, (12, 13)) for key in jax.random.split(KEY, 3)])
    batch = {"seen": seen, "observed": operator.apply(clean, seen), "clean": clean}
    np.testing.assert_allclose(task.loss(clean, batch), 0, atol=1e-10)
    answers = jnp.clip(clean + 0.1, 0, 1)
    whole = task.sums(answers, batch)
    alone = [
        task.sums(answers[i : i + 1], {key: leaf[i : i + 1] for key, leaf in batch.items()})
        for i in range(3)
    ]
    for key, value in whole.items():
        np.testing.assert_allclose(value, sum(one[key] for one in alone), rtol=1e-5)
    measures = task.measures(whole)
    names = {"psnr", "psnr_observed", "ssim"}
    assert set(measures) == names | ({"ssim_observed"} if operator.in_pixels else set())
    error = float(((answers - clean) ** 2).mean())
    assert measures["psnr"].value == pytest.approx(-10 * np.log10(error), abs=1e-3)
    assert task.painted(answers, batch)["observed"].shape == clean.shape
    assert task.headline.name in measures


def test_without_the_clean_picture_only_what_was_observed_is_measured():
    batch = {"seen": jnp.ones((1, 4, 4, 1)), "observed": jnp.zeros((1, 4, 4, 1))}
    found = Restoration().sums(jnp.full((1, 4, 4, 1), 0.1), batch)
    assert Restoration().measures(found)["psnr_observed"].value == pytest.approx(20, abs=1e-4)
    assert set(Restoration().measures(found)) == {"psnr_observed"}


def test_pictures_are_grey_or_coloured():
    assert Restoration().width({"channels": 3}) == 3
    with pytest.raises(InputError, match="channels=4"):
        Restoration().width({"channels": 4})
