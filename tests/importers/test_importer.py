"""Whole imports, and that the stages take what comes out."""

import json
import zipfile

import jax
import numpy as np
import pytest
import safetensors.numpy

from rtickets import models, stages
from rtickets._version import __version__
from rtickets.config import (
    DataConfig,
    DrawConfig,
    EvaluateConfig,
    OptimizerConfig,
    TrainConfig,
    TransferConfig,
)
from rtickets.draw import Ticket
from rtickets.errors import InputError
from rtickets.importers import Options, Reference, import_checkpoint, parity, read_reference, save
from rtickets.platform import parallel
from rtickets.runs import folders
from rtickets.tickets import inspect, provenance

WIDTH = 1 / 64
MEAN, STD = (np.array(values, np.float32) for values in ((0.4, 0.5, 0.6), (0.2, 0.3, 0.25)))


@pytest.fixture(scope="module")
def state(state_of):
    return state_of("resnet18", width=WIDTH, stem="small")


def madry(state):
    """A checkpoint as MadryLab's library writes it: the network twice, and the optimiser."""
    statistics = {"new_mean": MEAN[:, None, None], "new_std": STD[:, None, None]}
    parts = {
        "normalizer.": statistics,
        "model.": state,
        "attacker.normalize.": statistics,
        "attacker.model.": state,
    }
    return {
        "model": {f"module.{p}{name}": v for p, part in parts.items() for name, v in part.items()},
        "optimizer": {"state": {0: {"momentum_buffer": np.ones(3, np.float32)}}},
        "epoch": 90,
    }


def check(imported, state, mean, std):
    ticket, report = imported
    np.testing.assert_array_equal(
        ticket.params["stem_conv"]["kernel"], state["conv1.weight"].transpose(2, 3, 1, 0)
    )
    np.testing.assert_array_equal(ticket.params["head"]["bias"], state["fc.bias"])
    assert ticket.meta["mean"] == pytest.approx(list(mean))
    assert ticket.meta["std"] == pytest.approx(list(std))
    assert ticket.meta["class_names"] == [f"class_{index}" for index in range(5)]
    assert ticket.meta["image_shape"] == [32, 32, 3]
    assert report["model"] == {
        "arch": "resnet18", "width": WIDTH, "stem": "small", "precision": "float32",
        "variant": None, "activation": None, "widths": [],
    }  # fmt: skip
    model = provenance.build_model(ticket.meta)
    logits = models.logits(
        model, ticket.params, ticket.batch_stats, parity.fixed_images((32, 32, 3))
    )
    np.testing.assert_allclose(report["fixed_logits"], logits, rtol=1e-5)


IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@pytest.mark.parametrize("legacy", [False, True])
def test_a_state_dict(torch_file, state, legacy):
    imported = import_checkpoint(torch_file(state, legacy=legacy), "resnet18")
    check(imported, state, *IMAGENET)
    report = imported.report
    assert report["importer"] == f"rtickets {__version__}"
    assert report["layout"] == "torchvision"
    assert report["source"]["file"] == "file.pt"
    assert report["source"]["format"] == f"torch {'legacy' if legacy else 'zip'}"
    assert len(report["source"]["sha256"]) == 64
    assert report["normalization"]["from"].startswith("assumed: the statistics of ImageNet")
    assert report["parity"] is None


def test_all_formats_give_the_same_weights(torch_file, tmp_path, state):
    safe = tmp_path / "model.safetensors"
    safetensors.numpy.save_file(dict(state), safe)
    files = [torch_file(state), torch_file(state, "old.pt", legacy=True), safe]
    reports = [import_checkpoint(file, "resnet18").report for file in files]
    assert len({report["weights_sha256"] for report in reports}) == 1
    assert len({report["source"]["sha256"] for report in reports}) == 3


def test_a_checkpoint_of_madrylab(torch_file, state):
    checkpoint = madry(state)
    imported = import_checkpoint(torch_file(checkpoint), "resnet18")
    check(imported, state, MEAN, STD)
    report = imported.report
    assert report["source"]["prefix"] == "module.model."
    assert "module.normalizer.new_mean" in report["normalization"]["from"]
    tensors = report["tensors"]
    lists = [tensors[name] for name in ("used", "never_read", "copies", "normalization")]
    assert sorted(name for part in lists for name in part) == sorted(checkpoint["model"])
    assert tensors["outside"] == ["optimizer", "epoch"]
    leaves = [leaf for leaves in tensors["used"].values() for leaf in leaves]
    assert len(leaves) == len(set(leaves)) == len(tensors["used"])


def test_a_checkpoint_of_cohen_and_others(torch_file, state):
    """Its first layer, 0, normalises and keeps no tensors."""
    wrapped = {f"1.module.{name}": tensor for name, tensor in state.items()}
    checkpoint = {"epoch": 90, "arch": "resnet50", "state_dict": wrapped, "optimizer": {}}
    imported = import_checkpoint(torch_file(checkpoint), "resnet18")
    check(imported, state, *IMAGENET)
    assert imported.report["source"]["prefix"] == "1.module."


def test_robustbench_networks(torch_file, state_of):
    state = state_of("resnet18", layout=1, width=WIDTH, stem="small")
    imported = import_checkpoint(torch_file(state), "resnet18")
    assert imported.report["layout"] == "pytorch-cifar"
    assert imported.ticket.meta["mean"] == [0.0] * 3
    assert "assumed: pixels in [0, 1] as they are" in imported.report["normalization"]["from"]
    statistics = {"mu": MEAN[None, :, None, None], "sigma": STD[None, :, None, None]}
    imported = import_checkpoint(torch_file({**state, **statistics}), "resnet18")
    assert imported.ticket.meta["std"] == pytest.approx(list(STD))
    wide = state_of("wide_resnet28_10", width=1 / 160)
    extra = {"sub_block1.layer.0.bn1.weight": np.ones(1, np.float32)}
    imported = import_checkpoint(torch_file({**wide, **extra}), "wide_resnet28_10")
    assert set(extra) < set(imported.report["tensors"]["never_read"])
    assert imported.ticket.meta["model"]["width"] == 1 / 160


def test_statistics_that_are_given_come_first(torch_file, state):
    options = Options(statistics=((0.1,), (0.5,)), image_size=40, class_names=tuple("abcde"))
    ticket, report = import_checkpoint(torch_file(madry(state)), "resnet18", options)
    assert (ticket.meta["mean"], ticket.meta["std"]) == ([0.1] * 3, [0.5] * 3)
    assert report["normalization"]["from"].startswith("--mean, --std, where the file: module.")
    assert ticket.meta["image_shape"] == [40, 40, 3]
    assert ticket.meta["class_names"] == list("abcde")


def test_a_thousand_classes_are_those_of_imagenet(torch_file, state_of):
    state = state_of("resnet18", num_classes=1000, width=WIDTH, stem="small")
    meta = import_checkpoint(torch_file(state), "resnet18").ticket.meta
    assert len(set(meta["class_names"])) == 1000
    assert meta["class_names"][0] == "n01440764"
    assert meta["class_names"][-1] == "n15075141"


def test_one_channel(torch_file, state_of):
    state = state_of("resnet18", width=WIDTH, stem="small", channels=1)
    meta = import_checkpoint(torch_file(state), "resnet18").ticket.meta
    assert meta["image_shape"] == [32, 32, 1]
    assert meta["mean"] == pytest.approx([np.mean(IMAGENET[0])])


def test_the_reference_is_compared_with(torch_file, tmp_path, state):
    file = torch_file(state)
    ticket, _ = import_checkpoint(file, "resnet18")
    images = np.random.default_rng(0).random((20, 32, 32, 3), np.float32)
    model = provenance.build_model(ticket.meta)
    logits = np.asarray(models.logits(model, ticket.params, ticket.batch_stats, images))
    np.savez(tmp_path / "reference.npz", images=images, logits=logits)
    reference = read_reference(tmp_path / "reference.npz")
    report = import_checkpoint(file, "resnet18", Options(reference=reference)).report
    assert report["parity"]["max_difference"] < 1e-4
    assert (report["parity"]["images"], report["parity"]["same_top1"]) == (20, 20)
    wrong = Options(reference=reference, statistics=((0.0,), (1.0,)))
    with pytest.raises(InputError, match=r"not compute .*reference.npz"):
        import_checkpoint(file, "resnet18", wrong)
    for bad in (Reference("r", images, logits[:, :3]), Reference("r", images[..., :1], logits)):
        with pytest.raises(InputError, match="r has"):
            import_checkpoint(file, "resnet18", Options(reference=bad))


@pytest.mark.parametrize(
    "arrays",
    [{}, {"images": np.ones((2, 4, 4, 3))}, {"images": np.ones((2, 4)), "logits": np.ones((2, 3))}],
)
def test_a_bad_reference_is_named(tmp_path, arrays):
    np.savez(tmp_path / "r.npz", **arrays)
    with pytest.raises(InputError, match=r"--reference=.*r.npz"):
        read_reference(tmp_path / "r.npz")


def test_a_reference_that_would_fill_the_memory_is_not_unpacked(tmp_path):
    with zipfile.ZipFile(tmp_path / "r.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
        file.writestr("images.npy", bytes(2**26 + 1))
    with pytest.raises(InputError, match=r"--reference=.*unpack to 67,108,865"):
        read_reference(tmp_path / "r.npz")


@pytest.mark.parametrize(
    ("arch", "options", "message"),
    [
        ("resnet34", Options(), r"--arch=resnet34 .*torchvision: 80 tensors"),
        ("resnet34", Options(), r"names are those of resnet18"),
        ("wide_resnet28_10", Options(), r"block1.layer.0.conv1.weight is missing"),
        ("resnet19", Options(), r"arch='resnet19' is unknown"),
        ("resnet18", Options(class_names=("a",)), r"5 classes, --classes .*1"),
        ("resnet18", Options(statistics=((0.1,) * 2, (1.0,) * 2)), r"takes 3 channels"),
        ("resnet18", Options(statistics=((0.1,), (0.0,))), r"standard deviation is not in"),
    ],
)
def test_what_does_not_fit_is_one_clear_line(torch_file, state, arch, options, message):
    with pytest.raises(InputError, match=message) as caught:
        import_checkpoint(torch_file(state), arch, options)
    assert "\n" not in str(caught.value)


def test_the_ticket_goes_through_the_stages(torch_file, tmp_path, state):
    """Imported, drawn from, transferred and evaluated, all by its folder."""
    imported = import_checkpoint(torch_file(madry(state)), "resnet18")
    save(imported, tmp_path / "dense")
    assert json.loads((tmp_path / "dense" / "import.json").read_text()) == imported.report
    inspect.verify(tmp_path / "dense")
    with pytest.raises(InputError, match="exists"):
        save(imported, tmp_path / "dense")
    devices = parallel.local_devices(1)
    source = folders.find_ticket(str(tmp_path / "dense"))
    drawn = stages.draw(DrawConfig(sparsity=0.5), source, tmp_path, "x", devices)
    optimizer = OptimizerConfig(learning_rate=0.01)
    config = TransferConfig(
        data=DataConfig(source="digits", train_examples=40),
        train=TrainConfig(duration="1it", batch_size=8, optimizer=optimizer),
    )
    trained = stages.transfer(config, drawn.source, tmp_path, "x", devices)
    ticket = Ticket.load(trained.path / "ticket")
    assert [entry["stage"] for entry in ticket.meta["history"]] == ["import", "draw", "transfer"]
    assert ticket.meta["history"][0]["source"] == imported.report["source"]
    assert ticket.meta["image_shape"] == [32, 32, 3]
    result = stages.evaluate(EvaluateConfig(), trained.source, tmp_path, "x", devices).result()
    assert result["clean"]["examples"] > 0


def test_fixed_images_are_the_same_everywhere():
    images = parity.fixed_images((2, 2, 3))
    assert images.shape == (2, 2, 2, 3)
    expected = [0.6369616, 0.26978672, 0.04097343]
    np.testing.assert_allclose(images[0, 0, 0], expected, atol=1e-6)
    assert jax.numpy.asarray(images).dtype == np.float32
