"""What is looked at before a comparison of pipelines begins, so that nothing is trained in vain."""

from rtickets import data, training
from rtickets.data.images.chosen import make_transform
from rtickets.draw.searching.settings import check_early, check_length, events_in
from rtickets.errors import InputError
from rtickets.evaluation.recalibration import RecalibrateConfig
from rtickets.platform import parallel
from rtickets.settings.kinds import to_steps
from rtickets.stages.pipelines.settings import PipelineStudyConfig
from rtickets.tasks import task_of
from rtickets.training.batches import steps_per_epoch


def check_study(config: PipelineStudyConfig, devices: parallel.Devices) -> None:
    """Raise InputError for data, batches, tasks and lengths that do not fit."""
    for train in (config.train, config.retrain, config.transfer):
        training.check_batch_size(train, devices)
    shapes = {}
    for label, asked in config.tasks.items():
        dataset, task = data.load(asked, config.seeds[0]), task_of(asked)
        transform = make_transform(asked).left_to_do(dataset)
        shapes[label] = [each.shape for each in task.input_spec(transform, dataset.train.spec)]
        batch, searching = config.train.batch_size, config.searching
        RecalibrateConfig(searching.calibration_batches, batch).check(len(dataset.train))
        _check_events(config, label, steps_per_epoch(len(dataset.train), batch))
    if len(set(map(str, shapes.values()))) > 1:
        seen = ", ".join(f"{label} {shape}" for label, shape in shapes.items())
        raise InputError(
            f"tasks of one supernet need inputs of one shape, and have {seen}; set data.image_size"
        )


def _check_events(config: PipelineStudyConfig, label: str, per_epoch: int) -> None:
    for pipeline_label, pipeline in config.pipelines.items():
        for sparsity in config.ladder(pipeline_label):
            run = config.search(pipeline, label, sparsity, config.seeds[0])
            own, duration = run.searching, run.train.duration
            every = [to_steps(each, per_epoch) for each in (own.search_every, own.prune_every)]
            check_early(own, duration, every, per_epoch)
            check_length(own, duration, events_in(duration, own.prune_every, per_epoch) or 0)
