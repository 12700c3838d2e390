"""A dense network of one block on a task of 8x8 images, a spy on training, and a small study."""

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import pytest

from rtickets import masks, models, stages
from rtickets.config import (
    DataConfig,
    DrawConfig,
    ModelConfig,
    ObjectiveConfig,
    OptimizerConfig,
    TrainConfig,
)
from rtickets.draw import Ticket
from rtickets.models.resnet import BasicBlock, ResNet
from rtickets.platform import parallel
from rtickets.runs.folders import RunFolder, StartingTicket, find_ticket
from rtickets.settings import config_files
from rtickets.stages.ways import imp_state, lmp, rewinding
from rtickets.tickets import provenance
from tests.soak_study import write_task

OPTIMIZER = OptimizerConfig(learning_rate=0.1, weight_decay=0.01, schedule="constant")
TRAIN = TrainConfig(
    objective=ObjectiveConfig(),
    optimizer=OPTIMIZER,
    duration="4it",
    batch_size=8,
    select="last",
    validate_every="0ep",
    checkpoint_every="0ep",
)


class Trained(NamedTuple):
    """What the spy saw of a run."""

    weights: Any
    options: dict[str, Any]
    outcome: Any


class Bench(NamedTuple):
    """A place to draw in: a work folder, a dense network, tasks, and all training that was done."""

    workdir: Path
    source: StartingTicket
    tasks: dict[str, DataConfig]
    runs: list[Trained]

    @property
    def dense(self) -> Ticket:
        return Ticket.load(self.source.ticket)

    def train(self, **changes: Any) -> TrainConfig:
        return config_files.replace(TRAIN, **changes)

    def draw(
        self,
        *,
        workdir: str = "",
        source: StartingTicket | None = None,
        devices: int = 1,
        **fields: Any,
    ) -> RunFolder:
        """Draw from the dense network, or from another, on one device."""
        if fields.get("method", "omp") != "omp":
            fields = {"train": TRAIN, **fields}
        taken = parallel.local_devices(devices)
        folder = self.workdir / workdir
        return stages.draw(DrawConfig(**fields), source or self.source, folder, "x", taken)

    def states(self, workdir: str = "") -> dict[float, Ticket]:
        """Return the tickets of iterative pruning in the work folder by rising sparsity."""
        folders = (self.workdir / workdir).glob("draw-x*")
        tickets = [Ticket.load(path / "ticket") for path in folders]
        by_sparsity = {ticket.meta["history"][-1]["sparsity"]: ticket for ticket in tickets}
        return dict(sorted(by_sparsity.items()))


def npz_task(folder: Path, name: str, classes: int, seed: int) -> DataConfig:
    names = np.array([f"{name}{index}" for index in range(classes)])
    file = write_task(folder, name, classes, (60, 60), seed=seed, class_names=names)
    return DataConfig(source="npz", path=file)


@pytest.fixture
def bench(tmp_path, monkeypatch):
    tasks = {name: npz_task(tmp_path, name, n, n) for name, n in (("up", 3), ("down", 2))}

    def build(meta: Any) -> ResNet:
        classes, pixels = len(meta["class_names"]), {"mean": (0.4,), "std": (0.3,)}
        return ResNet((1,), BasicBlock, classes, width=8, stem="small", **pixels)

    monkeypatch.setattr(provenance, "build_model", build)
    meta = {
        "model": config_files.to_dict(ModelConfig()),
        "class_names": ["up0", "up1", "up2"],
        "image_shape": [8, 8, 1],
        "mean": [0.4],
        "std": [0.3],
        "task": config_files.to_dict(tasks["up"]),
        "seed": 0,
    }
    params, batch_stats = models.initialise(build(meta), jax.random.key(7), (8, 8, 1))
    Ticket(masks.full(params), params, batch_stats, meta).save(tmp_path / "dense")
    runs: list[Trained] = []

    def spy(run: Any, weights: Any, mask: Any, **options: Any) -> Any:
        outcome = train_network(run, weights, mask, **options)
        runs.append(Trained(weights, options, outcome))
        return outcome

    train_network = imp_state.train_network
    for module in (imp_state, rewinding, lmp):
        monkeypatch.setattr(module, "train_network", spy)
    return Bench(tmp_path / "runs", find_ticket(str(tmp_path / "dense")), tasks, runs)


@pytest.fixture(scope="module")
def soak() -> Any:
    """The small study of the soaks."""
    place = Path(__file__).parents[1] / "soak_study.py"
    spec = importlib.util.spec_from_file_location("soak_study", place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def small(soak: Any) -> Iterator[None]:
    """Networks of one block."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(provenance, "build_model", soak.tiny_network)
        yield


@pytest.fixture(scope="module")
def source_and_target(soak: Any, tmp_path_factory: pytest.TempPathFactory) -> list[DataConfig]:
    """The tasks of a study, of three and of two classes."""
    folder = tmp_path_factory.mktemp("data")
    return [
        DataConfig(source="npz", path=soak.write_task(folder, name, classes))
        for name, classes in (("source", 3), ("target", 2))
    ]


@pytest.fixture(scope="session")
def transfer_bytes() -> Callable[[Path], dict[str, bytes]]:
    """Return the bytes of all files of transfers that must not depend on how they were made."""
    skip = ("timing.json", "environment.json", ".lock", "throughput.jsonl")

    def read(workdir: Path) -> dict[str, bytes]:
        return {
            str(path.relative_to(workdir)): path.read_bytes()
            for run in workdir.glob("transfer-*")
            for path in run.rglob("*")
            if path.is_file() and path.name not in skip
        }

    return read
