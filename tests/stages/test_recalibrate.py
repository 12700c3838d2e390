"""Statistics that stages estimate anew: whose images, under which mask, and what is said of it."""

import chex
import jax
import numpy as np
import pytest
from PIL import Image

from rtickets import data, masks, stages
from rtickets.config import (
    DataConfig,
    DrawConfig,
    EvaluateConfig,
    ModelConfig,
    OptimizerConfig,
    TrainConfig,
    TransferConfig,
)
from rtickets.costs import Setting
from rtickets.draw import Ticket
from rtickets.errors import InputError
from rtickets.evaluation import Network
from rtickets.evaluation.recalibration import (
    RecalibrateConfig,
    TransferRecalibrateConfig,
    input_batches,
    recalibrated,
)
from rtickets.platform import parallel
from rtickets.runs.folders import find_ticket
from rtickets.settings import config_files
from rtickets.stages.registry import estimate
from rtickets.stages.settings import moves
from rtickets.tasks import task_of
from rtickets.tickets import provenance

FEW = {"batches": 2, "batch_size": 16}
FROZEN = TrainConfig(
    optimizer=OptimizerConfig(learning_rate=0.1, schedule="constant"), duration="2it",
    batch_size=8, statistics="frozen", select="last", validate_every="0ep", checkpoint_every="0ep",
)  # fmt: skip


def ticket_of(run):
    return Ticket.load(run.source.ticket)


def expected(ticket, config, **few):
    """Return what the statistics of a ticket are on images of a task, by hand."""
    task, dataset = task_of(config), data.load(config)
    transform = provenance.fitting_transform(config, ticket.meta).left_to_do(dataset)
    weights = masks.apply(ticket.mask, ticket.params)
    network = Network(provenance.build_model(ticket.meta), weights, ticket.batch_stats)
    batches = input_batches(dataset.train, task, transform, RecalibrateConfig(**{**FEW, **few}))
    return recalibrated(network, batches)


def transfer(bench, **fields):
    config = TransferConfig(data=bench.tasks["down"], mode="linear", train=FROZEN, **fields)
    return stages.transfer(config, bench.source, bench.workdir, "x", parallel.local_devices(1))


def test_a_drawn_ticket_has_the_statistics_of_its_own_network(bench):
    stale = ticket_of(bench.draw(sparsity=0.8))
    fresh = ticket_of(bench.draw(sparsity=0.8, recalibrate=RecalibrateConfig(**FEW)))
    chex.assert_trees_all_equal(fresh.params, stale.params)
    chex.assert_trees_all_equal(fresh.mask, stale.mask)
    chex.assert_trees_all_equal(stale.batch_stats, bench.dense.batch_stats)
    chex.assert_trees_all_equal(fresh.batch_stats, expected(stale, bench.tasks["up"]))
    lines = provenance.history_lines(fresh.meta)
    assert "recalibrated" in lines[-1]
    assert "recalibrated" not in provenance.history_lines(stale.meta)[-1]


@pytest.mark.parametrize("control", ["random", "reinitialised"])
def test_a_control_has_those_of_its_own_mask_and_weights(bench, control):
    fresh = ticket_of(
        bench.draw(sparsity=0.8, control=control, recalibrate=RecalibrateConfig(**FEW))
    )
    chex.assert_trees_all_equal(fresh.batch_stats, expected(fresh, bench.tasks["up"]))


@pytest.mark.parametrize(("on", "task"), [("source", "up"), ("target", "down")])
def test_a_transfer_freezes_those_of_the_source_or_of_the_target(bench, on, task):
    run = transfer(bench, recalibrate=TransferRecalibrateConfig(**FEW, on=on))
    chex.assert_trees_all_equal(
        ticket_of(run).batch_stats, expected(bench.dense, bench.tasks[task])
    )
    assert on in run.result()["moves"]
    assert "without labels" in run.result()["moves"]


def test_the_images_are_those_of_the_seed_and_no_test_images(bench):
    kinds = {"down": bench.tasks["down"]}
    first, second = (expected(bench.dense, kinds["down"], seed=seed) for seed in (0, 1))
    with pytest.raises(AssertionError):
        chex.assert_trees_all_close(first, second)
    found, dataset = [], data.load(kinds["down"])
    transform = provenance.fitting_transform(kinds["down"], bench.dense.meta)
    for batch in input_batches(
        dataset.train, task_of(kinds["down"]), transform, RecalibrateConfig(**FEW)
    ):
        pixels = np.round(np.asarray(batch) * 255).astype(np.uint8)
        found += [image.tobytes() for image in pixels]
    train = {image.tobytes() for image in dataset.train.images}
    assert len(set(found)) == 32
    assert set(found) <= train


def test_an_evaluation_measures_under_them_and_leaves_the_ticket(bench):
    before = jax.tree.map(np.copy, bench.dense.batch_stats)
    fresh = EvaluateConfig(recalibrate=RecalibrateConfig(**FEW), batch_size=16)
    devices = parallel.local_devices(1)
    found = stages.evaluate(fresh, bench.source, bench.workdir, "x", devices).result()
    drawn = bench.dense
    other = Ticket(drawn.mask, drawn.params, expected(drawn, bench.tasks["up"]), drawn.meta)
    other.save(bench.workdir / "other")
    plain = EvaluateConfig(ticket="x", batch_size=16)
    by_hand = stages.evaluate(
        plain, find_ticket(str(bench.workdir / "other")), bench.workdir, "y", devices
    ).result()
    assert found["clean"] == by_hand["clean"]
    assert any("2 batches of 16" in note for note in found["notes"])
    chex.assert_trees_all_equal(bench.dense.batch_stats, before)


def test_what_training_would_replace_is_refused():
    adapting = config_files.replace(FROZEN, statistics="batch")
    with pytest.raises(ValueError, match=r"train.statistics='frozen'"):
        TransferConfig(train=adapting, recalibrate=TransferRecalibrateConfig())
    with pytest.raises(ValueError, match="normalization='target'"):
        TransferConfig(
            train=FROZEN, normalization="target",
            recalibrate=TransferRecalibrateConfig(on="source"),
        )  # fmt: skip
    for method in ("imp", "lmp"):
        with pytest.raises(ValueError, match="recalibrate"):
            DrawConfig(method=method, train=FROZEN, recalibrate=RecalibrateConfig())


def test_too_few_images_are_refused_before_anything_runs(bench):
    many = TransferRecalibrateConfig(batches=5, batch_size=40)
    with pytest.raises(InputError, match=r"200 training examples, .*54"):
        transfer(bench, recalibrate=many)
    config = TransferConfig(data=bench.tasks["down"], train=FROZEN, recalibrate=many)
    with pytest.raises(InputError, match="200 training examples"):
        estimate(config, Setting())


def test_a_dry_run_counts_it():
    small = Setting(ModelConfig(width=0.0625))
    plain = TransferConfig(mode="linear", train=FROZEN)
    fresh = config_files.replace(plain, recalibrate=TransferRecalibrateConfig(on="source"))
    (before,), (after,) = estimate(plain, small), estimate(fresh, small)
    assert after.operations > before.operations
    draw = DrawConfig(recalibrate=RecalibrateConfig())
    (drawn,) = estimate(draw, small)
    assert drawn.operations > 0
    assert "8 batches of 128" in " ".join(drawn.about)


def test_the_three_choices_are_told_apart():
    words = {
        moves("linear", "batch"),
        moves("linear", "frozen"),
        moves("linear", "frozen", TransferRecalibrateConfig()),
        moves("linear", "frozen", TransferRecalibrateConfig(on="source")),
    }
    assert len(words) == 4


def test_streamed_images_give_the_statistics_of_those_in_memory(bench, tmp_path):
    dataset = data.load(bench.tasks["down"])
    for number, (image, label) in enumerate(
        zip(dataset.train.images, dataset.train.labels, strict=True)
    ):
        for part in ("train", "test"):
            folder = tmp_path / "photos" / part / f"down{label}"
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image[..., 0]).save(folder / f"{number:03}.png")
    found = []
    for stream in (False, True):
        config = DataConfig(
            source="folder", path=str(tmp_path / "photos"), stream=stream, image_size=8, channels=1,
            resize=0, random_resized_crop=False, crop_padding=0,
        )  # fmt: skip
        assert data.load(config).train.streamed is stream
        found.append(expected(bench.dense, config, batches=2))
    chex.assert_trees_all_close(*found, rtol=1e-5)
