"""Networks of contrastive pretraining, in the layouts in which they are published."""

import chex
import jax
import numpy as np
import pytest

from rtickets.errors import InputError
from rtickets.importers import Options, account, describe, import_checkpoint
from rtickets.importers.contrastive import beside
from rtickets.importers.layouts import layouts_of
from rtickets.importers.parity import Reference
from rtickets.importers.wrappers import Choice, unwrap
from rtickets.models import build

SMALL = {"width": 1 / 16, "stem": "imagenet"}
RAW = Options(statistics=((0.0,), (1.0,)), image_size=32)


@pytest.fixture(scope="module")
def query(state_of):
    return backbone(state_of("resnet18", seed=1, **SMALL))


@pytest.fixture(scope="module")
def key(state_of):
    return backbone(state_of("resnet18", seed=2, **SMALL))


def backbone(state):
    return {name: tensor for name, tensor in state.items() if not name.startswith("fc.")}


def under(prefix, state):
    return {prefix + name: tensor for name, tensor in state.items()}


def of_shape(*shape):
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape) / 10


V1 = {"fc.weight": of_shape(8, 32), "fc.bias": of_shape(8)}
V2 = {"fc.0.weight": of_shape(32, 32), "fc.0.bias": of_shape(32),
      "fc.2.weight": of_shape(8, 32), "fc.2.bias": of_shape(8)}  # fmt: skip
QUEUE = {"queue": of_shape(8, 64), "queue_ptr": np.zeros(1, np.int64)}


def moco(head, query, key=None, prefix="module."):
    both = under(f"{prefix}encoder_q.", {**query, **head})
    if key is not None:
        both |= under(f"{prefix}encoder_k.", {**key, **head})
    return {"epoch": 200, "arch": "resnet18", "state_dict": {**both, **under(prefix, QUEUE)}}


def imported(path, **options):
    return import_checkpoint(path, "resnet18", Options(image_size=32, **options))


def same_weights(found, state):
    expected = account.fit(
        build("resnet18", 32, **SMALL), 3,
        {**state, "fc.weight": np.eye(32, dtype=np.float32), "fc.bias": np.zeros(32, np.float32)},
        layouts_of(build("resnet18", 32))[0],
    )  # fmt: skip
    params = {name: each for name, each in expected.params.items() if name != "head"}
    chex.assert_trees_all_equal(found.ticket.params, params)
    chex.assert_trees_all_equal(found.ticket.batch_stats, expected.batch_stats)


@pytest.mark.parametrize("head", [V1, V2], ids=["v1", "v2"])
@pytest.mark.parametrize("prefix", ["module.", ""])
@pytest.mark.parametrize("encoder", ["query", "key"])
def test_the_encoder_of_moco_is_the_one_that_is_asked_for(
    torch_file, query, key, head, prefix, encoder
):
    path = torch_file(moco(head, query, key, prefix))
    found = imported(path, weights="ema" if encoder == "key" else None)
    same_weights(found, query if encoder == "query" else key)
    assert found.report["classes"] is None  # a projection is no classifier
    left = found.report["tensors"]["left"]
    kinds = {name.removeprefix(prefix).split(".")[0]: reason for name, reason in left.items()}
    assert kinds["queue"] == kinds["queue_ptr"] == "queue of features"
    chosen, other = ("encoder_q", "encoder_k") if encoder == "query" else ("encoder_k", "encoder_q")
    assert kinds[other] == f"not under {prefix}{chosen}."
    said = "\n".join(describe(found.report))
    assert f"{prefix}{chosen}" in said
    option = "--weights=ema" if encoder == "query" else "--weights=raw"
    assert f"not taken: {prefix}{other}" in said and option in said  # noqa: PT018


@pytest.mark.parametrize("head", [V1, V2, {}], ids=["v1", "v2", "no head"])
def test_a_file_with_the_query_encoder_alone(torch_file, query, head):
    found = imported(torch_file(moco(head, query)))
    same_weights(found, query)
    reasons = set(found.report["tensors"]["left"].values())
    assert ("projection head of the pretraining" in reasons) == bool(head)


@pytest.mark.parametrize("weights", ["raw", "ema"])
def test_the_encoders_of_the_third_moco(torch_file, query, key, weights):
    head = {"fc.0.weight": of_shape(32, 32), "fc.1.running_mean": of_shape(32)}
    state = {
        **under("module.base_encoder.", {**query, **head}),
        **under("module.momentum_encoder.", {**key, **head}),
        "module.predictor.0.weight": of_shape(8, 32),
    }
    found = imported(torch_file({"state_dict": state}), weights=weights)
    same_weights(found, query if weights == "raw" else key)
    assert found.report["classes"] is None


def test_a_key_encoder_that_is_not_there_is_not_replaced(torch_file, query):
    with pytest.raises(InputError, match="--weights=ema"):
        imported(torch_file(moco(V2, query)), weights="ema")


@pytest.mark.parametrize("encoder", ["query", "key"])
def test_vissl_names(torch_file, query, key, encoder):
    trunk = under("_feature_blocks.", query)
    loss = {
        **under("moco_encoder.trunk._feature_blocks.", key),
        **under("moco_encoder.heads.0.", {"clf.0.weight": of_shape(32, 32)}),
        **QUEUE, "initialized": np.ones(1, np.int64),
    }  # fmt: skip
    heads = {"0.clf.0.weight": of_shape(32, 32), "0.clf.0.bias": of_shape(32)}
    model = {"trunk": trunk, "heads": heads}
    file = {"classy_state_dict": {"base_model": {"model": model}, "loss": loss}}
    found = imported(torch_file(file), weights="ema" if encoder == "key" else "raw")
    same_weights(found, query if encoder == "query" else key)
    assert found.report["classes"] is None
    if encoder == "query":
        assert found.report["source"]["other_weights"] == {"classy_state_dict.loss": "averaged"}


@pytest.mark.parametrize(
    ("prefix", "others"),
    [
        ("encoder.", {"projector.0.weight": of_shape(8, 32), "projector.2.bias": of_shape(8)}),
        ("backbone.", {"projection_head.layers.0.weight": of_shape(8, 32)}),
        ("convnet.", {"projection.model.0.weight": of_shape(8, 32)}),
        ("module.encoder.", under("module.", {"predictor.0.weight": of_shape(8, 32), **QUEUE})),
        ("_feature_blocks.", {}),
        ("", {}),
    ],
)  # fmt: skip
def test_backbones_beside_heads_of_the_pretraining(torch_file, query, prefix, others):
    found = imported(torch_file({**under(prefix, query), **others}))
    same_weights(found, query)
    assert set(found.report["tensors"]["left"]) == set(others)


def test_what_is_beside_a_network_is_told_by_whole_parts_of_names():
    names = ["headless.weight", "net.1.blocks.0.projection.shortcut.weight", "a.queue", "a.b"]
    assert beside([*names, "c.d", "e.f"]) == {}
    # A network whose every name begins so is one all the same.
    assert beside(["projector.0.weight", "projector.1.weight"]) == {}


@pytest.fixture(scope="module")
def second(state_of):
    """SimCLR v2's ResNet-50, its classifier of 5 classes beside the trunk."""
    return state_of("resnet50", layout=2, seed=3, **SMALL)


def test_simclr_v2_has_the_published_names(second):
    assert {
        "net.0.0.weight", "net.0.1.0.running_var", "net.1.blocks.0.projection.shortcut.weight",
        "net.1.blocks.0.projection.bn.0.weight", "net.1.blocks.2.net.0.weight",
        "net.4.blocks.2.net.4.weight", "net.4.blocks.2.net.5.0.bias", "net.2.blocks.3.net.3.0.bias",
        "fc.weight", "fc.bias",
    } <= set(second)  # fmt: skip
    parts = {name.rsplit(".", 1)[0] for name in second}
    assert "net.1.blocks.1.projection.shortcut" not in parts


@pytest.mark.parametrize("width", [1 / 16, 1 / 8])
def test_simclr_v2_is_imported_at_any_width(torch_file, state_of, width):
    state = state_of("resnet50", layout=2, seed=3, width=width, stem="imagenet")
    head = {"layers.0.weight": of_shape(64, 64), "layers.1.running_mean": of_shape(64)}
    found = import_checkpoint(
        torch_file({"resnet": state, "head": head}), "resnet50", Options(image_size=32)
    )
    assert found.report["layout"] == "simclr-v2"
    assert found.report["model"]["width"] == width
    assert found.report["classes"] == 5
    assert found.report["normalization"]["mean"] == [0.0] * 3
    kernel = found.ticket.params["stage2_block1"]["conv2"]["kernel"]
    expected = state["net.2.blocks.0.net.2.weight"].transpose(2, 3, 1, 0)
    np.testing.assert_array_equal(kernel, expected)


def test_the_trunk_of_simclr_v2_alone_is_a_backbone(torch_file, second):
    trunk = {name: tensor for name, tensor in second.items() if name.startswith("net.")}
    for state in (trunk, under("module.", trunk)):
        found = import_checkpoint(torch_file(state), "resnet50", Options(image_size=32))
        assert (found.report["layout"], found.report["classes"]) == ("simclr-v2", None)
    assert unwrap(under("module.", trunk), Choice()).prefix == "module."


def test_selective_kernels_are_named(torch_file, second):
    state = {**second, "net.1.blocks.0.net.2.mixing_conv.0.weight": of_shape(4, 4, 1, 1)}
    with pytest.raises(InputError, match="selective kernels"):
        import_checkpoint(torch_file(state), "resnet50", Options(image_size=32))


@pytest.mark.parametrize("name", ["simclr_r18.pth", "resnet50-1x.pth", "resnet50-4x.pth.tar"])
def test_converted_networks_of_simclr_do_not_get_statistics_by_guess(torch_file, query, name):
    path = torch_file({"state_dict": query}, name=name)
    with pytest.raises(InputError, match=r"SimCLR.*--mean=0 --std=1.*--mean and --std"):
        imported(path)
    found = import_checkpoint(path, "resnet18", RAW)
    assert found.report["normalization"]["std"] == [1.0] * 3


def test_features_of_a_backbone_are_compared_with_the_original(torch_file, query):
    """The outputs of our own network stand in for the original's, then something else does."""
    path = torch_file(moco(V2, query))
    plain = imported(path)
    images = np.linspace(0, 1, 2 * 32 * 32 * 3, dtype=np.float32).reshape(2, 32, 32, 3)
    model = build("resnet18", 32, mean=tuple(plain.ticket.meta["mean"]),
                  std=tuple(plain.ticket.meta["std"]), **SMALL)  # fmt: skip
    head = {"kernel": np.eye(32, dtype=np.float32), "bias": np.zeros(32, np.float32)}
    variables = {"params": {**plain.ticket.params, "head": head},
                 "batch_stats": plain.ticket.batch_stats}  # fmt: skip
    features = np.asarray(jax.jit(lambda x: model.apply(variables, x))(images))
    found = imported(path, reference=Reference("theirs", images, features))
    assert found.report["parity"]["max_difference"] < 1e-4
    with pytest.raises(InputError, match="differ"):
        imported(path, reference=Reference("theirs", images, features + 1))
