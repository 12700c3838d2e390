"""Settings of stages that a study sets itself: given by a user, they would change nothing."""

from collections.abc import Iterator, Mapping
from typing import Any

from rtickets.stages.draw_settings import DrawConfig
from rtickets.stages.settings import PretrainConfig
from rtickets.training.settings import TrainConfig

_TRAIN = TrainConfig()
_OF_DRAW = DrawConfig()
# What a field holds where nobody has set it, and what to set instead.
_REPLACED: dict[str, tuple[Any, str]] = {
    "ticket": (_OF_DRAW.ticket, "a study makes its tickets itself; leave it out"),
    "sparsity": (_OF_DRAW.sparsity, "set `sparsities`, or `ladders` for one way of drawing"),
    "seed": (_OF_DRAW.seed, "set `seeds`"),
    "train.seed": (_TRAIN.seed, "set `seeds`"),
    "train.objective": (_TRAIN.objective, "set `objectives`"),
}


def why_replaced(
    pretrain: PretrainConfig,
    pretrainings: Mapping[str, PretrainConfig],
    draws: Mapping[str, DrawConfig],
    ladders: Mapping[str, tuple[float, ...]],
    transfers: Mapping[str, Any],
    evaluate: Any,
) -> str | None:
    """Return which setting of a stage a study would ignore, and what to set instead, or None.

    Args:
        pretrain: the stage of the objectives.
        pretrainings: those of further branches, by label, as the others.
        ladders: sparsities of the draws, by label. A draw may have one of them itself.
    """
    for name, stage, fields in _stages(pretrain, pretrainings, draws, transfers, evaluate):
        for field in fields:
            value: Any = stage
            for part in field.split("."):
                value = getattr(value, part, None)
            usual, instead = _REPLACED[field]
            if field == "sparsity" and value in ladders[name.removeprefix("draws.")]:
                continue
            if value is not None and value != usual:
                return f"{name}.{field}={value!r} would change nothing in a study: {instead}"
    return None


def _stages(
    pretrain: Any,
    pretrainings: Mapping[str, Any],
    draws: Mapping[str, Any],
    transfers: Mapping[str, Any],
    evaluate: Any,
) -> Iterator[tuple[str, Any, tuple[str, ...]]]:
    yield "pretrain", pretrain, ("train.seed", "train.objective")
    for label, one in pretrainings.items():
        yield f"pretrainings.{label}", one, ("train.seed",)
    for label, draw in draws.items():
        yield f"draws.{label}", draw, ("ticket", "sparsity", "seed", "train.seed")
    for label, transfer in transfers.items():
        yield f"transfers.{label}", transfer, ("ticket", "train.seed")
    yield "evaluate", evaluate, ("ticket",)
