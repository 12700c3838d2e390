"""What it gains to train several tickets, or the heads of several, as one program."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rtickets import masks, models, training
from rtickets.costs.latency import by_turns
from rtickets.costs.rows import CLASSES, ROUNDS, Row, Setting, images_of, network_of
from rtickets.data.arrays import labelled
from rtickets.data.images.augment import Transform
from rtickets.models.pooled_head import PooledHead
from rtickets.platform import parallel
from rtickets.training.dispatch import compiled_together
from rtickets.training.heads import AsTheyAre, HeadRun, fit_heads
from rtickets.training.settings import TrainConfig

_EPOCHS = 20
_FEW = 200  # examples of a downstream task


def together(setting: Setting) -> Iterator[Row]:
    """A natural step of two tickets as one program, to that of one after the other."""
    network, params, stats = network_of(setting)
    program = training.Program(
        model=network, objective=training.objectives.ObjectiveConfig(),
        optimizer=training.optimizers.OptimizerConfig(learning_rate=0.0), transform=Transform(),
        batch_size=setting.batch_size, total_steps=10**6, steps_per_epoch=1000, trainable="all",
        statistics="batch", devices=setting.devices, input_shape=setting.shape,
    )  # fmt: skip
    mask = masks.full(params)
    images = (255 * images_of(setting, setting.batch_size)).astype(np.uint8)
    data = {"image": images, "label": np.zeros(len(images), np.int32)}
    run = training.RunData(jax.random.key(0), jnp.float32(0.0))
    fixed = parallel.replicate((mask, run, data), setting.devices)
    order = np.arange(setting.batch_size, dtype=np.int32)[None]
    fixed = (*fixed, parallel.shard(order, setting.devices, axis=1))
    states = [
        parallel.replicate(training.init_state(program, params, stats, mask), setting.devices)
        for _ in range(3)
    ]
    single, double = training.compiled(program), compiled_together(program)

    def alone() -> Any:
        states[0], totals = single(states[0], *fixed)
        return totals

    def beside() -> Any:
        (states[1], totals), (states[2], _) = double(states[1:], *([each] * 2 for each in fixed))
        return totals

    found = by_turns({"alone": alone, "beside": beside}, turns=ROUNDS)
    share = found["beside"] / 2 / found["alone"]
    yield Row("two tickets at once, to one after the other", share, "of the time", more=False)


def heads(setting: Setting) -> Iterator[Row]:
    """Heads of linear evaluation on features of two tickets, at four rates each."""
    config = TrainConfig(batch_size=_FEW // 5, select="last", validate_every="0ep")
    params = {"head": network_of(setting)[1]["head"]}
    width = params["head"]["kernel"].shape[0]
    labels = np.arange(_FEW, dtype=np.int32) % CLASSES
    generator = np.random.default_rng(0)
    splits = [
        labelled(generator.standard_normal((_FEW, width), np.float32), labels) for _ in range(2)
    ]
    program = training.Program(
        model=PooledHead(CLASSES, models.LinearHead), objective=config.objective,
        optimizer=config.optimizer, transform=AsTheyAre(), batch_size=config.batch_size,
        total_steps=5 * _EPOCHS, steps_per_epoch=5, trainable="head", statistics="frozen",
        devices=setting.devices[:1],
    )  # fmt: skip
    runs = [
        HeadRun(params, split, 0, 0.01 * rate, lambda _: 0.0)
        for split in splits for rate in range(1, 5)
    ]  # fmt: skip
    fit = partial(fit_heads, program, config)
    calls = {
        "beside": lambda: [each.lines for each in fit(runs)],
        "alone": lambda: [each.lines for run in runs for each in fit([run])],
    }
    found = by_turns(calls, turns=ROUNDS)
    yield Row("steps of eight heads at once", 5 * _EPOCHS / found["beside"], "steps/s")
    share = found["beside"] / found["alone"]
    yield Row("eight heads at once, to one after the other", share, "of the time", more=False)
