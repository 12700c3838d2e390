import chex
import numpy as np
import pytest

from rtickets import training
from rtickets.config import TrainConfig
from rtickets.data.images.augment import Transform
from rtickets.errors import InputError
from rtickets.platform import parallel
from rtickets.settings import config_files


@pytest.mark.parametrize(("name", "devices", "count"), [("pgd", 1, 4), ("free", 2, 2)])
def test_micro_batches_add_up_to_the_batch(small, objectives, shape, pruned, name, devices, count):
    fields = {"objective": objectives[name], "statistics": "frozen", "input_shape": shape}
    fields["devices"] = parallel.local_devices(devices)
    whole, losses = small.steps(small.program(**fields), 3, rate=0.02)
    parts, sums = small.steps(small.program(**fields, accumulate=count), 3, rate=0.02)
    chex.assert_trees_all_close(parts, whole, atol=1e-4)
    np.testing.assert_allclose(sums, losses, rtol=1e-5)
    np.testing.assert_array_equal(pruned(small.mask, parts.params), 0)


def test_batch_statistics_are_updated_micro_batch_by_micro_batch(small):
    """A step of two micro-batches at a rate of zero leaves what two steps of half the size do."""
    fields = {"transform": Transform()}
    together, _ = small.steps(small.program(batch_size=14, accumulate=2, **fields), 1, rate=0.0)
    halves, _ = small.steps(small.program(batch_size=7, **fields), 2, rate=0.0)
    whole, _ = small.steps(small.program(batch_size=14, **fields), 1, rate=0.0)
    chex.assert_trees_all_close(together.batch_stats, halves.batch_stats, atol=1e-6)
    stem = "stem_norm"
    assert np.abs(together.batch_stats[stem]["mean"] - whole.batch_stats[stem]["mean"]).max() > 1e-4


@pytest.mark.parametrize("name", ["natural", "free"])
def test_any_number_of_devices_makes_the_same_micro_batches(small, objectives, shape, name):
    """Batch statistics tell which examples a micro-batch holds."""
    fields = {"objective": objectives[name], "input_shape": shape, "accumulate": 2}
    one, *others = (
        small.steps(small.program(**fields, devices=parallel.local_devices(count)), 3, rate=0.02)
        for count in (1, 2, 4)
    )
    for other in others:
        chex.assert_trees_all_close(other, one, atol=2e-4)


@pytest.mark.parametrize(
    ("batch_size", "accumulate", "devices", "message"),
    [
        (8, 2, 4, None),
        (8, 4, 4, "batch_size=8 .*4 devices .*accumulate=4 .*16"),
        (6, 3, 4, "batch_size=6 .*4 devices; .*multiple of 4"),
    ],
)
def test_micro_batches_divide_over_the_devices(batch_size, accumulate, devices, message):
    config = TrainConfig(batch_size=batch_size, accumulate=accumulate)
    taken = parallel.local_devices(devices)
    if message is None:
        training.check_batch_size(config, taken)
        return
    with pytest.raises(InputError, match=message):
        training.check_batch_size(config, taken)


def test_a_batch_that_does_not_divide_is_refused():
    with pytest.raises(InputError, match=r"batch_size=10 .*accumulate=4"):
        config_files.parse(TrainConfig, {"batch_size": 10, "accumulate": 4})
