"""Files that are other networks than --arch, with the same names and shapes."""

import json

import numpy as np
import pytest
import safetensors.numpy

from rtickets import models
from rtickets.errors import InputError
from rtickets.importers import Options, Reference, alikes, describe, import_checkpoint, parity

WIDTH = 1 / 64


@pytest.fixture(scope="module")
def state(state_of):
    return state_of("resnet18", width=WIDTH, num_classes=1000)


@pytest.fixture(scope="module")
def deep(state_of):
    return state_of("resnet50", width=WIDTH)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnetblur18-84f4748f.pth", "resnetblur"),
        ("resnetaa18_a1h.pth", "resnetaa"),
        ("res18_swish.pt", "give --activation=silu"),
        ("resnet18_gelu.pt", "another activation"),
        ("deeplabv3_resnet18.pth", "dilate"),
        ("tf_resnet18.pt", "give --epsilon"),
    ],
)
def test_a_name_that_tells_another_network_is_refused(torch_file, state, name, message):
    with pytest.raises(InputError, match=message) as caught:
        import_checkpoint(torch_file(state, name), "resnet18")
    assert f"its name {name}" in str(caught.value)
    assert "--reference" in str(caught.value)
    assert "\n" not in str(caught.value)


def namespace(torch_like, **arguments):
    return torch_like.Call(torch_like.Global("argparse", "Namespace"), state=arguments)


@pytest.mark.parametrize(
    ("place", "words", "message"),
    [
        ("arch", "resnetblur18", "arch=resnetblur18 in its arguments .*resnetaa"),
        ("args", {"model": "resnetaa18"}, "model=resnetaa18 in its args"),
        ("args", {"arch": "resnet18", "aa_layer": "avg"}, "aa_layer=avg in its args"),
        ("args", {"arch": "resnet18", "output_stride": 8}, "output_stride=8"),
        ("hyper_parameters", {"net": {"act_layer": "silu"}}, "act_layer=silu in its hyper_param"),
        ("config", {"replace_stride_with_dilation": [False, True, True]}, "dilate"),
        ("config", {"bn_eps": 0.001}, "give --epsilon"),
    ],
)
def test_arguments_in_the_checkpoint_are_read(torch_file, torch_like, state, place, words, message):
    kept = namespace(torch_like, **words) if place == "args" else words
    with pytest.raises(InputError, match=message):
        import_checkpoint(torch_file({"state_dict": state, place: kept}), "resnet18")


@pytest.mark.parametrize(
    "words",
    [
        {"arch": "resnet18", "aa_layer": None, "output_stride": 32, "act_layer": "relu"},
        {"arch": "resnet18", "bn_eps": 1e-5, "replace_stride_with_dilation": [False] * 3},
        {"model": "timm/resnet18.a1_in1k", "dilation": 1},
    ],
)
def test_arguments_that_confirm_settle_it(torch_file, torch_like, state, words):
    file = torch_file({"state_dict": state, "args": namespace(torch_like, **words)})
    report = import_checkpoint(file, "resnet18").report
    assert report["alike"] == []
    assert report["said_by"].endswith("in its args")
    assert f"read as resnet18: the file has {report['said_by']}" in describe(report)


def test_a_config_beside_the_file_and_metadata_are_read(torch_file, tmp_path, state):
    (tmp_path / "config.json").write_text(json.dumps({"architecture": "resnetblur18"}))
    with pytest.raises(InputError, match=r"architecture=resnetblur18 .*config\.json"):
        import_checkpoint(torch_file(state), "resnet18")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    file = elsewhere / "model.safetensors"
    safetensors.numpy.save_file(dict(state), file, {"format": "pt", "model_name": "resnetaa18"})
    with pytest.raises(InputError, match=r"model_name=resnetaa18 .*metadata"):
        import_checkpoint(file, "resnet18")


def test_a_config_of_another_file_refuses_nothing_and_is_said(torch_file, tmp_path, state):
    """It belongs to a file that it names, that hubs pair with it, or that lies there alone."""
    words = {"architecture": "resnetblur18", "mean": [0.1] * 3, "std": [0.2] * 3}
    (tmp_path / "config.json").write_text(json.dumps(words))
    file = torch_file(state, "mine.pth")
    with pytest.raises(InputError, match=r"resnetblur18 .*config"):
        import_checkpoint(file, "resnet18")
    (tmp_path / "model.safetensors").touch()
    report = import_checkpoint(file, "resnet18").report
    assert report["normalization"]["from"].startswith("assumed")
    assert report["said_by"] == ""
    (line,) = [line for line in describe(report) if "config.json" in line]
    assert all(word in line for word in ("model.safetensors", "architecture=resnetblur18"))
    assert "contradicts: it tells of timm's resnetaa" in line
    for name, more in (("pytorch_model.bin", {}), ("mine.pth", {"file": "weights/mine.pth"})):
        (tmp_path / "config.json").write_text(json.dumps({**words, **more}))
        with pytest.raises(InputError, match=r"resnetblur18 .*config"):
            import_checkpoint(torch_file(state, name), "resnet18")


@pytest.mark.parametrize(
    ("said", "against"), [("resnet18", ""), ("timm/resnet50.a1_in1k", "resnet50")]
)
def test_another_architecture_in_the_config_of_another_file_is_said(
    torch_file, tmp_path, state, said, against
):
    (tmp_path / "config.json").write_text(json.dumps({"architecture": said}))
    (tmp_path / "model.safetensors").touch()
    report = import_checkpoint(torch_file(state, "mine.pth"), "resnet18").report
    assert f"architecture={said}" in report["left"][0]
    assert ("contradicts" in report["left"][0]) == bool(against)
    assert against in report["left"][0]


@pytest.mark.parametrize("contents", [b"{", b"[1]", b"\xff\xfe", b"[" * 100_000, b'{"model": 3}'])
def test_a_config_that_says_nothing_is_left_alone(torch_file, tmp_path, state, contents):
    (tmp_path / "config.json").write_bytes(contents)
    report = import_checkpoint(torch_file(state), "resnet18").report
    assert report["normalization"]["from"].startswith("assumed")


def test_what_cannot_be_told_apart_is_said_with_the_way_to_find_out(torch_file, state, deep):
    report = import_checkpoint(torch_file(state), "resnet18").report
    lines = "\n".join(describe(report))
    for words in ("resnetaa", "SiLU", "dilate", "another epsilon", "--reference=FILE.npz"):
        assert words in lines
    assert "Caffe" not in lines  # whose basic blocks stride as all others do
    report = import_checkpoint(torch_file(deep), "resnet50").report
    assert any("--variant=caffe" in kind for kind in report["alike"])


def test_a_reference_settles_what_words_contradict(torch_file, state):
    imported = import_checkpoint(torch_file(state), "resnet18", Options(image_size=32))
    meta, model = imported.ticket.meta, models.build("resnet18", 1000, width=WIDTH)
    model = model.clone(mean=tuple(meta["mean"]), std=tuple(meta["std"]))
    images = parity.fixed_images((32, 32, 3))
    logits = models.logits(model, imported.ticket.params, imported.ticket.batch_stats, images)
    options = Options(image_size=32, reference=Reference("r", images, np.asarray(logits)))
    named = torch_file(state, "resnetblur18.pth")
    assert import_checkpoint(named, "resnet18", options).report["alike"] == []
    wrong = options._replace(reference=Reference("r", images, np.asarray(logits) + 1))
    with pytest.raises(InputError, match=r"--arch, --variant, --activation, --epsilon"):
        import_checkpoint(named, "resnet18", wrong)


def test_options_import_what_words_tell(torch_file, deep):
    named = torch_file(deep, "resnet50_caffe_silu.pth")
    with pytest.raises(InputError, match=r"give --variant=caffe"):
        import_checkpoint(named, "resnet50")
    with pytest.raises(InputError, match=r"give --activation=silu"):
        import_checkpoint(named, "resnet50", Options(variant="caffe"))
    options = Options(variant="caffe", activation="silu", image_size=32)
    ticket, report = import_checkpoint(named, "resnet50", options)
    plain = import_checkpoint(torch_file(deep, "x.pt"), "resnet50", Options(image_size=32)).report
    assert ticket.meta["model"]["variant"] == "caffe"
    assert np.abs(np.subtract(report["fixed_logits"], plain["fixed_logits"])).max() > 1e-2
    assert describe(report)[0].startswith("resnet50 caffe silu of width")


def test_an_epsilon_is_exactly_that_of_the_original(torch_file, state):
    """(x - mean) / sqrt(var + e) has the same value where var grows by what e shrinks."""
    changed = {
        name: tensor + np.float32(1e-3 - 1e-5) if name.endswith("running_var") else tensor
        for name, tensor in state.items()
    }
    options = Options(epsilon=1e-3, image_size=32)
    one = import_checkpoint(torch_file(state, "tf_a.pt"), "resnet18", options)
    other = import_checkpoint(torch_file(changed, "b.pt"), "resnet18", Options(image_size=32))
    np.testing.assert_array_equal(one.report["fixed_logits"], other.report["fixed_logits"])
    small = {n: t * 0 if n.endswith("running_var") else t for n, t in state.items()}
    with pytest.raises(InputError, match=r"--epsilon: .*norm.*var"):
        import_checkpoint(torch_file(small, "c.pt"), "resnet18", Options(epsilon=1e-6))


def test_lite0_of_timm_itself_is_told_from_that_of_tensorflow(torch_file, state_of):
    state = state_of("efficientnet_lite0", layout=1, width=1 / 16)
    for name in ("efficientnet_lite0_ra-37913777.pth", "x.pt"):
        file = torch_file({"state_dict": state, "arch": "efficientnet_lite0"}, name)
        with pytest.raises(InputError, match="pads"):
            import_checkpoint(file, "efficientnet_lite0")
    file = torch_file({"state_dict": state, "arch": "tf_efficientnet_lite0"})
    assert import_checkpoint(file, "efficientnet_lite0").report["alike"] == []
    report = import_checkpoint(torch_file(state), "efficientnet_lite0").report
    assert "pads" in report["alike"][0]


@pytest.mark.parametrize(
    ("name", "shape", "feature"),
    [
        ("conv1.3.weight", (1, 1, 3, 3), "deep stem"),
        ("layer2.0.downsample.1.weight", (2, 1, 1, 1), "avg_down"),
        ("layer1.0.se.fc1.weight", (1, 1, 1, 1), "squeeze-and-excitation"),
    ],
)
def test_what_a_file_has_that_no_network_of_ours_has_is_named(
    torch_file, state, name, shape, feature
):
    changed = {**state, name: np.ones(shape, np.float32)}
    with pytest.raises(InputError, match=f"; it has .*{feature}"):
        import_checkpoint(torch_file(changed), "resnet18")
    assert alikes.features(state) == []


def test_variants_of_networks_with_pre_activation_are_told_by_names_or_listed(torch_file, state_of):
    wide = state_of("wide_resnet28_10", layout=1, width=1 / 160, num_classes=10)
    report = import_checkpoint(torch_file(wide, "a.pt"), "wide_resnet28_10").report
    assert report["layout"] == report["model"]["variant"] == "deepmind"
    assert "CIFAR-10" in report["normalization"]["from"]
    assert any("--activation=relu" in kind for kind in report["alike"])
    with pytest.raises(InputError, match="give --activation=relu"):
        import_checkpoint(torch_file(wide, "wrn_relu.pt"), "wide_resnet28_10")
    for final in (True, False):
        variant = None if final else "kuangliu"
        state = state_of("preact_resnet18", width=1 / 64, variant=variant)
        report = import_checkpoint(torch_file(state, "b.pt"), "preact_resnet18").report
        assert report["model"]["variant"] == (None if final else "wong")
        assert any("--variant=kuangliu" in kind for kind in report["alike"]) != final
    given = Options(variant="kuangliu")
    report = import_checkpoint(torch_file(state, "b.pt"), "preact_resnet18", given).report
    assert not any("--variant" in kind for kind in report["alike"])


def test_networks_that_normalise_every_image_are_told(torch_file, state_of):
    state = state_of("wide_resnet28_10", width=1 / 160)
    with pytest.raises(InputError, match="every image"):
        import_checkpoint(torch_file(state, "Ding2020MMA.pt"), "wide_resnet28_10")
