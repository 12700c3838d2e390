"""The training loop: from initial weights to selected ones, resumable at every checkpoint."""

import math
from collections import deque
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rtickets import console, parallel, processes, training
from rtickets.checkpoints import Checkpoints, open_checkpoints
from rtickets.config import TrainConfig, to_steps
from rtickets.data import Split
from rtickets.errors import NonFiniteLossError
from rtickets.feed import make_feed
from rtickets.masks import Mask, Params
from rtickets.metrics import MetricsFile, open_metrics
from rtickets.objectives.fast import has_collapsed
from rtickets.observe import Observer

Validate = Callable[[Params, Any], float]
_IN_FLIGHT = 2  # dispatches that may be under way before the host waits for one


class Best(NamedTuple):
    """The best weights so far by validation accuracy; -1 before the first validation."""

    accuracy: Any
    step: Any
    params: Params
    batch_stats: Any


class Outcome(NamedTuple):
    """What a run ends with.

    Attributes:
        params: the selected weights, on the host.
        batch_stats: their normalisation statistics.
        step: the step they come from.
        validation: their validation accuracy, or None where none was measured.
        opt_state: state of the optimiser after the last step, on the host.
        seconds: wall-clock time of this process's part of the run.
        images_per_second: throughput of that part, compilation included.
        collapsed: the step at which fast training collapsed and was stopped, or None.
    """

    params: Params
    batch_stats: Any
    step: int
    validation: float | None
    opt_state: Any
    seconds: float
    images_per_second: float
    collapsed: int | None = None


def _of_primary(
    state: training.TrainState, best: Best, meta: dict[str, Any]
) -> tuple[training.TrainState, Best, dict[str, Any]]:
    """Return where the primary process is: initialised or, since it alone reads, restored."""
    state, best = parallel.broadcast((state, best))
    return state, best, processes.on_primary(lambda: meta)


class Loop:
    """One run. `fit` drives it; the other methods are its parts."""

    def __init__(
        self,
        program: training.Program,
        config: TrainConfig,
        split: Split,
        mask: Mask,
        validate: Validate,
        folder: Path,
        name: str,
        steps: tuple[int, int] | None = None,
    ) -> None:
        """Bind the run to its program, its data, its folder and its (first, last) steps."""
        self.program, self.config, self.name = program, config, name
        self.validate, self.folder = validate, folder
        self.feed = make_feed(program, split, config.seed)
        run = training.Run(jax.random.key(config.seed), jnp.float32(config.optimizer.learning_rate))
        self.run, self.mask = parallel.replicate((run, mask), program.devices)
        self.first = steps[0] if steps else 0
        self.stop = steps[1] if steps else None
        per_epoch = program.steps_per_epoch
        self.validate_every = to_steps(config.validate_every, per_epoch)
        self.checkpoint_every = to_steps(config.checkpoint_every, per_epoch)
        self.log_every = self.validate_every or per_epoch
        on_cpu = program.devices[0].platform == "cpu"
        self.dispatch = config.steps_per_dispatch or (1 if on_cpu else self.feed.steps_per_dispatch)
        self.observer = Observer(folder, config.observe, program.batch_size, program.devices)

    def fit(self, params: Params, batch_stats: Any, opt_state: Any = None) -> Outcome:
        """Train from the given weights, or from the newest checkpoint in the folder.

        Args:
            params: initial weights; pruned ones are set to zero.
            batch_stats: initial normalisation statistics.
            opt_state: initial state of the optimiser; None is a fresh one.

        Returns:
            The selected weights.

        Raises:
            NonFiniteLossError: as soon as a loss is not finite; checkpoints stay as they are.
        """
        state = training.init_state(self.program, params, batch_stats, self.mask)
        state = state._replace(step=jnp.int32(self.first))
        if opt_state is not None:
            state = state._replace(opt_state=opt_state)
        best = Best(np.float32(-1), np.int32(0), state.params, state.batch_stats)
        meta: dict[str, Any] = {"metrics": 0, "loss": 0.0, "correct": 0, "examples": 0}
        if not self.checkpoint_every:
            return self._train(*_of_primary(state, best, meta), None)
        with open_checkpoints(self.folder / "checkpoints") as checkpoints:
            newest = checkpoints.latest_step()
            if newest is not None:
                (state, best), meta = checkpoints.restore(newest, (state, best))
            return self._train(*_of_primary(state, best, meta), checkpoints)

    def _train(
        self,
        state: training.TrainState,
        best: Best,
        meta: dict[str, Any],
        checkpoints: Checkpoints | None,
    ) -> Outcome:
        step, total = int(state.step), self._last_step()
        batch = self.program.batch_size
        state = parallel.replicate(state, self.program.devices)
        with (
            open_metrics(self.folder / "metrics.jsonl", meta["metrics"]) as metrics,
            self.observer.watch(step, total),
            closing(self.feed),
            console.task(self.name, total * batch, step * batch) as task,
        ):
            if self.config.observe.profile_steps:
                fixed = (self.mask, self.run, *self.feed.one_step(step))
                self.observer.split(self.program, state, *fixed)
            while step < total and "collapsed" not in meta:
                stop = self._next_event(step)
                state = self._advance(state, step, stop, meta, task)
                step = stop
                if step % self.log_every == 0 or step == total:
                    best = self._log(state, step, best, meta, metrics, task)
                if checkpoints and step % self.checkpoint_every == 0 and step < total:
                    self._check_finite(step, state.params)
                    meta["metrics"] = metrics.length
                    checkpoints.save(step, (state, best), dict(meta))
            self._check_finite(step, state.params)
            last = Best(best.accuracy, np.int32(step), *training.selected(state))
            chosen = best if self.config.select == "best" or "collapsed" in meta else last
            return Outcome(
                jax.device_get(chosen.params),
                jax.device_get(chosen.batch_stats),
                int(chosen.step),
                meta.get("validation") if chosen is last else round(float(best.accuracy), 7),
                jax.device_get(state.opt_state),
                task.seconds,
                task.rate,
                meta.get("collapsed"),
            )

    def _next_event(self, step: int) -> int:
        periods = [self.log_every, self.checkpoint_every]
        stops = [(step // period + 1) * period for period in periods if period]
        return min(*stops, self._last_step())

    def _last_step(self) -> int:
        return self.program.total_steps if self.stop is None else self.stop

    def _advance(
        self,
        state: training.TrainState,
        start: int,
        stop: int,
        meta: dict[str, Any],
        task: console.Task,
    ) -> training.TrainState:
        """Run the steps start ... stop - 1 and add their totals to `meta`."""
        batch = self.program.batch_size
        length = math.ceil((stop - start) / math.ceil((stop - start) / self.dispatch))
        pending: deque[tuple[int, training.Totals]] = deque()
        for first in range(start, stop, length):
            after = min(first + length, stop)
            with self.observer.input():
                examples = self.feed.arguments(first, after)
            self.observer.dispatch(state, after - first)
            state, totals = self.feed.compiled(state, self.mask, self.run, *examples)
            pending.append((after, totals))
            task.advance((after - first) * batch)
            if len(pending) > _IN_FLIGHT:
                self._collect(*pending.popleft(), meta)
        for done in pending:
            self._collect(*done, meta)
        self.observer.pause()
        return state

    def _collect(self, step: int, totals: training.Totals, meta: dict[str, Any]) -> None:
        if not math.isfinite(totals.loss):
            raise self._diverged(f"the loss is {float(totals.loss)}", step)
        meta["loss"] += float(totals.loss)
        meta["correct"] += int(totals.correct)
        meta["examples"] += int(totals.examples)

    def _check_finite(self, step: int, params: Params) -> None:
        """Look at the weights themselves: a loss is that of the weights before its step."""
        if not all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(params)):
            raise self._diverged("weights are not finite", step)

    def _diverged(self, what: str, step: int) -> NonFiniteLossError:
        kept = "its earlier checkpoints are kept" if self.checkpoint_every else "nothing is kept"
        return NonFiniteLossError(
            f"{self.name}: {what} by step {step}; {kept} in {self.folder}. Lower "
            "train.optimizer.learning_rate or add a warmup"
        )

    def _log(
        self,
        state: training.TrainState,
        step: int,
        best: Best,
        meta: dict[str, Any],
        metrics: MetricsFile,
        task: console.Task,
    ) -> Best:
        """Write a line of metrics, validate, and return the best weights so far."""
        line: dict[str, Any] = {
            "step": step,
            "epoch": step / self.program.steps_per_epoch,
            "loss": meta["loss"] / meta["examples"],
            "accuracy": meta["correct"] / meta["examples"],
        }
        meta.update(loss=0.0, correct=0, examples=0)
        note = f"loss {line['loss']:.3f}"
        if self.validate_every:
            weights = training.selected(state)
            accuracy = self.validate(*weights)
            if self._has_collapsed(accuracy, step, meta):
                line["collapsed"] = True
            elif accuracy > best.accuracy or self._keeps_last():
                best = Best(np.float32(accuracy), np.int32(step), *jax.device_get(weights))
            line["validation"] = meta["validation"] = accuracy
            note += f", validation {accuracy:.1%}"
        metrics.write(line)
        self.observer.log(line)
        task.note(note)
        return best

    def _has_collapsed(self, accuracy: float, step: int, meta: dict[str, Any]) -> bool:
        """Tell whether fast training has collapsed since the validation before, and note it."""
        objective, before = self.config.objective, meta.get("validation")
        if objective.name != "fast" or not has_collapsed(before, accuracy, objective.collapse):
            return False
        meta["collapsed"] = step
        console.say(
            f"{self.name}: stopped at step {step}, as validation accuracy under PGD fell from "
            f"{before:.1%} to {accuracy:.1%}; the weights are from before"
        )
        return True

    def _keeps_last(self) -> bool:
        """Tell whether `Best` holds the last validated weights, to go back to after a collapse."""
        return self.config.objective.name == "fast" and self.config.select == "last"
