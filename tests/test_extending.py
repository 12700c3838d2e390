"""The page on additions holds configuration files: what they add is trained, drawn and attacked."""

import re
from pathlib import Path

import numpy as np
import pytest

from rtickets import Ticket, cli, masks
from rtickets.attacks.registry import ATTACKS
from rtickets.data import SOURCES
from rtickets.draw.criteria.registry import CRITERIA
from rtickets.evaluation.measures import MEASURES
from rtickets.masks.gates import GATES
from rtickets.models import ARCHITECTURES
from rtickets.stages.ways.registry import WAYS
from rtickets.storage.files import read_json
from rtickets.tasks import TASKS
from rtickets.training.objectives import OBJECTIVES
from rtickets.training.optimizers import OPTIMIZERS

PAGE = Path(__file__).parents[1] / "docs" / "extending.md"
BLOCK = re.compile(r"```python\n(\"\"\"rtickets \w+ --config=(\w+\.py) .*?)```", re.DOTALL)
REGISTRIES = (
    *(ARCHITECTURES, OPTIMIZERS, OBJECTIVES, ATTACKS, CRITERIA, MEASURES, SOURCES, TASKS),
    *(WAYS, GATES),
)
SHORT = ["model.width=0.03125", "train.duration=2it", "train.batch_size=16"]
TRAINED = ["data.source=npz", "data.path=data.npz", *SHORT]
SMALL = {
    "lion.py": TRAINED,
    "plain.py": [*TRAINED, "model.width=0.125"],
    "stability.py": [*TRAINED, "train.objective.weight=0.5"],
    "stripes.py": SHORT,
    "reading.py": SHORT,
    "noise.py": [
        "attacks.noise.num_steps=2",
        "attack_examples=8",
        "batch_size=8",
        "honesty_examples=0",
    ],
    "doubts.py": ["batch_size=8", "measures.doubts.threshold=0.99", "measures.cal=calibration"],
    "fisher.py": ["examples=16", "batch_size=8"],
    "twice.py": ["method.share=0.25"],
    "steep.py": ["train.duration=2it", "train.batch_size=16", "method.gate.steepness=2"],
}


@pytest.fixture(autouse=True)
def _only_here():
    """Leave the registries as they were."""
    before = [(entries, dict(entries)) for entries in REGISTRIES]
    yield
    for entries, kept in before:
        entries.clear()
        entries.update(kept)


def test_every_block_is_a_configuration_that_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    labels = np.arange(80) % 2
    images = np.random.default_rng(0).integers(0, 100, (80, 8, 8)) + 120 * labels[:, None, None]
    arrays = {"x_train": images.astype(np.uint8), "y_train": labels}
    np.savez("data.npz", **arrays, x_test=arrays["x_train"][:16], y_test=labels[:16])
    blocks = {name: text for text, name in BLOCK.findall(PAGE.read_text())}
    assert set(blocks) == set(SMALL)
    for name, text in blocks.items():
        assert len([line for line in text.splitlines() if line.strip()]) <= 40, name
        Path(name).write_text(text)

    def run(verb, name, *options):
        small = [f"--config.{field}" for field in SMALL[name]]
        workdir = Path(name).stem
        words = [verb, f"--config={name}", f"--workdir={workdir}", *small, *options]
        assert cli.main([*words, "--dry-run"]) == 0
        assert cli.main(words) == 0
        (folder,) = Path(workdir).glob(f"{verb}-*")
        return folder

    trained = run("pretrain", "lion.py")
    assert read_json(trained / "config.json")["train"]["optimizer"]["name"] == "lion"
    stable = read_json(run("pretrain", "stability.py") / "config.json")["train"]["objective"]
    assert (stable["name"], stable["weight"]) == ("stability", 0.5)
    plain = Ticket.load(run("pretrain", "plain.py") / "ticket")
    assert set(plain.params) == {"conv1", "conv2", "conv3", "head"}
    striped = Ticket.load(run("pretrain", "stripes.py") / "ticket")
    assert striped.meta["class_names"] == ["upright", "level"]
    assert Ticket.load(run("pretrain", "reading.py") / "ticket").meta["asks"]["name"] == "reading"
    source = f"--config.ticket={trained}"
    for name in ("fisher.py", "twice.py", "steep.py"):
        drawn = Ticket.load(run("draw", name, source) / "ticket")
        assert masks.sparsity(drawn.mask) == pytest.approx(0.8, abs=1e-2)
    assert drawn.meta["history"][-1]["method"]["gate"]["steepness"] == 2
    found = read_json(run("evaluate", "doubts.py", source) / "result.json")["measures"]
    assert {"accuracy", "doubts.unsure", "cal.ece", "cal.nll"} < set(found)
    found = read_json(run("evaluate", "noise.py", source) / "result.json")
    assert "noise" in found["attacks"]
    assert "noise" in capsys.readouterr().out
