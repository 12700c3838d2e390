"""Two processes train and measure what one does, and one of them writes."""

import json

import chex
import jax
import numpy as np
import pytest
from PIL import Image

from rtickets import masks, stages
from rtickets.config import (
    DataConfig,
    ObjectiveConfig,
)
from rtickets.draw import Ticket
from rtickets.platform import parallel
from rtickets.settings import config_files
from rtickets.stages.study import run_study
from rtickets.storage.files import read_metrics
from rtickets.tasks import Moco, SimClr
from tests.processes.two_processes.conftest import ATTACK, config_file, together


@pytest.fixture(scope="module")
def studies(folder, config):
    """The study by two processes, by one, and what the two printed."""
    file = config_file(folder, "study", config)
    printed = together("study", f"--config={file}", f"--workdir={folder / 'two'}")
    run_study(config, folder / "one", parallel.local_devices(4))
    return folder / "two", folder / "one", printed


def ticket_of(root, pattern):
    (run,) = root.glob(pattern)
    return Ticket.load(run / "ticket")


@pytest.mark.parametrize("stage", ["pretrain", "transfer-finetune-omp"])
def test_two_processes_train_as_one(studies, stage):
    """Adversarially in pretraining, naturally downstream."""
    two, one = (ticket_of(root, f"{stage}*") for root in studies[:2])
    assert_trained_alike(two, one)
    chex.assert_trees_all_equal(two.mask, one.mask)


def test_pruned_weights_are_zero_after_training_on_two_processes(studies):
    ticket = ticket_of(studies[0], "transfer-finetune-omp*")
    removed = jax.tree.map(lambda keep, leaf: np.where(keep, 0, leaf), ticket.mask, ticket.params)
    assert masks.sparsity(ticket.mask) == pytest.approx(0.5, abs=1e-3)
    for leaf in jax.tree.leaves(removed):
        np.testing.assert_array_equal(leaf, 0)


def test_a_whole_study_measures_the_same_on_two_processes(studies):
    results = []
    for root in studies[:2]:
        (study,) = root.glob("study-*")
        results.append(json.loads((study / "result.json").read_text()))
    assert_alike(*results)


def assert_alike(two, one, where=""):
    """Compare results; an example may fall on the other side of a decision by a rounding error."""
    assert type(two) is type(one), where
    if isinstance(one, dict):
        assert two.keys() == one.keys(), where
        for name in one.keys() - {"runs", "findings"}:
            assert_alike(two[name], one[name], f"{where}.{name}")
    elif isinstance(one, list):
        assert len(two) == len(one), where
        for index, pair in enumerate(zip(two, one, strict=True)):
            assert_alike(*pair, f"{where}.{index}")
    elif isinstance(one, float):
        assert two == pytest.approx(one, abs=1e-5), where
    else:
        assert two == one, where


def test_the_primary_alone_writes_and_reports(studies):
    two, one, ((_, reported, said), (_, quiet, silent)) = studies
    files = [{str(path.relative_to(root)) for path in root.rglob("*")} for root in (two, one)]
    (study,) = two.glob("study-*")
    report = {str(path.relative_to(two)) for path in study.iterdir()}
    # Several processes train no tickets side by side, so they measure and choose nothing.
    report.add(str(study.relative_to(two) / "together.json"))
    assert files[0] - report == files[1] - report
    assert "report: " in reported
    assert "report: " not in quiet
    assert "1 of 3: " in said
    assert "1 of 3: " not in silent


def test_a_second_command_finds_everything_done(studies, folder, config):
    two = studies[0]
    before = {path: path.stat().st_mtime_ns for path in two.glob("*/*")}
    run_study(config, two, parallel.local_devices(4))
    assert {path: path.stat().st_mtime_ns for path in two.glob("*/*")} == before


def train_on_both(folder, name, pretrain, *words):
    """Return the tickets that two processes and that one with as many devices make."""
    file = config_file(folder, name, pretrain)
    together("pretrain", f"--config={file}", f"--workdir={folder / name}", *words)
    stages.pretrain(pretrain, folder / f"{name}_alone", "natural", parallel.local_devices(4))
    return ticket_of(folder / name, "pretrain-*"), ticket_of(folder / f"{name}_alone", "pretrain-*")


def assert_trained_alike(two, one):
    chex.assert_trees_all_close(two.params, one.params, atol=1e-5, rtol=0)
    chex.assert_trees_all_close(two.batch_stats, one.batch_stats, atol=1e-5, rtol=0)


def test_shard_map_on_two_processes_trains_as_pmap_on_one(folder, config):
    assert_trained_alike(*train_on_both(folder, "mapped", config.pretrain, "--parallel=shard_map"))


def test_two_processes_train_on_streamed_images_as_one(folder, config):
    generator = np.random.default_rng(0)
    for number in range(60):
        path = folder / "images" / ("dark", "light", "white")[number % 3] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = generator.integers(0, 80, (10, 9)) + 80 * (number % 3)
        Image.fromarray(pixels.astype(np.uint8)).save(path)
    data = DataConfig(
        source="folder", path=str(folder / "images"), stream=True, channels=1, image_size=8,
        random_resized_crop=True, flip=True, workers=2,
    )  # fmt: skip
    pretrain = config_files.replace(config.pretrain, data=data, train__accumulate=2)
    two, one = train_on_both(folder, "streamed", pretrain)
    assert_trained_alike(two, one)
    lines = [
        read_metrics(next((folder / name).glob("pretrain-*/metrics.jsonl")))
        for name in ("streamed", "streamed_alone")
    ]
    assert_alike(*lines)


@pytest.mark.parametrize("kind", [SimClr, Moco])
def test_two_processes_compare_views_as_one(folder, config, kind):
    """Natural, and with keys under attack."""
    more = {"queue": 40, "momentum": 0.5} if kind is Moco else {}
    task = kind(projection=8, hidden=32, neighbours=5, **more)
    pretrain = config_files.replace(config.pretrain, data__task=task, train__duration="3it")
    if kind is Moco:
        objective = ObjectiveConfig(name="pgd", attack=ATTACK)
        pretrain = config_files.replace(pretrain, train__objective=objective)
    two, one = train_on_both(folder, f"views-{task.name}", pretrain)
    assert_trained_alike(two, one)
    assert two.params["head"]["dense2"]["kernel"].shape == (32, 8)
