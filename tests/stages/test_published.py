"""Settings of papers, against what their repositories say."""

import numpy as np
import pytest

from rtickets.config import ModelConfig, TransferConfig
from rtickets.costs import Setting
from rtickets.data import SOURCES
from rtickets.draw import Ticket
from rtickets.draw.ladder import imp_ladder
from rtickets.errors import InputError
from rtickets.platform import parallel
from rtickets.stages import published, transfer
from rtickets.stages.registry import estimate
from tests.stages.conftest import TRAIN

SMALL = Setting(ModelConfig(width=0.0625))


@pytest.mark.parametrize("mode", ["finetune", "linear"])
@pytest.mark.parametrize("source", published.FU_SOURCES)
def test_transfer_is_the_published_one(source, mode):
    config = published.fu2023(source, mode)
    assert source in SOURCES
    train, optimizer = config.train, config.train.optimizer
    assert (train.duration, optimizer.milestones) == ("150ep", ("50ep", "100ep"))
    assert (optimizer.name, optimizer.momentum, optimizer.weight_decay) == ("sgd", 0.9, 5e-4)
    assert optimizer.decay_factor == 0.1
    assert train.objective.name == "natural"
    assert train.statistics == "batch"
    special = (source, mode) == ("svhn_cropped", "finetune")
    rate = 4e-3 if special else {"finetune": 1e-3, "linear": 1e-2}[mode]
    assert (optimizer.learning_rate, train.batch_size) == (rate, 256 if special else 64)


def test_pixels_are_normalised_as_published():
    assert published.fu2023("cifar10").pixel_std == (0.2023, 0.1994, 0.2010)
    assert published.fu2023("cifar100").pixel_mean == (0.5071, 0.4867, 0.4408)
    assert published.fu2023("svhn_cropped").pixel_mean == (0.5, 0.5, 0.5)
    for source in ("dtd", "caltech101"):
        config = published.salman2020(source)
        assert (config.pixel_mean, config.pixel_std) == ((0, 0, 0), (1, 1, 1))


@pytest.mark.parametrize("source", ["cifar10", "food101"])
def test_weights_are_chosen_on_validation_images_always(source):
    config = published.salman2020(source, "linear", "resnet50")
    assert config.train.select == "best"
    assert config.data.validation_fraction > 0
    assert config.train.optimizer.learning_rate == 1e-2


def test_what_is_not_published_is_refused():
    for wrong in (lambda: published.fu2023("mnist5k"), lambda: published.salman2020("svhn_cropped"),
                  lambda: published.fu2023("cifar10", "both"),
                  lambda: published.fu2023_draw("best"),
                  lambda: published.fu2023_draw("imp", "cifar10")):  # fmt: skip
        with pytest.raises(InputError):
            wrong()


def test_draws_are_the_published_ones():
    assert len(published.FU_SPARSITIES) == 18
    assert published.FU_SPARSITIES[8:10] == (0.9, 0.91)
    imp, aimp = published.fu2023_draw("imp"), published.fu2023_draw("aimp")
    assert imp.sparsity == imp_ladder(19)[-1]
    optimizer = imp.train.optimizer
    assert (optimizer.learning_rate, optimizer.weight_decay) == (2e-4, 1e-4)
    assert (optimizer.schedule, imp.train.duration) == ("constant", "10ep")
    assert aimp.train.objective.attack.name == "fgsm_rs"
    assert aimp.train.objective.attack.eps == pytest.approx(2 / 255)
    lmp, upstream = published.fu2023_draw("lmp"), published.fu2023_draw("lmp_upstream")
    assert (lmp.data.source, upstream.data) == ("cifar10", None)
    assert upstream.train.optimizer.momentum == 0.875
    assert upstream.train.objective.label_smoothing == 0.1
    assert published.fu2023_draw("omp_row").pattern == "row"


@pytest.mark.parametrize("way", ["omp_channel", "imp", "aimp", "lmp", "lmp_upstream"])
def test_a_dry_run_of_every_way_of_drawing(way):
    assert estimate(published.fu2023_draw(way), SMALL)


@pytest.mark.parametrize("source", ["svhn_cropped", "dtd"])
def test_a_dry_run_of_transfers(source):
    (found,) = estimate(published.fu2023(source, "linear"), SMALL)
    assert found.operations > 0


def test_given_pixel_statistics_are_those_of_the_network(bench):
    pixels = {"pixel_mean": (0.25,), "pixel_std": (0.5,)}
    config = TransferConfig(data=bench.tasks["down"], train=TRAIN, **pixels)
    devices = parallel.local_devices(1)
    run = transfer(config, bench.source, bench.workdir, "x", devices)
    meta = Ticket.load(run.source.ticket).meta
    np.testing.assert_array_equal((meta["mean"], meta["std"]), ((0.25,), (0.5,)))


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"pixel_mean": (0.5,)}, "pixel_std"),
        ({"pixel_mean": (0.5, 0.5), "pixel_std": (1.0, 1.0)}, "1 or 3"),
        ({"pixel_mean": (0.5,), "pixel_std": (1.0,), "normalization": "target"}, "normalization"),
    ],
)
def test_pixel_statistics_that_do_not_go_together_are_refused(fields, named):
    with pytest.raises(ValueError, match=named):
        TransferConfig(**fields)
