"""Exports answer as the ticket, run without this package by the snippets of the documentation."""

import contextlib
import dataclasses
import json
import re
from pathlib import Path

import jax
import numpy as np
import pytest

from rtickets import cli, compact, masks, models
from rtickets.errors import InputError
from rtickets.exporters import FORMATS, export, torch_names
from rtickets.exporters.export import real_images
from rtickets.tickets import provenance
from tests.tickets.compaction.test_compact import logits, random_ticket

DOCS = Path(__file__).parents[2] / "docs" / "export.md"
SHAPE = (32, 32, 3)


@pytest.fixture(scope="module")
def ticket():
    return random_ticket("resnet18", 1 / 32, SHAPE, 0.5, stem="small")


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(3).random((5, *SHAPE)).astype(np.float32)


def snippet(heading):
    text = DOCS.read_text().split(f"## {heading}")[1]
    return re.search(r"```python\n(.*?)```", text, re.DOTALL)[1]


def run(heading, images, monkeypatch, folder):
    monkeypatch.chdir(folder)
    names = {"images": images}
    exec(compile(snippet(heading), str(DOCS), "exec"), names)
    return np.asarray(names["logits"])


def close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-5 * abs(expected).max())


def test_stablehlo_is_run_by_jax_alone(ticket, images, tmp_path, monkeypatch, capsys):
    pytest.importorskip("flatbuffers")
    ticket.save(tmp_path / "ticket")
    words = ["export", str(tmp_path / "ticket"), "--format=stablehlo"]
    assert cli.main([*words, f"--out={tmp_path / 'exported'}"]) == 0
    assert "differ by at most" in capsys.readouterr().out
    said = json.loads((tmp_path / "exported" / "export.json").read_text())
    assert said["max_difference"] <= 1e-5 * said["largest_answer"]
    assert said["image_shape"] == list(SHAPE)
    close(run("StableHLO", images, monkeypatch, tmp_path), logits(ticket, images))
    assert cli.main([*words, f"--out={tmp_path / 'exported'}"]) == 2
    assert "exists" in capsys.readouterr().err


def dead_layers(ticket):
    """Return a ticket with the first block of its last stage, and what follows it, removed."""
    mask = jax.tree.map(np.copy, ticket.mask)
    for name in ("stage4_block1", "stage4_block2"):
        for layer, leaves in mask[name].items():
            if "kernel" in leaves and layer != "shortcut_conv":
                leaves["kernel"] = np.zeros_like(leaves["kernel"])
    return dataclasses.replace(ticket, mask=mask)


@pytest.mark.parametrize("everything", [False, True])
def test_dead_layers_are_exported_as_what_they_answer(
    ticket, images, tmp_path, monkeypatch, capsys, everything
):
    pytest.importorskip("flatbuffers")
    ticket = dead_layers(ticket)
    if everything:
        kernel = ticket.mask["stage4_block1"]["shortcut_conv"]["kernel"]
        ticket.mask["stage4_block1"]["shortcut_conv"]["kernel"] = np.zeros_like(kernel)
    ticket.save(tmp_path / "ticket")
    out = tmp_path / "exported"
    words = ["export", str(tmp_path / "ticket"), "--format=stablehlo", f"--out={out}"]
    assert cli.main(words) == 0
    captured = capsys.readouterr()
    assert ("answers alike" in captured.out + captured.err) == everything
    said = json.loads((out / "export.json").read_text())
    assert said["constant"] == everything
    params = masks.apply(ticket.mask, ticket.params)
    model = provenance.build_model(ticket.meta)
    expected = np.asarray(models.logits(model, params, ticket.batch_stats, images))
    for _ in range(4):
        close(run("StableHLO", images, monkeypatch, tmp_path), expected)
        jax.clear_caches()


def test_onnx_is_run_by_onnxruntime(ticket, images, tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime")
    export(ticket, tmp_path / "exported", "onnx")
    close(run("ONNX", images, monkeypatch, tmp_path), logits(ticket, images))


def test_onnx_is_what_its_reference_says(ticket, tmp_path):
    pytest.importorskip("onnx")
    said = export(ticket, tmp_path / "exported", "onnx")
    assert said["max_difference"] <= 1e-5 * said["largest_answer"]
    assert said["images"] == 8


def test_branches_of_several_resolutions_are_exported_for_any_number_of_images(
    images, tmp_path, monkeypatch
):
    pytest.importorskip("flatbuffers")
    ticket = random_ticket("supernet_tiny", 1, SHAPE, 0.3)
    export(ticket, tmp_path / "exported", "stablehlo")
    close(run("StableHLO", images, monkeypatch, tmp_path), logits(ticket, images))


@pytest.mark.parametrize("smaller", [False, True])
def test_torchvision_runs_the_state_dict(ticket, images, tmp_path, monkeypatch, smaller):
    pytest.importorskip("torchvision")
    pytest.importorskip("torch")
    if smaller:
        ticket = compact(ticket).ticket
    said = export(ticket, tmp_path / "exported", "torchvision")
    assert bool(said["masks"]) or smaller
    close(run("PyTorch", images, monkeypatch, tmp_path), logits(ticket, images))


def test_hugging_face_runs_the_state_dict(images, tmp_path):
    torch, hub = (pytest.importorskip(name) for name in ("torch", "transformers"))
    shape = (64, 64, 3)
    ticket = random_ticket("resnet50", 1 / 32, shape, 0.3, stem="imagenet")
    model = provenance.build_model(ticket.meta)
    tensors = torch_names.state_dict(
        ticket, torch_names.layout_for(model, "huggingface"), with_masks=False
    )
    config = hub.ResNetConfig(
        embedding_size=2, hidden_sizes=[8, 16, 32, 64], depths=[3, 4, 6, 3], num_labels=5
    )
    network = hub.ResNetForImageClassification(config).eval()
    network.load_state_dict({name: torch.tensor(each) for name, each in tensors.items()})
    x = np.random.default_rng(0).random((2, *shape)).astype(np.float32)
    seen = torch.tensor((x - 0.4) / 0.2, dtype=torch.float32).permute(0, 3, 1, 2)
    with torch.no_grad():
        close(network(seen).logits.numpy(), logits(ticket, x))


def loaded(names, package, ticket, folder, monkeypatch):
    """Return the network of a package with what was exported, by the documentation."""
    torch = pytest.importorskip("torch")
    said = export(ticket, folder / "exported", names)
    monkeypatch.chdir(folder)
    text = DOCS.read_text().split("## PyTorch")[1]
    first, second = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    known = {"said": said}
    exec(compile(first.split("\nsaid = ")[0], str(DOCS), "exec"), known)
    if names == "huggingface":
        exec(compile(second, str(DOCS), "exec"), known)
        return known["network"].eval()
    network = package.create_model(TIMM[said["architecture"]], num_classes=5)
    with (
        pytest.raises(AssertionError, match="stem")
        if said["stem"] == "small"
        else (contextlib.nullcontext())
    ):
        known["load"](network, known["load_file"]("exported/model.safetensors"))
    if said["stem"] == "small":
        network.conv1 = torch.nn.Conv2d(3, 64, 3, padding=1, bias=False)
        network.maxpool = torch.nn.Identity()
        known["load"](network, known["load_file"]("exported/model.safetensors"))
    return network.eval()


TIMM = {"resnet18": "resnet18", "efficientnet_lite0": "tf_efficientnet_lite0"}
THEIRS = [
    ("timm", "resnet18", {"stem": "small"}),
    ("timm", "efficientnet_lite0", {"stem": "imagenet"}),
    ("huggingface", "resnet18", {"stem": "small"}),
    ("huggingface", "resnet50", {"stem": "imagenet", "variant": "caffe"}),
]


@pytest.mark.parametrize(("names", "arch", "model"), THEIRS)
def test_other_packages_answer_as_the_ticket_or_refuse(names, arch, model, tmp_path, monkeypatch):
    torch = pytest.importorskip("torch")
    package = pytest.importorskip({"timm": "timm", "huggingface": "transformers"}[names])
    shape = SHAPE if model["stem"] == "small" else (64, 64, 3)
    ticket = random_ticket(arch, 1 / 32 if "res" in arch else 1 / 8, shape, 0.5, **model)
    if arch == "efficientnet_lite0":  # fewer groups than the package's
        ticket = compact(ticket).ticket
    network = loaded(names, package, ticket, tmp_path, monkeypatch)
    x = np.random.default_rng(0).random((2, *shape)).astype(np.float32)
    seen = torch.tensor((x - 0.4) / 0.2, dtype=torch.float32).permute(0, 3, 1, 2)
    with torch.no_grad():
        answer = network(seen)
    close(getattr(answer, "logits", answer).numpy(), logits(ticket, x))


@pytest.mark.parametrize("names", ["torchvision", "timm", "huggingface"])
@pytest.mark.parametrize(
    ("arch", "model"),
    [("resnet18", {"activation": "silu"}), ("efficientnet_lite0", {"stem": "small"})],
)
def test_what_would_load_and_answer_wrongly_is_refused(names, arch, model):
    ticket = random_ticket(arch, 1 / 32 if arch == "resnet18" else 1 / 8, SHAPE, 0.0, **model)
    with pytest.raises(InputError, match=rf"{names}.*stablehlo"):
        torch_names.layout_for(provenance.build_model(ticket.meta), names)


@pytest.mark.parametrize("names", ["torchvision", "timm", "huggingface"])
def test_state_dicts_hold_masks_as_torch_prune_does(ticket, names):
    model = provenance.build_model(ticket.meta)
    layout = torch_names.layout_for(model, names)
    tensors = torch_names.state_dict(ticket, layout)
    masked = [name for name in tensors if name.endswith("weight_mask")]
    assert masked
    for name in masked:
        assert name.replace("_mask", "_orig") in tensors
        assert name.removesuffix("_mask") not in tensors
        assert set(np.unique(tensors[name])) <= {0.0, 1.0}
    params, stats = torch_names.from_state_dict(model, tensors, layout, 3)
    jax.tree.map(np.testing.assert_array_equal, stats, ticket.batch_stats)
    kernel = params["stage2_block1"]["conv1"]["kernel"]
    mask = ticket.mask["stage2_block1"]["conv1"]["kernel"]
    np.testing.assert_array_equal(kernel, ticket.params["stage2_block1"]["conv1"]["kernel"] * mask)


def test_what_a_format_has_not_is_refused(ticket, tmp_path):
    with pytest.raises(InputError, match=r"safetensor.*stablehlo.*onnx"):
        export(ticket, tmp_path / "a", "safetensor")
    wide = random_ticket("wide_resnet40_2", 1 / 16, SHAPE)
    with pytest.raises(InputError, match=r"torchvision.*WideResNet.*stablehlo"):
        export(wide, tmp_path / "a", "torchvision")
    assert not (tmp_path / "a").exists()
    assert set(FORMATS) == {"stablehlo", "onnx", "torchvision", "timm", "huggingface"}


def test_real_images_have_the_shape_and_are_photographs():
    images = real_images((20, 24, 3))
    assert images.shape == (8, 20, 24, 3)
    assert 0 <= images.min() < 0.1 < 0.5 < images.max() <= 1
    assert len({image.tobytes() for image in images}) == 8


OTHER_HEADS = {
    "detection": {"class_names": list("abc")},
    "segmentation": {"class_names": list("abc")},
    "keypoints": {"keypoint_names": list("abc")},
    "simclr": {},
}


@pytest.mark.parametrize("names", ["torchvision", "timm", "huggingface"])
@pytest.mark.parametrize("task", OTHER_HEADS)
def test_heads_that_other_packages_lack_are_refused(task, names):
    meta = {
        "model": {"arch": "resnet18", "width": 1 / 32, "stem": "imagenet"}, "mean": [0.5] * 3,
        "std": [0.2] * 3, "image_shape": list(SHAPE), "asks": {"name": task},
        "about": OTHER_HEADS[task],
    }  # fmt: skip
    with pytest.raises(InputError, match=rf"format='{names}'.*linear.*stablehlo"):
        torch_names.layout_for(provenance.build_model(meta), names)


def test_weights_of_another_network_are_refused_before_anything_is_computed(ticket, tmp_path):
    meta = ticket.meta
    broken = jax.tree.map(np.copy, ticket.params)
    broken["stem_conv"]["kernel"][0, 0, 0, 0] = np.nan
    for changed, named in (
        ({"meta": {**meta, "model": {**meta["model"], "width": 1 / 8}}}, r"kernel .*\(64, 5\)"),
        (
            {"meta": {**meta, "model": {**meta["model"], "arch": "resnet50"}}},
            "kernel .* in the network",
        ),
        ({"meta": {**meta, "class_names": ["a"]}}, r"head/.*\(1,\) in the network"),
        ({"params": broken}, "stem_conv/kernel.*not finite"),
    ):
        other = dataclasses.replace(ticket, **changed)
        for made in (compact, lambda given: export(given, tmp_path / "no", "stablehlo")):
            with pytest.raises(InputError, match=named):
                made(other)
    assert not (tmp_path / "no").exists()
