"""Peak memory of a training step, by objective.

    python tests/speed/memory.py 64
    python tests/speed/memory.py 512 --precision=bfloat16 --objectives natural pgd trades

For every objective prints what the compiler reserves on one device: state and data, temporary
buffers, and their sum, also as a ratio to natural training. Where a device counts its memory, such
as a GPU, a step runs and the peak so far is printed too; so the order of objectives matters there.
"""

import argparse

import jax
import jax.numpy as jnp
import numpy as np

from rtickets import masks, models, training
from rtickets.config import AttackConfig, ObjectiveConfig, OptimizerConfig
from rtickets.data.images.augment import Transform
from rtickets.platform import parallel

IMAGES = 2048
MIB = 2**20
ATTACKS = {"fast": "fgsm_rs", "free": "fgsm"}


def build(options, name, devices):
    model = models.build(
        "resnet18", 10, width=options.width, stem="small", precision=options.precision,
        mean=(0.5,) * 3, std=(0.25,) * 3,
    )  # fmt: skip
    objective = ObjectiveConfig()
    if name != "natural":
        steps = {} if name in ATTACKS else {"num_steps": options.steps}
        attack = AttackConfig(name=ATTACKS.get(name, "pgd"), **steps)
        objective = ObjectiveConfig(name=name, attack=attack)
    return training.Program(
        model=model,
        objective=objective,
        optimizer=OptimizerConfig(),
        transform=Transform(crop_padding=2, flip=True),
        batch_size=options.batch,
        total_steps=1000,
        steps_per_epoch=100,
        trainable="all",
        statistics="batch",
        devices=devices,
        accumulate=options.accumulate,
        input_shape=(options.size, options.size, 3),
    )


def measure(options, name, devices):
    """Return the bytes of (state and data, temporary buffers, the device's peak or None)."""
    program = build(options, name, devices)
    shape = program.input_shape
    params, stats = models.initialise(program.model, jax.random.key(0), shape)
    mask = masks.full(params)
    state = training.init_state(program, params, stats, mask)
    run = training.RunData(jax.random.key(1), jnp.float32(0.1))
    images, labels = np.zeros((IMAGES, *shape), np.uint8), np.zeros(IMAGES, np.int32)
    fixed = parallel.replicate((state, mask, run, {"image": images, "label": labels}), devices)
    chosen = np.arange(options.batch, dtype=np.int32)[None]
    indices = parallel.shard(chosen, devices, axis=1)
    step = training.compiled(program).lower(*fixed, indices).compile()
    found = step.memory_analysis()
    held = found.argument_size_in_bytes + found.output_size_in_bytes - found.alias_size_in_bytes
    if devices[0].memory_stats() is None:
        return held, found.temp_size_in_bytes, None
    jax.block_until_ready(training.compiled(program)(*fixed, indices))
    return held, found.temp_size_in_bytes, devices[0].memory_stats()["peak_bytes_in_use"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("batch", type=int)
    parser.add_argument("--objectives", nargs="+", default=["natural", "free", "fast", "pgd"])
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--steps", type=int, default=7, help="steps of the attack")
    parser.add_argument("--width", type=float, default=1.0)
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--accumulate", type=int, default=1)
    options = parser.parse_args()
    devices, natural = parallel.local_devices(1), None
    for name in options.objectives:
        held, temporary, peak = measure(options, name, devices)
        natural = natural or held + temporary
        counted = "" if peak is None else f", device peak {peak / MIB:,.0f} MiB"
        print(
            f"{name:8s} {held / MIB:8,.0f} MiB held + {temporary / MIB:8,.0f} MiB temporary = "
            f"{(held + temporary) / MIB:8,.0f} MiB, {(held + temporary) / natural:.2f}x{counted}",
            flush=True,
        )


if __name__ == "__main__":
    main()
