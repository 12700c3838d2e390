import numpy as np
import pytest

from rtickets.errors import InputError
from rtickets.importers.wrappers import unwrap

NETWORK = {
    "conv1.weight": np.arange(4.0, dtype=np.float32),
    "fc.bias": np.ones(2, np.float32),
}
MEAN = np.array([0.4, 0.5, 0.6], np.float32).reshape(3, 1, 1)
STD = np.array([0.2, 0.25, 0.3], np.float32).reshape(3, 1, 1)


def under(prefix, tensors):
    return {prefix + name: tensor for name, tensor in tensors.items()}


@pytest.mark.parametrize(
    "prefix", ["", "module.", "model.", "module.model.", "_orig_mod.module.", "1.module.", "1."]
)
def test_prefixes_that_all_names_share_are_stripped(prefix):
    bare = unwrap(under(prefix, NETWORK))
    assert bare.prefix == prefix
    assert bare.tensors == NETWORK
    assert bare.source == {name: prefix + name for name in NETWORK}
    assert (bare.mean, bare.std, bare.normaliser, bare.duplicates) == (None, None, [], {})


def test_prefixes_of_some_names_stay():
    mixed = {"model.conv1.weight": NETWORK["conv1.weight"], "fc.bias": NETWORK["fc.bias"]}
    assert set(unwrap(mixed).tensors) == set(mixed)


def madry(prefix="module."):
    """The names that MadryLab's AttackerModel gives, seen in robust-models-transfer."""
    statistics = {"new_mean": MEAN, "new_std": STD}
    return {
        **under(f"{prefix}normalizer.", statistics),
        **under(f"{prefix}model.", NETWORK),
        **under(f"{prefix}attacker.normalize.", statistics),
        **under(f"{prefix}attacker.model.", NETWORK),
    }


@pytest.mark.parametrize("prefix", ["module.", ""])
def test_a_network_stored_twice_is_taken_once_and_every_tensor_is_accounted_for(prefix):
    bare = unwrap(madry(prefix))
    assert bare.tensors == NETWORK
    assert bare.prefix == f"{prefix}model."
    assert bare.mean == pytest.approx((0.4, 0.5, 0.6))
    assert bare.std == pytest.approx((0.2, 0.25, 0.3))
    assert bare.duplicates == {
        f"{prefix}attacker.model.{name}": f"{prefix}model.{name}" for name in NETWORK
    }
    listed = [*bare.source.values(), *bare.normaliser, *bare.duplicates]
    assert sorted(listed) == sorted(madry(prefix))


def test_copies_that_differ_are_refused():
    tensors = madry()
    tensors["module.attacker.model.fc.bias"] = np.zeros(2, np.float32)
    with pytest.raises(InputError, match=r"attacker.model.fc.bias is not the same as module.model"):
        unwrap(tensors)


def test_an_extra_tensor_of_the_attacker_is_refused():
    tensors = {**madry(), "module.attacker.model.extra": np.zeros(2, np.float32)}
    with pytest.raises(InputError, match="extra is not the same"):
        unwrap(tensors)


def test_statistics_that_differ_are_refused():
    tensors = {**madry(), "module.attacker.normalize.new_mean": MEAN + 0.1}
    with pytest.raises(InputError, match="states two pixel statistics"):
        unwrap(tensors)


@pytest.mark.parametrize(
    ("mean", "std", "wrapper"),
    [
        ("mu", "sigma", ""),  # RobustBench
        ("mean", "std", "model."),
        ("normalize.mean", "normalize.std", ""),
        ("0.means", "0.sds", "1.module."),  # Cohen et al., where a fork registers them
        ("normalizer.new_mean", "normalizer.new_std", "model."),
        ("module.normalize.mean", "module.normalize.std", "module."),
    ],
)
def test_pixel_statistics_are_found_under_their_usual_names(mean, std, wrapper):
    bare = unwrap({mean: MEAN[None], std: STD[None], **under(wrapper, NETWORK)})
    assert bare.tensors == NETWORK
    assert bare.normaliser == [mean, std]
    assert bare.mean == pytest.approx((0.4, 0.5, 0.6))
    assert bare.std == pytest.approx((0.2, 0.25, 0.3))


def test_running_statistics_are_not_pixel_statistics():
    tensors = {"bn1.running_mean": MEAN, "bn1.running_var": STD}
    assert set(unwrap(tensors).tensors) == set(tensors)
