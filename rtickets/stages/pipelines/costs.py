"""What a comparison of pipelines takes: an estimate per kind of run, with how often it runs."""

from collections import Counter
from collections.abc import Iterator

from rtickets.costs import Estimate, Setting
from rtickets.costs.runs import estimate_training
from rtickets.costs.task_sizes import sizes_of
from rtickets.data.images.chosen import check_resize
from rtickets.stages.evaluate import estimate_evaluation
from rtickets.stages.pipelines.cells import cells_of, check_names
from rtickets.stages.pipelines.checks import check_searches
from rtickets.stages.pipelines.settings import PipelineConfig, PipelineStudyConfig
from rtickets.stages.search import estimate_search


def estimate_pipelines(config: PipelineStudyConfig, setting: Setting) -> list[Estimate]:
    """Estimate a study; a run that several pipelines begin with counts once.

    Raises:
        InputError: if a batch does not fit its data, or data has to be read and cannot be.
    """
    return list(_estimates(config, setting.devices))


def _estimates(config: PipelineStudyConfig, devices: int) -> Iterator[Estimate]:
    check_names(config)
    runs, after, measured = _counts(config)
    for label, asked in config.tasks.items():
        check_resize(asked)
        sizes, model = sizes_of(asked), config.model
        name = f"search, {label}"
        check_searches(config, label, sizes)
        first, pipeline = next(iter(config.pipelines.items()))
        own = config.search(pipeline, label, config.ladder(first)[0], config.seeds[0])
        yield estimate_search(own, sizes, devices, name, times=runs[label])
        for then, count in after.items():
            if then[1] != label:
                continue
            trains = {"retrain": config.retrain, "train": config.train}
            train, part = (
                trains.get(then[0], config.transfer),
                "head" if "frozen" in then[0] else "all",
            )
            yield estimate_training(
                f"{then[0]}, {label}", sizes, model, train, devices, trainable=part, times=count
            )
        found = estimate_evaluation(config.evaluate, sizes, model, devices, measured[label])
        yield found._replace(name=f"evaluate, {label}")


def _counts(
    config: PipelineStudyConfig,
) -> tuple[Counter[str], Counter[tuple[str, str]], Counter[str]]:
    """Return the numbers of runs by task, of what follows by (then, target), and of cells."""
    runs, after, measured = set(), Counter[tuple[str, str]](), Counter[str]()
    for cell in cells_of(config):
        own = config.pipelines[cell.pipeline]
        begun = [own, PipelineConfig("dense")] if own.weights == "dense" else [own]
        for pipeline in begun:
            asked = config.search(pipeline, cell.task, cell.sparsity, cell.seed)
            runs.add((asked.searching, cell.task, cell.seed))
        if own.then != "nothing":
            after[own.then, cell.target] += 1
        measured[cell.target] += 1
    return Counter(task for _, task, _ in runs), after, measured
