"""All that one evaluation measures of a network."""

from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from rtickets.evaluation.clean import measure_clean
from rtickets.evaluation.comparison import Gallery, gallery_of
from rtickets.evaluation.entries import entries, headline_entry
from rtickets.evaluation.loss_attack import check_without_classes, measure_losses
from rtickets.evaluation.measures.asking import check_measures, measure_all
from rtickets.evaluation.measures.base import Asked, no_examples
from rtickets.evaluation.measures.counted import counters_of
from rtickets.evaluation.outcomes import keep_outcome
from rtickets.evaluation.pictures import keeper
from rtickets.evaluation.predict import Examples, Network, answers
from rtickets.evaluation.robustness import measure_robustness
from rtickets.evaluation.settings import EvaluateConfig
from rtickets.evaluation.subject import make_subject
from rtickets.tasks.comparison import Neighbours
from rtickets.tasks.search import check_attackable


def evaluate_network(
    config: EvaluateConfig,
    network: Network,
    examples: Examples,
    folder: Path,
    validation: Callable[[], Examples] = no_examples,
    training: Callable[[], Examples] = no_examples,
    about: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, Any]:
    """Measure a network on a split, whatever its task is.

    With classes, attacks count who is fooled (`Task.fooled`) and are checked; without, they raise
    the task's loss, and its measures are those of the worst answers (`loss_attack`).

    Args:
        config: what to measure.
        network: the network.
        examples: the split and its task.
        folder: the run folder; its `attacks`, which a killed evaluation goes on from, is left, and
            `outcomes`, see `rtickets.evaluation.outcomes`.
        validation: returns the validation examples of the task, for measures that choose on them.
        training: returns its training examples, for measures that compare with them.
        about: what the task knows of the data set, see `Task.about`.

    Returns:
        'headline', the name, unit and direction of the measure that all others but `measures` are
        of; 'clean', its value with an interval; 'measures', all of the task by name, and the
        further ones as LABEL.NAME; 'pictures', the names of those that measures left in the folder
        `pictures`, and 'tables' of numbers, where there are any; 'attacks' and 'honesty', see
        `measure_robustness` and `measure_losses`; 'certified', where it is asked for.

    Raises:
        InputError: for what the task has no meaning for, before anything is computed.
    """
    task = examples.task
    classes = task.has_classes
    if not classes:
        check_without_classes(config, task)
    elif config.attacks or config.smoothing:
        what = ", ".join(
            ["smoothing"] * bool(config.smoothing)
            + [f"attacks.{label}" for label in config.attacks]
        )
        check_attackable(task, what, "leave it out")
    check_measures(config.measures, examples, network)
    further = counters_of(config.measures, task)
    clean = measure_clean(
        network, examples, *further.values(), batch_size=config.batch_size,
        gallery=_gallery(examples, training),
    )  # fmt: skip
    if clean.outcome is not None:
        keep_outcome(folder, "clean", clean.outcome)
    sums = dict(zip(further, clean.further, strict=True))
    whole = cache(partial(answers, network, examples, batch_size=config.batch_size))
    shown: list[str] = []
    tables: dict[str, Any] = {}
    asked = Asked(
        network, examples, whole, validation, config.batch_size, config.seed,
        keep=keeper(folder, shown), training=training, about=about, tabulate=tables.__setitem__,
    )  # fmt: skip
    result = {
        "headline": headline_entry(task.headline),
        "clean": clean.value,
        "measures": entries(clean.measures | measure_all(config.measures, asked, sums)),
        **({"pictures": shown} if shown else {}),
        **({"tables": tables} if tables else {}),
    }
    # Attacks that count mistakes need classes; other tasks are attacked by their loss.
    if not classes:
        return {**result, **measure_losses(config, network, examples, folder)}
    subject_of = partial(
        make_subject, network, examples.split, examples.transform, seed=config.seed,
        batch_size=config.batch_size, devices=examples.devices, task=task,
    )  # fmt: skip
    return {**result, **measure_robustness(config, subject_of, folder)}


def _gallery(examples: Examples, training: Callable[[], Examples]) -> Gallery | None:
    """Return the training examples that the task's comparison needs."""
    if not isinstance(examples.task.comparison, Neighbours):
        return None
    known = training()
    return gallery_of(
        examples.task.comparison, known.split, known.transform, known.devices, known.task
    )
