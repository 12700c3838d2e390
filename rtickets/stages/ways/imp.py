"""Iterative magnitude pruning: train, prune a little, set back, again (Frankle & Carbin 2019).

Every state is a stage of its own with a ticket (`rtickets.stages.ways.imp_state`). Its folder
depends on the states before, so that longer chains reuse shorter ones. With an adversarial
objective this is A-IMP (Fu et al. 2023); any task and objective is trained.

A network that is pruned already is gone on from: its dead weights stay dead, the ladder goes on
from its sparsity, which counts from the dense network as all others do, and weights are set back to
its own, trained for `rewind` with its mask. A ticket that this very configuration left has been
set back already, so that the states that follow are those of a chain that was never interrupted.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import StringConstraints
from pydantic.dataclasses import dataclass

from rtickets.draw.ladder import states_to
from rtickets.errors import InputError
from rtickets.platform import parallel
from rtickets.runs.folders import RunFolder, StartingTicket
from rtickets.settings import config_files
from rtickets.settings.kinds import STRICT, Duration, Fraction, is_never
from rtickets.stages.draw_settings import DrawConfig
from rtickets.stages.upstream import removed
from rtickets.stages.ways.base import WayConfig
from rtickets.stages.ways.imp_state import draw_state
from rtickets.stages.ways.rewinding import own_steps, rewind_point
from rtickets.training.settings import TrainConfig

Rewind = Annotated[str, StringConstraints(pattern=r"^(\d+(ep|it)|best|none)$")]


@dataclass(frozen=True, config=STRICT)
class Imp(WayConfig):
    """Iterative magnitude pruning: train, prune a little, set back, again.

    With an adversarial `train.objective` it is A-IMP. docs/drawing.md has the choices of papers.

    A ticket that is pruned already is gone on from: its dead weights stay dead, and the ladder goes
    on from its sparsity, counted from the dense network.

    Attributes:
        rate: fraction removed per state; the last state removes what is left to `sparsity`.
        of: whether the rate counts from the 'survivors' of the state before or the 'original'.
        first: the first state begins to 'train', or to 'prune' the weights that it starts from,
            without training.
        start: weights, head and statistics that all begins with: 'pretrained', those of `ticket`,
            or 'random', new ones by `train.seed`, which are the ones that pretraining with this
            seed began with.
        rewind: what weights go back to after every state: those of `start`, with the mask of
            `ticket`, trained for so long, '0it' as they are ('pretrained'); 'best', trained to the
            end and the best of that on validation; 'none', nothing: they are trained on. A ticket
            that the same settings left has been set back already.
        statistics: of normalisation: 'rewind' them too, 'keep' the trained ones, or 'reset' them to
            those of a new network.
        head: likewise, with its statistics; 'reset' is a fresh head by `train.seed`.
        optimizer: 'reset' it in every state, 'keep' what it remembers of the survivors, or 'rewind'
            it to what it was after the steps of `rewind`.
        carry: what objective or task take along from step to step, such as a queue: likewise. A
            second encoder, which copies weights, is set back with them where a queue is kept.
        stop: a state's training stops after so long of the schedule of `train`, whose duration may
            be that of all states; None is its end.
    """

    name: Literal["imp"] = "imp"
    rate: Fraction = 0.2
    of: Literal["survivors", "original"] = "survivors"
    first: Literal["train", "prune"] = "train"
    start: Literal["pretrained", "random"] = "pretrained"
    rewind: Rewind = "0it"
    statistics: Literal["rewind", "keep", "reset"] = "rewind"
    head: Literal["rewind", "keep", "reset"] = "rewind"
    optimizer: Literal["reset", "keep", "rewind"] = "reset"
    carry: Literal["reset", "keep", "rewind"] = "reset"
    stop: Duration | None = None
    trains = in_states = True
    unused = ("recalibrate",)

    @property
    def inherits(self) -> bool:
        """Whether weights go back to the pretrained ones."""
        untrained = self.rewind not in ("best", "none") and is_never(self.rewind)
        return self.start == "pretrained" and untrained

    def problems(self, config: DrawConfig) -> Iterator[str]:
        """Yield what cannot go together."""
        train = config.train
        if self.optimizer == "keep" and train and not train.optimizer.moments:
            yield "method.optimizer='keep' has no momentum to keep; set 'reset'"
        early = self.rewind not in ("best", "none") and not is_never(self.rewind)
        for field in ("optimizer", "carry"):
            if getattr(self, field) == "rewind" and not early:
                yield (
                    f"method.{field}='rewind' goes back to the end of early training, and method."
                    f"rewind={self.rewind!r} is none; set a duration, or {field} 'reset' or 'keep'"
                )
        if self.rewind == "best" and train and is_never(train.validate_every):
            yield "method.rewind='best' chooses by validation; set train.validate_every, say '1ep'"
        if self.rewind == "none":
            yield from self._without_rewind(config)

    def _without_rewind(self, config: DrawConfig) -> Iterator[str]:
        for field in ("statistics", "head"):
            if getattr(self, field) == "rewind":
                yield (
                    f"method.rewind='none' sets nothing back, so method.{field}='rewind' does not; "
                    "set 'keep' or 'reset'"
                )
        if config.control not in (None, "reinitialised", "weight_noise"):
            yield (
                f"control={config.control!r} gives pruned weights their values back, which "
                "method.rewind='none' leaves nowhere; rewind to some"
            )

    def states(self, sparsity: float, removed: float) -> int:
        """Return the number of trainings on the ladder."""
        states = len(states_to(sparsity, self.rate, self.of, removed))
        return states - (self.first == "prune") + (self.rewind == "best")

    def schedule(self, train: TrainConfig) -> TrainConfig:
        """Return the training up to where every state stops."""
        return train if self.stop is None else config_files.replace(train, duration=self.stop)

    def check_run(self, config: DrawConfig, steps_per_epoch: int) -> None:
        """Raise InputError unless training goes on after the rewind point."""
        own_steps(config, steps_per_epoch)

    def run(
        self,
        config: DrawConfig,
        source: StartingTicket,
        workdir: Path,
        name: str,
        devices: parallel.Devices,
    ) -> RunFolder:
        """Go down the ladder, see `iterate`."""
        return iterate(config, source, workdir, name, devices)

    def dense(
        self,
        config: DrawConfig,
        source: StartingTicket,
        workdir: Path,
        name: str,
        devices: parallel.Devices,
    ) -> StartingTicket:
        """Return the network that every state is set back to, see `rewind_point`."""
        return rewind_point(config, source, workdir, name, devices)


def iterate(
    config: DrawConfig, source: StartingTicket, workdir: Path, name: str, devices: parallel.Devices
) -> RunFolder:
    """Go down the ladder of sparsities to the one asked for; return the folder of the last state.

    Raises:
        InputError: for a sparsity of 0, which no state leads to, or one that the network has.
    """
    own = config.method
    assert isinstance(own, Imp)  # who runs it knows
    ladder = states_to(config.sparsity, own.rate, own.of, removed(source, config))
    if not ladder:
        raise InputError("sparsity=0 prunes nothing; iterative pruning needs a sparsity above 0")
    before = rewind_point(config, source, workdir, name, devices)
    for state, sparsity in enumerate(ladder, 1):
        reached = config_files.replace(config, sparsity=sparsity)
        own_name = name if state == len(ladder) else f"{name}-state{state}"
        done = draw_state(reached, before, workdir, own_name, devices)
        before = done.source
    return done
