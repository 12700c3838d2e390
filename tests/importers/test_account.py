import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtickets import masks, models
from rtickets.errors import InputError
from rtickets.importers import account
from rtickets.importers.layouts import layouts_of, likely

WIDTH = 1 / 64


def layout_names(arch, index):
    model = models.build(arch, 5)
    leaves = masks.leaf_paths(account.template(model, 3))
    return set(account.source_names(leaves, layouts_of(model)[index]).values())


# Names seen in the files of the other projects.
@pytest.mark.parametrize(
    ("arch", "layout", "names"),
    [
        ("resnet18", 0, ["conv1.weight", "bn1.running_var", "layer4.1.conv2.weight", "fc.bias"]),
        ("resnet50", 0, ["layer2.0.downsample.0.weight", "layer3.5.bn3.bias", "fc.weight"]),
        ("resnet18", 1, ["layer2.0.shortcut.0.weight", "layer2.0.shortcut.1.running_mean"]),
        ("resnet50", 1, ["layer1.0.shortcut.1.bias", "linear.weight", "linear.bias"]),
        ("wide_resnet50_2", 0, ["layer1.0.conv2.weight", "layer1.0.downsample.1.weight"]),
        ("wide_resnet28_10", 0, ["block1.layer.0.convShortcut.weight", "block3.layer.3.bn2.bias"]),
        ("wide_resnet34_10", 0, ["conv1.weight", "bn1.weight", "block2.layer.4.conv1.weight"]),
        ("efficientnet_lite0", 0, ["_conv_stem.weight", "_blocks.0._depthwise_conv.weight"]),
        ("efficientnet_lite0", 0, ["_blocks.15._bn2.bias", "_conv_head.weight", "_fc.bias"]),
        ("efficientnet_lite0", 1, ["conv_stem.weight", "blocks.0.0.conv_pw.weight", "bn2.weight"]),
        ("efficientnet_lite0", 1, ["blocks.6.0.conv_pwl.weight", "blocks.1.1.bn3.running_var"]),
    ],
)
def test_names_are_those_of_the_other_projects(arch, layout, names):
    assert set(names) <= layout_names(arch, layout)


@pytest.mark.parametrize("arch", ["resnet18", "resnet50", "wide_resnet28_10", "efficientnet_lite0"])
def test_a_layout_gives_every_leaf_a_name_of_its_own(arch):
    model = models.build(arch, 5)
    leaves = masks.leaf_paths(account.template(model, 3))
    for layout in layouts_of(model):
        assert len(set(account.source_names(leaves, layout).values())) == len(leaves)


@pytest.mark.parametrize(
    ("arch", "expected"),
    [
        ("resnet18", {"resnet18"}),
        ("resnet50", {"resnet50", "resnet50_thin", "wide_resnet50_2"}),
        ("resnet101", {"resnet101"}),
        ("wide_resnet34_10", {"wide_resnet34_10", "wide_resnet34_20"}),
        ("efficientnet_lite0", {"efficientnet_lite0"}),
    ],
)
def test_names_tell_the_architecture(arch, expected):
    found = likely(layout_names(arch, -1))
    assert sorted(found) == sorted(expected)


@pytest.mark.parametrize("layout", [0, -1])
def test_an_architecture_with_several_layouts_is_named_once(layout):
    assert likely(layout_names("resnet18", layout)).count("resnet18") == 1


def fit(state, **options):
    model = models.build("resnet18", 5, width=WIDTH, stem="small", **options)
    return account.fit(model, 3, state, layouts_of(model)[0])


@pytest.fixture(scope="module")
def state(state_of):
    return state_of("resnet18", width=WIDTH, stem="small")


def test_tensors_become_leaves_in_our_axis_order(state):
    fitted = fit(state)
    kernel = fitted.params["stage2_block1"]["conv1"]["kernel"]
    theirs = state["layer2.0.conv1.weight"]
    assert kernel[1, 2, 0, 1] == theirs[1, 0, 1, 2]
    np.testing.assert_array_equal(fitted.params["head"]["kernel"], state["fc.weight"].T)
    np.testing.assert_array_equal(fitted.params["stem_norm"]["scale"], state["bn1.weight"])
    stats = fitted.batch_stats["stage4_block2"]["norm2"]
    np.testing.assert_array_equal(stats["var"], state["layer4.1.bn2.running_var"])
    leaves = jax.tree.leaves((fitted.params, fitted.batch_stats))
    assert {leaf.dtype.name for leaf in leaves} == {"float32"}


def test_every_tensor_and_every_leaf_is_used_once_or_listed(state):
    fitted = fit(state)
    leaves = masks.leaf_paths({"params": fitted.params, "batch_stats": fitted.batch_stats})
    assert sorted(fitted.used.values()) == sorted(leaves)
    assert sorted([*fitted.used, *fitted.unused]) == sorted(state)
    assert all(name.endswith("num_batches_tracked") for name in fitted.unused)


@given(st.data())
@settings(max_examples=15, deadline=None)
def test_a_tensor_missing_renamed_reshaped_or_broken_is_named(state, data):
    kept = [name for name in state if not name.endswith("tracked")]
    name = data.draw(st.sampled_from(kept))
    damage = data.draw(st.sampled_from(["missing", "renamed", "reshaped", "nan"]))
    broken = dict(state)
    tensor = broken.pop(name)
    if damage == "renamed":
        broken[f"{name}2"] = tensor
    elif damage == "reshaped":
        broken[name] = np.concatenate([tensor, tensor])
    elif damage == "nan":
        broken[name] = np.full_like(tensor, np.nan)
    with pytest.raises(InputError) as caught:
        fit(broken)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_negative_variances_are_refused(state):
    with pytest.raises(InputError, match=r"bn1.running_var .*negative"):
        fit({**state, "bn1.running_var": -np.ones(1, np.float32)})


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int64, bool, np.complex64])
def test_weights_that_are_no_floats_are_refused(state, dtype):
    with pytest.raises(InputError, match=rf"fc.weight.*{np.dtype(dtype)}"):
        fit({**state, "fc.weight": np.ones_like(state["fc.weight"], dtype)})


def test_what_no_forward_pass_reads_is_listed():
    model = models.build("wide_resnet28_10", 5, width=1 / 160)
    leaves = masks.leaf_paths(account.template(model, 3))
    layout, _ = layouts_of(model)
    names = account.source_names(leaves, layout)
    state = {
        name: np.ones(account._theirs(leaves[leaf]), np.float32) for leaf, name in names.items()
    }
    extra = {"sub_block1.layer.0.conv1.weight": np.ones(1, np.float32)}
    assert account.fit(model, 3, {**state, **extra}, layout).unused == list(extra)
    with pytest.raises(InputError, match=r"no place .*\(sub_block2"):
        account.fit(model, 3, {**state, "sub_block2.x.weight": state["fc.bias"]}, layout)
