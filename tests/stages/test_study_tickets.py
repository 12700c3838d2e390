"""Masks of one pretraining on the weights of another, ticket by ticket of a study."""

import zlib
from types import SimpleNamespace

import chex
import jax
import pytest

from rtickets import masks, models, stages
from rtickets.config import (
    DataConfig,
    DrawConfig,
    ImpConfig,
    ModelConfig,
    ObjectiveConfig,
    PretrainConfig,
    StudyConfig,
    TrainConfig,
    WayConfig,
)
from rtickets.draw import Ticket
from rtickets.errors import InputError
from rtickets.platform import parallel
from rtickets.runs.folders import find_ticket
from rtickets.settings import config_files
from rtickets.stages.study_checks import check_study
from rtickets.stages.study_tickets import Where, drawn, pretrained
from rtickets.tickets import provenance

TRAIN = TrainConfig(
    duration="2it", batch_size=16, select="last", validate_every="0ep", checkpoint_every="0ep"
)
PRETRAIN = PretrainConfig(
    data=DataConfig(source="digits", train_examples=40),
    model=ModelConfig(arch="resnet18", width=0.0625, stem="small"),
    train=TRAIN,
)
OF_ROBUST = WayConfig(name="given", draw="omp", pretraining="robust")


def study(**fields):
    small = {
        "pretrain": PRETRAIN,
        "objectives": {"natural": ObjectiveConfig(), "robust": ObjectiveConfig(name="pgd")},
        "draws": {"omp": DrawConfig(), "of_robust": DrawConfig(method=OF_ROBUST)},
        "sparsities": (0.5, 0.8),
    }
    return StudyConfig(**{**small, **fields})


@pytest.fixture
def pretrainings(bench, monkeypatch):
    """Networks of random weights in the place of pretrained ones."""
    meta = bench.dense.meta

    def pretrain(config, workdir, name, devices):
        key = jax.random.key(zlib.crc32(name.encode()))
        params, stats = models.initialise(provenance.build_model(meta), key, (8, 8, 1))
        folder = workdir / f"pretrain-{name}"
        if not folder.exists():
            Ticket(masks.full(params), params, stats, meta).save(folder / "ticket")
        return SimpleNamespace(source=find_ticket(str(folder)))

    monkeypatch.setattr(stages, "pretrain", pretrain)


@pytest.mark.usefixtures("pretrainings")
def test_the_mask_is_that_of_the_other_pretraining_of_the_same_seed_and_sparsity(tmp_path):
    config, where = study(), Where(tmp_path, parallel.local_devices(1))
    for seed, sparsity in ((0, 0.5), (1, 0.8)):
        mixed = drawn(config, seed, "natural", "of_robust", sparsity, where)
        theirs = drawn(config, seed, "robust", "omp", sparsity, where)
        ours = pretrained(config, seed, "natural", where)
        mixed, theirs, ours = (Ticket.load(run.source.ticket) for run in (mixed, theirs, ours))
        assert masks.sparsity(mixed.mask) == pytest.approx(sparsity, abs=1e-3)
        chex.assert_trees_all_equal(mixed.mask, theirs.mask)
        chex.assert_trees_all_equal(mixed.params, masks.apply(theirs.mask, ours.params))
    again = drawn(config, 0, "natural", "of_robust", 0.5, where)
    assert again.path.name.startswith("draw-of_robust0.5-natural-s0-")
    assert len(list(tmp_path.glob("draw-of_robust*"))) == 2


def test_such_a_study_can_start():
    check_study(study(), parallel.local_devices(1))


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ({"draw": "imp", "pretraining": "robust"}, r"of_robust.*draw='imp'.*choose one of omp"),
        ({"draw": "of_robust", "pretraining": "robust"}, r"draw='of_robust'.*choose one of omp"),
        ({"draw": "omp", "pretraining": "fast"}, r"pretraining='fast'.*natural, robust"),
        ({"mask": "runs/draw-1"}, r"mask='runs/draw-1'.*method\.draw"),
        ({}, r"draw=None"),
    ],
)
def test_a_mask_that_a_study_has_not_is_refused(method, message):
    given = DrawConfig(method=WayConfig(name="given", **method))
    with pytest.raises(ValueError, match=message):
        study(draws={"omp": DrawConfig(), "of_robust": given})


def test_networks_of_other_shapes_are_refused():
    wider = config_files.replace(PRETRAIN, model__width=0.125)
    with pytest.raises(ValueError, match=r"'robust' does not fit 'wide'"):
        study(pretrainings={"wide": wider})


def test_outside_a_study_labels_mean_nothing(bench):
    with pytest.raises(InputError, match=r"method\.draw='omp'.*method\.mask"):
        bench.draw(method=OF_ROBUST, train=None)


def test_kernels_are_looked_at_in_the_network_of_every_pretraining():
    other = config_files.replace(PRETRAIN, model__arch="resnet50")
    imp = DrawConfig(method=ImpConfig(), train=TRAIN)
    config = study(draws={"imp": config_files.replace(imp, exclude="stage1_block1/conv3/.*")})
    first_only = study(
        objectives={}, pretrain=PretrainConfig(), baseline="natural",
        pretrainings={"natural": other}, draws=config.draws,
    )  # fmt: skip
    check_study(first_only, parallel.local_devices(1))
