"""The engine's step beside a bare jitted step of the same network, in alternating windows.

    python tests/speed/overhead.py natural 128
    python tests/speed/overhead.py pgd 64 --steps=2 --windows=7

The bare step is cross-entropy, backpropagation, L2 penalty and momentum on one device, on a batch
of floats that lies there ready; for 'pgd' after L-infinity PGD from a random start under frozen
statistics. The engine's is the one every trainer runs, `rtickets.training.compiled`: it gathers
uint8 images, crops and flips them, has a key per example and a mask on every convolution, and adds
up totals. Prints milliseconds a step and the ratio of neighbouring windows, median and range.
"""

import argparse
import statistics
import time
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax

from rtickets import masks, models, training
from rtickets.attacks.search import repeat
from rtickets.config import AttackConfig, ObjectiveConfig, OptimizerConfig
from rtickets.data.images.augment import Transform
from rtickets.platform import parallel

IMAGES, CLASSES = 2048, 10
EPS, STEP_SIZE, RATE, DECAY, MOMENTUM = 8 / 255, 2 / 255, 0.1, 5e-4, 0.9


def bare_step(model, num_steps, state, x, labels):
    """Train on a batch as one would by hand; `num_steps` of 0 is natural training."""
    params, stats, momentum, key = state
    key, own = jax.random.split(key)

    def loss(logits):
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

    def climb(_, delta):
        gradient = jax.grad(lambda d: loss(models.logits(model, params, stats, x + d)))(delta)
        delta = jnp.clip(delta + STEP_SIZE * jnp.sign(gradient), -EPS, EPS)
        return jnp.clip(x + delta, 0, 1) - x

    if num_steps:
        start = jax.random.uniform(own, x.shape, minval=-EPS, maxval=EPS)
        x = x + repeat(climb, num_steps, jnp.clip(x + start, 0, 1) - x)

    def training_loss(params):
        logits, updated = models.training_logits(model, params, stats, x)
        return loss(logits), updated

    gradients, stats = jax.grad(training_loss, has_aux=True)(params)
    momentum = jax.tree.map(
        lambda m, g, w: MOMENTUM * m + g + DECAY * w, momentum, gradients, params
    )
    params = jax.tree.map(lambda w, m: w - RATE * m, params, momentum)
    return params, stats, momentum, key


def engine(options, model, params, stats, images, labels, devices):
    """Return a function that takes one step of the engine."""
    objective = ObjectiveConfig()
    if options.objective != "natural":
        attack = AttackConfig(eps=EPS, step_size=STEP_SIZE, num_steps=options.steps)
        objective = ObjectiveConfig(name=options.objective, attack=attack)
    program = training.Program(
        model=model,
        objective=objective,
        optimizer=OptimizerConfig(momentum=MOMENTUM, weight_decay=DECAY, schedule="constant"),
        transform=Transform(crop_padding=2, flip=True),
        batch_size=options.batch,
        total_steps=1000,
        steps_per_epoch=100,
        trainable="all",
        statistics="batch",
        devices=devices,
    )
    mask = masks.full(params)
    run = training.RunData(jax.random.key(1), jnp.float32(RATE))
    state = training.init_state(program, params, stats, mask)
    box, *fixed = parallel.replicate(
        (state, mask, run, {"image": images, "label": labels}), devices
    )
    chosen = np.arange(options.batch, dtype=np.int32)[None]
    indices = parallel.shard(chosen, devices, axis=1)
    steps = training.compiled(program)

    def step():
        nonlocal box
        box, _ = steps(box, *fixed, indices)
        return box.params

    return step


def bare(options, model, params, stats, images, labels, device):
    """Return a function that takes one bare step."""
    momentum = jax.tree.map(jnp.zeros_like, params)
    copied = jax.tree.map(partial(jnp.array, copy=True), (params, stats, momentum))
    box = jax.device_put((*copied, jax.random.key(2)), device)
    x = jax.device_put(images[: options.batch].astype(np.float32) / 255, device)
    y = jax.device_put(labels[: options.batch], device)
    num_steps = 0 if options.objective == "natural" else options.steps
    jitted = jax.jit(partial(bare_step, model, num_steps), donate_argnums=0)

    def step():
        nonlocal box
        box = jitted(box, x, y)
        return box[0]

    return step


def input_gradient(model, params, stats, images, labels, devices):
    """Return a function that takes one gradient to the images, as attacks do."""

    def slope(variables, x, y):
        def loss(x):
            logits = models.logits(model, *variables, x)
            return optax.softmax_cross_entropy_with_integer_labels(logits, y).sum()

        return jax.grad(loss)(x)

    run = parallel.parallel(slope, in_axes=(None, 0, 0), out_axes=0, devices=devices)
    variables = parallel.replicate((params, stats), devices)
    shards = [parallel.shard(each, devices) for each in (np.float32(images) / 255, labels)]
    return partial(run, variables, *shards)


def window(step, count):
    """Return the mean milliseconds of some steps."""
    start = time.perf_counter()
    for _ in range(count):
        left = step()
    jax.block_until_ready(left)
    return (time.perf_counter() - start) / count * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("objective", choices=["natural", "pgd"])
    parser.add_argument("batch", type=int)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--steps", type=int, default=7, help="steps of the attack")
    parser.add_argument("--width", type=float, default=1.0)
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--windows", type=int, default=9)
    parser.add_argument("--count", type=int, default=3, help="steps in a window")
    options = parser.parse_args()
    devices = parallel.local_devices(1)
    pixels = {"mean": (0.5,) * 3, "std": (0.25,) * 3}
    model = models.build(
        "resnet18", CLASSES, width=options.width, stem="small", precision=options.precision,
        **pixels,
    )  # fmt: skip
    shape = (options.size, options.size, 3)
    params, stats = models.initialise(model, jax.random.key(0), shape)
    images = np.random.default_rng(0).integers(0, 256, (IMAGES, *shape), np.uint8)
    labels = np.arange(IMAGES, dtype=np.int32) % CLASSES
    data = (options, model, params, stats, images, labels)
    steps = {"bare": bare(*data, devices[0]), "engine": engine(*data, devices)}
    for step in steps.values():
        window(step, 2)
    found = {name: [] for name in steps}
    for index in range(options.windows):  # whoever goes first takes turns
        for name in list(steps)[:: 1 if index % 2 else -1]:
            found[name].append(window(steps[name], options.count))
    ratios = [ours / its for ours, its in zip(found["engine"], found["bare"], strict=True)]
    for name, values in found.items():
        print(f"{name:7s} {statistics.median(values):9.1f} ms "
              f"[{min(values):.1f}, {max(values):.1f}]")  # fmt: skip
    print(f"engine / bare: {statistics.median(ratios):.3f} [{min(ratios):.3f}, {max(ratios):.3f}]")


if __name__ == "__main__":
    main()
