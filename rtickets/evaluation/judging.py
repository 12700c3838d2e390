"""The measures of a network on a split, as training validates it."""

from typing import Any

from rtickets.attacks.settings import AttackConfig
from rtickets.evaluation.comparison import Gallery, compared
from rtickets.evaluation.counting import count
from rtickets.evaluation.examples import Examples, Network
from rtickets.tasks import Measured


def judge(
    network: Network,
    examples: Examples,
    *,
    attack: AttackConfig | None = None,
    gallery: Gallery | None = None,
    **options: Any,
) -> dict[str, Measured]:
    """Return the measures of a network on a split, by the task's names.

    Args:
        network: the network.
        examples: the split.
        attack: see `predict`.
        gallery: see `rtickets.evaluation.comparison.compared`.
        **options: see `count`.
    """
    pgd = attack.as_pgd() if attack else None
    (found,) = count(network, examples, examples.task, pgd=pgd, **options)
    sizes = {name: each for name, each in options.items() if name == "batch_size"}
    return examples.task.measures({**found, **compared(network, examples, gallery, **sizes)})
