"""The README's examples and the names that users rely on."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rtickets


class Mlp(nn.Module):
    """A linen model that is none of ours."""

    @nn.compact
    def __call__(self, x):
        x = nn.relu(nn.Dense(32, name="body")(x.reshape(len(x), -1)))
        return nn.Dense(3, name="head")(x)


def test_every_public_name_is_there():
    for name in rtickets.__all__:
        assert getattr(rtickets, name) is not None
    assert set(dir(rtickets)) == set(rtickets.__all__)
    with pytest.raises(AttributeError, match="'nothing'"):
        _ = rtickets.nothing


def test_configuration_files_of_users_find_what_they_import():
    from rtickets import config_files, recipes

    assert callable(config_files.editable)
    assert recipes.__name__ == "rtickets.stages.recipes"


def test_a_ticket_from_any_linen_model(tmp_path, capsys):
    params = Mlp().init(jax.random.key(0), jnp.zeros((1, 4, 4, 1)))["params"]
    mask = rtickets.draw_omp(params, sparsity=0.9)
    print(rtickets.masks.summary(mask, params).prunable)
    params = rtickets.masks.apply(mask, params)
    rtickets.Ticket(mask, params).save(tmp_path / "my-ticket")
    assert capsys.readouterr().out == "Count(survivors=51, total=512)\n"
    loaded = rtickets.Ticket.load(tmp_path / "my-ticket")
    np.testing.assert_array_equal(loaded.params["body"]["kernel"], params["body"]["kernel"])
    assert rtickets.masks.sparsity(loaded.mask) == pytest.approx(0.9, abs=1e-3)
    assert rtickets.masks.overlap(loaded.mask, mask)[""] == 1


def test_an_attack_on_any_model():
    model = Mlp()
    x = jax.random.uniform(jax.random.key(1), (5, 4, 4, 1))
    variables = model.init(jax.random.key(0), x)
    x_adv = rtickets.attacks.pgd(
        lambda images: model.apply(variables, images),
        x,
        jnp.zeros(5, jnp.int32),
        jax.random.key(2),
        eps=8 / 255,
        step_size=2 / 255,
        num_steps=10,
    )
    assert x_adv.shape == x.shape
    assert 0 < np.abs(x_adv - x).max() <= 8 / 255 + 1e-6
