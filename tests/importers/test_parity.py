"""Logits equal those of torchvision, timm and RobustBench; see tests/golden/make_parity.py."""

import json
import runpy
from pathlib import Path

import jax
import numpy as np
import pytest

from rtickets.importers import Options, Reference, import_checkpoint

GOLDEN = Path(__file__).parents[1] / "golden"
HELPERS = runpy.run_path(str(GOLDEN / "parity_weights.py"))
with np.load(GOLDEN / "parity.npz") as arrays:
    LOGITS = dict(arrays)
NETWORKS = json.loads(LOGITS.pop("networks").tobytes())
LEGACY = {"torchvision resnet18", "RobustBench ResNet-18"}


@pytest.mark.parametrize("name", NETWORKS)
def test_logits_are_those_of_the_original(torch_file, name):
    network = NETWORKS[name]
    state = HELPERS["random_state"](
        {key: tuple(shape) for key, shape in network["shapes"].items()}, network["gain"]
    )
    file = torch_file(state, legacy=name in LEGACY)
    images = HELPERS["images"](2, network["size"])
    reference = Reference(name, images, LOGITS[name])
    half = ((0.5,) * 3, (0.5,) * 3)
    options = Options(
        statistics=half, image_size=network["size"], reference=reference, **network["options"]
    )
    ticket, report = import_checkpoint(file, network["arch"], options)
    assert report["parity"]["max_difference"] < 1e-4
    leaves = jax.tree.leaves((ticket.params, ticket.batch_stats))
    used = [network["shapes"][name] for name in report["tensors"]["used"]]
    assert sum(leaf.size for leaf in leaves) == sum(np.prod(shape) for shape in used)
