import numpy as np
import pytest

from rtickets.errors import InputError
from rtickets.importers.wrappers import Choice, unwrap

NETWORK = {
    "conv1.weight": np.arange(4.0, dtype=np.float32),
    "fc.bias": np.ones(2, np.float32),
}
MEAN = np.array([0.4, 0.5, 0.6], np.float32).reshape(3, 1, 1)
STD = np.array([0.2, 0.25, 0.3], np.float32).reshape(3, 1, 1)


def under(prefix, tensors):
    return {prefix + name: tensor for name, tensor in tensors.items()}


@pytest.mark.parametrize(
    "prefix",
    [
        "",
        "module.",
        "model.",
        "module.model.",
        "_orig_mod.module.",
        "1.module.",
        "1.",
        "_forward_module.",
        "student.",
        "encoder.",
        "backbone.",
        "base_encoder.net.",
    ],
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
    with pytest.raises(InputError, match=r"attacker.model.fc.bias .*module.model"):
        unwrap(tensors)


def test_an_extra_tensor_of_the_attacker_is_refused():
    tensors = {**madry(), "module.attacker.model.extra": np.zeros(2, np.float32)}
    with pytest.raises(InputError, match="extra"):
        unwrap(tensors)


def test_statistics_that_differ_are_refused():
    tensors = {**madry(), "module.attacker.normalize.new_mean": MEAN + 0.1}
    with pytest.raises(InputError, match="two pixel statistics"):
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
        ("normalize_layer.mean", "normalize_layer.std", "model."),
        ("module.input_norm.means", "module.input_norm.stds", "module.model."),
        ("data_preprocessor.mean", "data_preprocessor.std", "backbone."),
        ("pixel_mean", "pixel_std", "backbone."),
        ("_mean", "_std", ""),
    ],
)
def test_pixel_statistics_are_found_under_their_usual_names(mean, std, wrapper):
    bare = unwrap({mean: MEAN[None], std: STD[None], **under(wrapper, NETWORK)})
    assert bare.tensors == NETWORK
    assert bare.normaliser == [mean, std]
    assert bare.mean == pytest.approx((0.4, 0.5, 0.6))
    assert bare.std == pytest.approx((0.2, 0.25, 0.3))


def test_running_statistics_are_not_pixel_statistics():
    tensors = {"bn1.running_mean": MEAN, "bn1.running_var": STD, "bn2.running_mean": MEAN}
    assert set(unwrap(tensors).tensors) == set(tensors)


def test_pairs_of_few_values_are_pixel_statistics_and_others_are_not():
    alone = {"layer.mean": MEAN, **NETWORK}
    assert "layer.mean" in unwrap(alone).tensors
    large = {"layer.mean": np.ones(5, np.float32), "layer.std": np.ones(5, np.float32), **NETWORK}
    assert {"layer.mean", "layer.std"} < set(unwrap(large).tensors)


CRITERION = {"criterion.weight": np.ones(7, np.float32)}


def test_a_prefix_leaves_the_rest_out_and_lists_it():
    tensors = {**under("module.encoder.", NETWORK), **under("module.", CRITERION)}
    for prefix in ("encoder", "encoder.", "module.encoder."):
        bare = unwrap(tensors, Choice(prefix=prefix))
        assert bare.tensors == NETWORK
        assert bare.prefix == "module.encoder."
        assert bare.left == {"module.criterion.weight": "not under module.encoder."}
    with pytest.raises(InputError, match=r"--prefix=decoder: .*module"):
        unwrap(tensors, Choice(prefix="decoder"))


def test_statistics_beside_a_prefix_are_still_found():
    tensors = {"norm.mean": MEAN, "norm.std": STD, **under("a.", NETWORK), **under("b.", CRITERION)}
    bare = unwrap(tensors, Choice(prefix="a"))
    assert bare.mean == pytest.approx((0.4, 0.5, 0.6))
    assert set(bare.left) == {"b.criterion.weight"}


def test_what_is_ignored_is_listed_and_must_be_there():
    tensors = {**under("model.", NETWORK), **CRITERION}
    bare = unwrap(tensors, Choice(ignore="criterion.*"))
    assert (bare.tensors, bare.prefix) == (NETWORK, "model.")
    assert bare.left == {"criterion.weight": "--ignore"}
    with pytest.raises(InputError, match=r"--ignore=loss: .*model"):
        unwrap(tensors, Choice(ignore="loss"))
    with pytest.raises(InputError, match=r"--ignore=\(: .*regular expression"):
        unwrap(tensors, Choice(ignore="("))


def test_an_averaged_model_is_told_by_its_counter():
    tensors = {"n_averaged": np.array(5), **under("module.", NETWORK)}
    bare = unwrap(tensors)
    assert (bare.tensors, bare.prefix, bare.averaged) == (NETWORK, "module.", True)
    assert bare.left == {"n_averaged": "counter of averaged weights"}
    assert not unwrap(under("module.", NETWORK)).averaged


@pytest.mark.parametrize(
    ("raw", "averaged"),
    [
        ("student.", "teacher."),
        ("online_model.", "ema_model."),
        ("model.", "model_ema."),
        ("module.online.", "module.target."),
    ],
)
def test_raw_and_averaged_weights_of_one_state_dict_are_chosen_between(raw, averaged):
    other = {name: tensor + 1 for name, tensor in NETWORK.items()}
    step = "module.step" if raw.startswith("module.") else "step"
    tensors = {**under(averaged, other), **under(raw, NETWORK), step: np.array(3)}
    for weights, own, left in ((None, raw, averaged), ("raw", raw, averaged)):
        bare = unwrap(tensors, Choice(weights=weights))
        assert (bare.tensors, bare.prefix, bare.averaged) == (NETWORK, own, False)
        assert bare.others == {left: True}
    bare = unwrap(tensors, Choice(weights="ema"))
    assert (bare.tensors, bare.prefix, bare.averaged) == (other, averaged, True)
    assert bare.others == {raw: False}
    assert set(bare.left) == {*under(raw, NETWORK), step}
