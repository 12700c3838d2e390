"""Restoration on the path of all tasks: pictures of a user's own file, trained, pruned, judged."""

import numpy as np
import pytest

from rtickets import Ticket, masks
from rtickets.runs.folders import RunFolder
from rtickets.storage.files import read_metrics

FILE = '''
"""Can one network paint several pictures? Each from noise of its own."""

import numpy as np

from rtickets.config import (
    DataConfig, DrawConfig, EvaluateConfig, ModelConfig, PretrainConfig, TrainConfig,
)
from rtickets.data import SOURCES, Raw, Source, Split
from rtickets.settings import config_files
from rtickets.tasks import Restoration


def pictures(config, view):
    generator = np.random.default_rng(0)
    levels = generator.uniform(0.2, 0.8, (40, 1, 1, 3))
    clean = np.broadcast_to(levels, (40, 16, 16, 3)).astype(np.float32)
    observed = np.clip(clean + 0.1 * generator.normal(size=clean.shape), 0, 1).astype(np.float32)
    return Raw(Split({
        "noise": generator.uniform(0, 0.1, (40, 16, 16, 2)).astype(np.float32),
        "observed": observed, "seen": np.ones((40, 16, 16, 1), np.float32), "clean": clean,
    }), None)


SOURCES["levels"] = Source(pictures, "40 pictures", needs="", task=Restoration())
DATA = DataConfig(source="levels")
TRAIN = TrainConfig(duration="4it", batch_size=8, validate_every="2it")


def get_config(which):
    model = ModelConfig(arch="hourglass_small", width=0.25)
    return config_files.editable({
        "pretrain": PretrainConfig(DATA, model, TRAIN),
        "draw": DrawConfig(sparsity=0.5),
        "evaluate": EvaluateConfig(batch_size=5),
    }[which])
'''


def test_pictures_are_painted_by_a_ticket_like_any_other(own_file):
    run = own_file("levels", FILE)
    dense = run("pretrain")
    lines = read_metrics(dense / "metrics.jsonl")
    assert {"psnr", "ssim", "psnr_observed", "validation"} <= set(lines[-1])
    assert lines[-1]["loss"] < lines[0]["loss"]
    drawn = run("draw", f"ticket={dense}")
    assert masks.sparsity(Ticket.load(drawn / "ticket").mask) == pytest.approx(0.5, abs=0.01)
    result = RunFolder(run("evaluate", f"ticket={drawn}"), "").result()
    assert result["headline"]["name"] == "psnr"
    assert np.isfinite(result["clean"]["value"])
