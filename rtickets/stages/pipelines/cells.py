"""The cells of a comparison of pipelines: what one number is of, and their names."""

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from rtickets.errors import InputError
from rtickets.stages.pipelines.settings import ELSEWHERE, PipelineStudyConfig


class Cell(NamedTuple):
    """One number of a study.

    Attributes:
        pipeline: its label.
        sparsity: of the weights of living channels, 0 for pipelines without one.
        task: label of the task that the network is found on.
        target: of the one that it is measured on, another one after a transfer.
        seed: of all that is random.
    """

    pipeline: str
    sparsity: float
    task: str
    target: str
    seed: int

    @property
    def name(self) -> str:
        """The name of its file, and a readable part of those of its run folders."""
        moved = "" if self.target == self.task else f"-to-{self.target}"
        return f"{self.pipeline}{written(self.sparsity)}-{self.task}{moved}-s{self.seed}"


def written(sparsity: float) -> str:
    """Return a sparsity in four digits, or as many as tell it from others."""
    short = f"{sparsity:.4g}"
    return short if float(short) == sparsity else repr(sparsity)


def cells_of(config: PipelineStudyConfig) -> Iterator[Cell]:
    """Yield the cells in the order they run: pipeline by pipeline, all its seeds together.

    What is trained on comes after what is measured as it is.
    """
    order = sorted(config.pipelines.items(), key=lambda each: each[1].then != "nothing")
    for label, pipeline in order:
        for sparsity in config.ladder(label):
            for task in pipeline.tasks or config.tasks:
                moved = [other for other in config.tasks if other != task]
                for target in moved if pipeline.then in ELSEWHERE else [task]:
                    for seed in config.seeds:
                        yield Cell(label, sparsity, task, target, seed)


def check_names(config: PipelineStudyConfig) -> None:
    """Raise InputError for cells that would share a file, as labels run into each other."""
    names = Counter(cell.name for cell in cells_of(config))
    if twice := [name for name, count in names.items() if count > 1]:
        raise InputError(
            f"{names[twice[0]]} cells are called {twice[0]!r}; rename one of the pipelines or tasks"
        )
