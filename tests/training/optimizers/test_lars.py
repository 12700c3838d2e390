import jax.numpy as jnp
import numpy as np
import pytest

from rtickets import masks, training
from rtickets.config import OptimizerConfig
from rtickets.masks.paths import leaf_paths
from rtickets.training.masked_update import update
from rtickets.training.schedules import multiplier

RATE, TRUST, DECAY, MOMENTUM = 0.3, 0.02, 0.1, 0.9


def reference(weight, mask, gradients, rates, *, scaled, decayed):
    """One parameter by LARS with an L2 penalty, in float64."""
    weight, velocity = weight * mask, np.zeros_like(weight)
    for gradient, rate in zip(gradients, rates, strict=True):
        step = (gradient + (DECAY * weight if decayed else 0)) * mask
        if scaled:
            step = step * TRUST * np.linalg.norm(weight) / np.linalg.norm(step)
        velocity = MOMENTUM * velocity + step
        weight = (weight - rate * velocity) * mask
    return weight


@pytest.mark.parametrize("decay_unscaled", [True, False])
def test_lars_and_its_exclusions_against_a_reference(tiny, decay_unscaled):
    optimizer = OptimizerConfig(
        name="lars", momentum=MOMENTUM, trust=TRUST, weight_decay=DECAY, warmup="2it",
        schedule="cosine", decay_unscaled=decay_unscaled,
    )  # fmt: skip
    program = tiny.program(optimizer=optimizer, total_steps=6)
    schedule = multiplier(optimizer, 6, 10)
    rates = [RATE * float(schedule(step)) for step in range(6)]
    np.testing.assert_allclose(
        rates, RATE * np.array([0, 0.5, 1, *(0.5 * (1 + np.cos(np.pi * np.arange(1, 4) / 4)))]),
        rtol=1e-6,
    )  # fmt: skip
    generator = np.random.default_rng(0)
    params = {
        "block": {"kernel": (3, 3, 2, 4), "bias": (4,)},
        "norm": {"scale": (4,), "bias": (4,)},
    }
    params = {
        a: {b: generator.normal(size=s) for b, s in part.items()} for a, part in params.items()
    }
    mask = {a: {b: np.ones((), bool) for b in part} for a, part in params.items()}
    mask["block"]["kernel"] = generator.uniform(size=(3, 3, 2, 4)) < 0.4
    gradients = [
        {
            a: {b: generator.normal(size=w.shape) for b, w in part.items()}
            for a, part in params.items()
        }
        for _ in range(6)
    ]
    as_32 = {a: {b: jnp.float32(w) for b, w in part.items()} for a, part in params.items()}
    trained = masks.apply(mask, as_32)
    state = training.masked_update.make_optimizer(optimizer).init(trained)
    for gradient, rate in zip(gradients, rates, strict=True):
        fed = {a: {b: jnp.float32(g) for b, g in part.items()} for a, part in gradient.items()}
        trained, state = update(program, state, trained, mask, fed, jnp.float32(rate))
    for path, found in leaf_paths(trained).items():
        layer, name = path.split("/")
        expected = reference(
            params[layer][name], mask[layer][name], [g[layer][name] for g in gradients], rates,
            scaled=name == "kernel", decayed=decay_unscaled or name == "kernel",
        )  # fmt: skip
        np.testing.assert_allclose(found, expected, rtol=2e-5, atol=1e-6)


def test_pruned_weights_do_not_count_in_norms():
    """Where a mask hides weights that stay, as in PyTorch, the original counts them."""
    weight = jnp.asarray([3.0, 4.0])
    transform = OptimizerConfig(
        name="lars", momentum=0.0, trust=1.0, weight_decay=0.0, unscaled=None
    ).transform()
    gradient = {"kernel": jnp.asarray([1.0, 0.0])}
    kept = {"kernel": weight * jnp.asarray([1.0, 0.0])}
    for params, length in ((kept, 3.0), ({"kernel": weight}, 5.0)):
        found, _ = transform.update(gradient, transform.init(params), params)
        np.testing.assert_allclose(found["kernel"], [length, 0.0], rtol=1e-6)
