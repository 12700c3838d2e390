"""This machine's table: what the parts of a study take here, as rows that another run compares.

Networks have random weights, and images are noise; compilation is left out.
"""

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from statistics import median

import jax
import numpy as np

from rtickets import masks, models
from rtickets.attacks import Member, worst_case
from rtickets.costs import bench
from rtickets.costs.at_once import heads, together
from rtickets.costs.latency import by_turns
from rtickets.costs.network_costs import measured_rate, network_cost
from rtickets.costs.rows import CLASSES, ROUNDS, Row, Setting, images_of, network_of, seconds_of
from rtickets.draw import draw_omp
from rtickets.evaluation.predict import Network
from rtickets.evaluation.subject import logits_fn
from rtickets.settings import config_files
from rtickets.storage.checkpoints import Retention, open_checkpoints
from rtickets.tickets.compaction import network as of_tickets
from rtickets.tickets.compaction.links import linked_channels
from rtickets.tickets.compaction.smaller import compact
from rtickets.tickets.ticket import Ticket

_DRAWN = 10_000_000  # weights
_ATTACKED = 16  # images


def reading(setting: Setting) -> Iterator[Row]:
    """Input: plain decoding and our batches, by turns."""
    found = bench.measure_input(setting.paths, setting.workers, setting.devices, ROUNDS)
    yield Row("plain decoding", found.decode, "images/s")
    if found.whole is not None:
        yield Row("our batches of whole images", found.whole, "images/s")
    yield Row("plain decoding, cut to 224 pixels", found.decode_and_cut, "images/s")
    yield Row("our batches of 224 pixels", found.streamed, "images/s")


def steps(setting: Setting) -> Iterator[Row]:
    """Training steps, natural and with an attack, and their share of the machine's convolutions."""
    found = bench.measure_steps(
        setting.model, setting.image_size, setting.batch_size, setting.attack, setting.devices,
        setting.seconds,
    )  # fmt: skip
    peak = measured_rate(setting.devices, setting.model.precision)
    forward = network_cost(setting.model, CLASSES, setting.shape).forward
    count = setting.attack.num_steps or 0
    yield Row("convolutions of 128 channels", peak / 1e9, "GFLOP/s")
    for name, rate, passes in (
        ("natural step", found.natural, 3),
        (f"PGD-{count} step", found.pgd, 2 * count + 3),
    ):
        yield Row(name, rate, "images/s")
        yield Row(f"{name}, of the convolutions' rate", 100 * rate * passes * forward / peak, "%")


def drawing(setting: Setting) -> Iterator[Row]:
    """Masks of global magnitude, of 10 million weights in 10 layers."""
    generator = np.random.default_rng(0)
    params = {
        f"layer{number}": {"kernel": generator.standard_normal((10, 100, 1000), np.float32)}
        for number in range(_DRAWN // 1_000_000)
    }
    yield Row("drawing by magnitude", _DRAWN / 1e6 / seconds_of(lambda: draw_omp(params, 0.9)),
              "million weights/s")  # fmt: skip


def features(setting: Setting) -> Iterator[Row]:
    """Features as linear evaluation computes them once for all its heads."""
    network, params, stats = network_of(setting)
    run = jax.jit(lambda *arguments: models.features(network, *arguments)[0].pooled)
    weights = jax.device_put((params, stats, images_of(setting, setting.batch_size)))
    seconds = by_turns({"": lambda: run(*weights)}, turns=ROUNDS)[""]
    yield Row("features for linear evaluation", setting.batch_size / seconds, "images/s")


def attacks(setting: Setting) -> Iterator[Row]:
    """An ensemble in a ball so small that no image is given up early."""
    network = Network(*network_of(setting))
    model = logits_fn(network, setting.devices[:1])
    x = images_of(setting, _ATTACKED)
    y = np.asarray(model(x)).argmax(-1)
    members = Member("apgd_ce", 10), Member("apgd_t", 10, num_targets=3)

    def run() -> None:
        worst_case(model, x, y, jax.random.key(0), eps=1e-6, members=members)

    yield Row("APGD-10 on the loss and on 3 targets", _ATTACKED / seconds_of(run), "images/s")


def checkpoints(setting: Setting) -> Iterator[Row]:
    """Checkpoints of weights and momentum, written and read back."""
    params = network_of(setting)[1]
    tree = {"params": params, "momentum": params}
    written, read = [], []
    with (
        tempfile.TemporaryDirectory() as folder,
        open_checkpoints(Path(folder) / "checkpoints", Retention()) as kept,
    ):
        for step in range(ROUNDS):
            start = time.perf_counter()
            kept.save(step, tree, {})
            kept.wait()
            written.append(time.perf_counter() - start)
            start = time.perf_counter()
            kept.restore(tree)
            read.append(time.perf_counter() - start)
    yield Row("saving a checkpoint", median(written), "s", more=False)
    yield Row("restoring a checkpoint", median(read), "s", more=False)


def compaction(setting: Setting) -> Iterator[Row]:
    """Answers of a 90% channel ticket, masked and made smaller."""
    _, params, stats = network_of(setting)
    meta = {
        "model": config_files.to_dict(setting.model), "image_shape": list(setting.shape),
        "class_names": [str(each) for each in range(CLASSES)], "mean": [0.5] * 3,
        "std": [0.2] * 3, "history": [{"stage": "pretrain"}],
    }  # fmt: skip
    dense = Ticket(masks.full(params), params, stats, meta)
    mask = draw_omp(params, 0.9, "channel_linked", linked=linked_channels(dense))
    masked = Ticket(mask, params, stats, meta)
    calls = {}
    for name, ticket in (("masked", masked), ("smaller", compact(masked).ticket)):
        model, answers, inputs = of_tickets.network_of(ticket.meta, True)
        weights = masks.apply(ticket.mask, ticket.params)
        variables = jax.device_put(of_tickets.variables_of(weights, ticket.batch_stats))
        x = jax.device_put(of_tickets.examples_of(inputs, 1))
        run = jax.jit(lambda variables, x, m=model, a=answers: a(m, variables, x))
        calls[name] = lambda run=run, variables=variables, x=x: run(variables, x)
    found = by_turns(calls)
    yield Row("an image through a 90% channel ticket", 1e3 * found["masked"], "ms", more=False)
    yield Row("an image through it, compacted", 1e3 * found["smaller"], "ms", more=False)


PARTS: Mapping[str, Callable[[Setting], Iterator[Row]]] = {
    "input": reading, "steps": steps, "draw": drawing, "together": together,
    "features": features, "heads": heads, "attacks": attacks, "checkpoints": checkpoints,
    "compact": compaction,
}  # fmt: skip
"""What can be measured, by name."""
