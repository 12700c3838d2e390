"""Throughput of the training step on synthetic images, all devices of this host.

    python tests/speed/train_step.py pgd 512 --size=32 --precision=bfloat16
    python tests/speed/train_step.py lmp 512

'lmp' trains a score for every weight instead of the weights, naturally. Prints images per
second, the median of five windows and their range, and the first call's seconds.
"""

import argparse
import statistics
import time

import jax
import jax.numpy as jnp
import numpy as np

from rtickets import masks, models, training
from rtickets.config import AttackConfig, ObjectiveConfig, OptimizerConfig
from rtickets.data.images.augment import Transform
from rtickets.masks.gates import SCORES, LearnedMask, initial_scores
from rtickets.platform import parallel

IMAGES = 20_000


def build(options, devices):
    model = models.build(
        options.arch, 10, width=options.width, stem="small", precision=options.precision,
        mean=(0.5,) * 3, std=(0.25,) * 3,
    )  # fmt: skip
    objective = ObjectiveConfig()
    if options.objective == "pgd":
        attack = AttackConfig(num_steps=options.steps, step_size=2 / 255)
        objective = ObjectiveConfig(name="pgd", attack=attack)
    return training.Program(
        model=model,
        objective=objective,
        optimizer=OptimizerConfig(),
        transform=Transform(crop_padding=2, flip=True),
        batch_size=options.batch,
        total_steps=1000,
        steps_per_epoch=100,
        trainable="scores and head" if options.objective == "lmp" else "all",
        statistics="batch",
        devices=devices,
        learned_mask=LearnedMask(0.9) if options.objective == "lmp" else None,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("objective", choices=["natural", "pgd", "lmp"])
    parser.add_argument("batch", type=int)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--steps", type=int, default=7, help="steps of the attack")
    parser.add_argument("--width", type=float, default=1.0)
    parser.add_argument("--arch", default="resnet18")
    parser.add_argument("--precision", default="bfloat16")
    parser.add_argument("--dispatch", type=int, default=10, help="steps per call; 1 on CPU")
    options = parser.parse_args()
    devices = parallel.local_devices()
    program = build(options, devices)
    params, stats = models.initialise(
        program.model, jax.random.key(0), (options.size, options.size, 3)
    )
    mask = masks.full(params)
    if program.learned_mask is not None:
        scores = initial_scores(program.learned_mask, params, jax.random.key(2))
        params = {**params, SCORES: scores}
        mask = {**mask, SCORES: jax.tree.map(lambda _: np.ones((), bool), scores)}
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (IMAGES, options.size, options.size, 3), np.uint8)
    labels = np.arange(IMAGES, dtype=np.int32) % 10
    run = training.RunData(jax.random.key(1), jnp.float32(0.1))
    state, *fixed = parallel.replicate(
        (
            training.init_state(program, params, stats, mask),
            mask,
            run,
            {"image": images, "label": labels},
        ),
        devices,
    )
    steps, seconds = training.compiled(program), []
    for _ in range(6):
        chosen = generator.integers(0, IMAGES, (options.dispatch, options.batch)).astype(np.int32)
        start = time.monotonic()
        state, _ = steps(state, *fixed, parallel.shard(chosen, devices, axis=1))
        jax.block_until_ready(state)
        seconds.append(time.monotonic() - start)
    rates = [options.dispatch * options.batch / second for second in seconds[1:]]
    print(
        f"{options.objective} batch {options.batch}: {statistics.median(rates):,.0f} images/s "
        f"[{min(rates):,.0f}, {max(rates):,.0f}], first call {seconds[0]:.1f} s"
    )


if __name__ == "__main__":
    main()
