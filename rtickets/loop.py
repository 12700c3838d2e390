"""The training loop: from initial weights to selected ones, resumable at every checkpoint."""

import math
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rtickets import console, parallel, preemption, snapshot, training
from rtickets.checkpoints import Checkpoints, Retention, open_checkpoints
from rtickets.config import TrainConfig, to_steps
from rtickets.data import Split, epoch_order
from rtickets.errors import InputError, NonFiniteLossError, Preempted
from rtickets.masks import Mask, Params
from rtickets.metrics import MetricsFile, open_metrics
from rtickets.snapshot import Best, Snapshot, Tally

Validate = Callable[[Params, Any], float]
_IN_FLIGHT = 2  # dispatches that may be under way before the host waits for one


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
    """

    params: Params
    batch_stats: Any
    step: int
    validation: float | None
    opt_state: Any
    seconds: float
    images_per_second: float


def steps_per_epoch(examples: int, batch_size: int) -> int:
    """Return the number of whole batches in an epoch.

    Raises:
        InputError: if there is not one.
    """
    if batch_size > examples:
        raise InputError(
            f"batch_size={batch_size} exceeds the {examples} training examples; lower it"
        )
    return examples // batch_size


def batch_indices(examples: int, batch_size: int, seed: int, start: int, stop: int) -> np.ndarray:
    """Return the examples of steps start ... stop - 1, a pure function of its arguments.

    Args:
        examples: number of training examples.
        batch_size: examples per step; the rest of an epoch that fills no batch is left out.
        seed: the run's seed.
        start: first step.
        stop: step after the last.

    Returns:
        int32 (stop - start, batch_size).
    """
    per_epoch = steps_per_epoch(examples, batch_size)
    rows = []
    for epoch in range(start // per_epoch, (stop - 1) // per_epoch + 1):
        order = epoch_order(examples, seed, epoch)[: per_epoch * batch_size]
        first = max(start - epoch * per_epoch, 0)
        rows.append(order.reshape(per_epoch, batch_size)[first : stop - epoch * per_epoch])
    return np.concatenate(rows)


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
        self.mask, self.validate, self.folder = mask, validate, folder
        self.examples = len(split)
        self.rate, *self.data = parallel.replicate(
            (jnp.float32(config.optimizer.learning_rate), split.images, split.labels),
            program.devices,
        )
        self.first = steps[0] if steps else 0
        self.stop = steps[1] if steps else None
        per_epoch = program.steps_per_epoch
        self.validate_every = to_steps(config.validate_every, per_epoch)
        self.checkpoint_every = to_steps(config.checkpoint_every, per_epoch)
        self.log_every = self.validate_every or per_epoch
        on_cpu = program.devices[0].platform == "cpu"
        self.dispatch = config.steps_per_dispatch or (1 if on_cpu else 50)

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
            Preempted: if the process was asked to stop; a checkpoint is there then.
        """
        state = training.init_state(self.program, params, batch_stats, self.mask)
        state = state._replace(step=jnp.int32(self.first))
        if opt_state is not None:
            state = state._replace(opt_state=opt_state)
        start = snapshot.begin(state, self.mask, self.config.seed)
        retention = Retention(self.config.keep_checkpoints, self.config.keep_best_checkpoints)
        with open_checkpoints(self.folder / "checkpoints", retention) as checkpoints:
            return self._train(snapshot.restore(checkpoints, start), checkpoints)

    def _train(self, now: Snapshot, checkpoints: Checkpoints) -> Outcome:
        step, total = int(now.state.step), self._last_step()
        batch = self.program.batch_size
        own = parallel.replicate((now.state, now.mask, now.key), self.program.devices)
        now = now._replace(state=own[0], mask=own[1], key=own[2])
        pending: deque[tuple[int, training.Totals]] = deque()
        with (
            open_metrics(self.folder / "metrics.jsonl", now.tally.metrics) as metrics,
            console.task(self.name, total * batch, step * batch) as task,
        ):

            def save() -> None:
                nonlocal now
                now = self._collect(now, pending)
                self._check_finite(step, now.state.params)
                now = now._replace(tally=now.tally._replace(metrics=metrics.length))
                snapshot.save(checkpoints, step, now, self._about(step))

            try:
                while True:
                    if self._ends_line(step) and now.tally.logged < step:
                        now = self._collect(now, pending)
                        now = self._log(now, step, metrics, task)
                    if self._ends_part(step):
                        save()
                    if step == total:
                        break
                    preemption.check()
                    now, step = self._dispatch(now, step, pending, task)
            except Preempted:  # a validation that was under way is done again
                if step > self.first:
                    save()
                raise
            self._check_finite(step, now.state.params)
            return self._outcome(now, step, task)

    def _outcome(self, now: Snapshot, step: int, task: console.Task) -> Outcome:
        state, best = now.state, now.best
        last = Best(best.accuracy, np.int32(step), state.params, state.batch_stats)
        chosen = best if self.config.select == "best" else last
        return Outcome(
            jax.device_get(chosen.params),
            jax.device_get(chosen.batch_stats),
            int(chosen.step),
            now.tally.validation if chosen is last else round(float(best.accuracy), 7),
            jax.device_get(state.opt_state),
            task.seconds,
            task.rate,
        )

    def _about(self, step: int) -> dict[str, Any]:
        """Return where a checkpoint is from; the place in the data follows from seed and step."""
        epoch, batch = divmod(step, self.program.steps_per_epoch)
        return {
            "stage": self.name,
            "seed": self.config.seed,
            "step": step,
            "epoch": epoch,
            "batch": batch,
        }

    def _last_step(self) -> int:
        return self.program.total_steps if self.stop is None else self.stop

    def _ends_line(self, step: int) -> bool:
        return step % self.log_every == 0 or step == self._last_step()

    def _ends_part(self, step: int) -> bool:
        inside = self.first < step < self._last_step()
        return inside and self.checkpoint_every > 0 and step % self.checkpoint_every == 0

    def _dispatch_end(self, step: int) -> int:
        """Return where the dispatch ends that begins at a step, wherever the process began."""
        periods = [period for period in (self.log_every, self.checkpoint_every) if period]
        start = max(self.first, *(step // period * period for period in periods))
        stop = min(self._last_step(), *((step // period + 1) * period for period in periods))
        length = math.ceil((stop - start) / math.ceil((stop - start) / self.dispatch))
        return min(start + ((step - start) // length + 1) * length, stop)

    def _dispatch(
        self,
        now: Snapshot,
        step: int,
        pending: deque[tuple[int, training.Totals]],
        task: console.Task,
    ) -> tuple[Snapshot, int]:
        """Begin the next steps, and wait for the totals of those a few dispatches before."""
        batch, after = self.program.batch_size, self._dispatch_end(step)
        chosen = batch_indices(self.examples, batch, self.config.seed, step, after)
        indices = parallel.shard(chosen, self.program.devices, axis=1)
        run = training.Run(now.key, self.rate)
        state, totals = training.compiled(self.program)(
            now.state, now.mask, run, *self.data, indices
        )
        pending.append((after, totals))
        task.advance((after - step) * batch)
        return self._collect(now._replace(state=state), pending, _IN_FLIGHT), after

    def _collect(
        self, now: Snapshot, pending: deque[tuple[int, training.Totals]], left: int = 0
    ) -> Snapshot:
        """Count what dispatches returned, waiting until no more than `left` are under way."""
        while len(pending) > left:
            step, totals = pending.popleft()
            if not math.isfinite(totals.loss):
                raise self._diverged(f"the loss is {float(totals.loss)}", step)
            now = now._replace(tally=now.tally.add(totals))
        return now

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

    def _log(self, now: Snapshot, step: int, metrics: MetricsFile, task: console.Task) -> Snapshot:
        """Validate, write a line of metrics, and return the best weights so far and a new tally."""
        state, best, tally = now.state, now.best, now.tally
        line: dict[str, Any] = {
            "step": step,
            "epoch": step / self.program.steps_per_epoch,
            "loss": tally.loss / tally.examples,
            "accuracy": tally.correct / tally.examples,
        }
        note = f"loss {line['loss']:.3f}"
        validation = tally.validation
        if self.validate_every:
            line["validation"] = validation = self.validate(state.params, state.batch_stats)
            note += f", validation {validation:.1%}"
            if validation > best.accuracy:
                kept = jax.device_get((state.params, state.batch_stats))
                best = Best(np.float32(validation), np.int32(step), *kept)
        metrics.write(line)
        task.note(note)
        return now._replace(best=best, tally=Tally(step, validation))
