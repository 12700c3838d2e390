"""What is looked at before a comparison of pipelines begins, so that nothing is trained in vain."""

from rtickets import data, training
from rtickets.costs.task_sizes import TaskSizes, sizes_of
from rtickets.data.images.chosen import make_transform
from rtickets.errors import InputError
from rtickets.evaluation.recalibration import RecalibrateConfig
from rtickets.platform import parallel
from rtickets.stages.pipelines.cells import check_names
from rtickets.stages.pipelines.settings import PipelineStudyConfig
from rtickets.stages.search_checks import check_events, check_network
from rtickets.tasks import task_of
from rtickets.training.batches import steps_per_epoch


def check_study(config: PipelineStudyConfig, devices: parallel.Devices) -> None:
    """Raise InputError for data, batches, tasks, lengths and budgets that do not fit."""
    check_names(config)
    for train in (config.train, config.retrain, config.transfer):
        training.check_batch_size(train, devices)
    shapes = {}
    for label, asked in config.tasks.items():
        dataset, task = data.load(asked, config.seeds[0]), task_of(asked)
        transform = make_transform(asked).left_to_do(dataset)
        shapes[label] = [each.shape for each in task.input_spec(transform, dataset.train.spec)]
        batch, searching = config.train.batch_size, config.searching
        RecalibrateConfig(searching.calibration_batches, batch).check(len(dataset.train))
        check_searches(config, label, sizes_of(asked)._replace(train=len(dataset.train)))
    if len(set(map(str, shapes.values()))) > 1:
        seen = ", ".join(f"{label} {shape}" for label, shape in shapes.items())
        raise InputError(
            f"tasks of one supernet need inputs of one shape, and have {seen}; set data.image_size"
        )


def check_searches(config: PipelineStudyConfig, label: str, sizes: TaskSizes) -> None:
    """Raise InputError for searches on a task that cannot do what is asked of them."""
    per_epoch = steps_per_epoch(sizes.train, config.train.batch_size)
    runs = [
        config.search(pipeline, label, sparsity, config.seeds[0])
        for pipeline_label, pipeline in config.pipelines.items()
        for sparsity in config.ladder(pipeline_label)
    ]
    for run in runs:
        check_events(run, per_epoch)
    # they differ in their budget alone, which the dense ones do not have
    check_network(max(runs, key=lambda run: run.searching.budget is not None), sizes)
