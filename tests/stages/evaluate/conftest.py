"""A tiny network that is evaluated."""

import jax
import numpy as np
import pytest

from rtickets import stages
from rtickets.draw import Ticket
from rtickets.platform import parallel
from rtickets.runs.folders import find_ticket
from rtickets.tickets import provenance

CLEAN = ["headline", "clean", "measures"]


@pytest.fixture(scope="module")
def network(tiny, tmp_path_factory):
    """A ticket of the tiny network, trained a little, on a task whose test images are new."""
    folder = tmp_path_factory.mktemp("network")
    generator = np.random.default_rng(1)
    noise = generator.integers(-40, 40, tiny.split.images.shape)
    test = np.clip(tiny.split.images.astype(int) + noise, 0, 255).astype(np.uint8)
    np.savez(
        folder / "task.npz",
        x_train=tiny.split.images, y_train=tiny.split.labels,
        x_test=test[:30], y_test=tiny.split.labels[:30],
    )  # fmt: skip
    state, _ = tiny.steps(tiny.program(), 20)
    meta = {
        "model": {}, "class_names": ["0", "1", "2"], "mean": [0.4], "std": [0.3],
        "image_shape": [8, 8, 1], "task": {"source": "npz", "path": str(folder / "task.npz")},
        "seed": 0,
    }  # fmt: skip
    params = jax.device_get(state.params)
    Ticket(tiny.mask, params, jax.device_get(state.batch_stats), meta).save(folder / "ticket")
    return folder / "ticket"


@pytest.fixture(autouse=True)
def build_tiny(tiny, monkeypatch):
    monkeypatch.setattr(provenance, "build_model", lambda meta: tiny.model)


@pytest.fixture
def evaluate(network, tmp_path):
    def run(config, where="runs"):
        devices = parallel.local_devices(2)
        return stages.evaluate(config, find_ticket(str(network)), tmp_path / where, "x", devices)

    return run


RUN_AS = {"fgsm": ["pgd"], "fgsm_rs": ["pgd"], "segpgd": ["pgd"]}
RUN_AS["autoattack"] = ["apgd_ce", "apgd_t", "fab_t", "square"]
