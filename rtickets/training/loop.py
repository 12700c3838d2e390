"""The training loop: from initial weights to selected ones, resumable at every checkpoint."""

import math
from collections import deque
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from rtickets import masks, training
from rtickets.attacks.broken import why_broken
from rtickets.data import Split
from rtickets.errors import NonFiniteLossError, Preempted
from rtickets.masks import Mask, Params
from rtickets.platform import console, parallel, preemption, processes
from rtickets.settings.kinds import to_steps
from rtickets.storage.checkpoints import Checkpoints, Retention, open_checkpoints
from rtickets.storage.files import MetricsFile, open_metrics
from rtickets.tasks.measured import measured_if_any
from rtickets.training import resume, selection
from rtickets.training.dispatches import dispatch_end
from rtickets.training.events import Events
from rtickets.training.inputs import dispatch_length, make_feed
from rtickets.training.meeting import Compiled
from rtickets.training.observe.observer import Observer
from rtickets.training.resume import Snapshot
from rtickets.training.selection import Outcome
from rtickets.training.settings import TrainConfig
from rtickets.training.sparse_scales import SearchState
from rtickets.training.tree_arrays import Stored

Validate = Callable[[Params, Any], float]
_IN_FLIGHT = 2  # dispatches that may be under way before the host waits for one


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
        compiled: Compiled = training.compiled,
        events: Events | None = None,
    ) -> None:
        """Bind the run to its program, its data, its folder and its (first, last) steps."""
        self.program, self.config, self.name = program, config, name
        self.mask, self.validate, self.folder = mask, validate, folder
        self.events = events
        self.feed = make_feed(program, split, config.seed, compiled)
        self.alone = compiled is training.compiled
        rate = jnp.float32(config.optimizer.learning_rate)
        self.rate = parallel.replicate(rate, program.devices)
        self.first = steps[0] if steps else 0
        self.stop = steps[1] if steps else None
        per_epoch = program.steps_per_epoch
        self.validate_every = to_steps(config.validate_every, per_epoch)
        self.checkpoint_every = to_steps(config.checkpoint_every, per_epoch)
        self.log_every = self.validate_every or per_epoch
        self.dispatch = dispatch_length(config, program, self.feed)
        stop = training.make_objective(program.objective, program.task).stop
        self.judge = selection.Judge(program.task.headline, stop)
        self.observer = Observer(folder, config.observe, program.batch_size, program.devices)

    def fit(
        self,
        params: Params,
        batch_stats: Any,
        opt_state: Any = None,
        carry: Stored | None = None,
        search: SearchState | None = None,
    ) -> Outcome:
        """Train from the given weights, or from the newest checkpoint in the folder.

        Args:
            params: initial weights; pruned ones are set to zero.
            opt_state: initial state of the optimiser; None is a fresh one.
            carry: what the objective took along in another run; None is a fresh start.
            search: what a search begins with.

        Raises:
            InputError: if `carry` is that of another objective, or of another size.
            NonFiniteLossError: as soon as a loss is not finite, or at the end if no validation was;
                checkpoints stay as they are.
            Preempted: if the process was asked to stop; a checkpoint is there then.
        """
        state = training.init_state(self.program, params, batch_stats, self.mask)
        state = state._replace(step=jnp.int32(self.first))
        if opt_state is not None:
            state = state._replace(opt_state=opt_state)
        if carry is not None:
            state = state._replace(carry=self._carried(carry, state.carry))
        if search is not None:
            state = state._replace(search=search)
        start = resume.first_snapshot(state, self.mask, self.config.seed)
        retention = Retention(self.config.keep_checkpoints, self.config.keep_best_checkpoints)
        with open_checkpoints(self.folder / "checkpoints", retention) as checkpoints:
            return self._train(resume.restore(checkpoints, start), checkpoints)

    def _carried(self, stored: Stored, fresh: Any) -> Any:
        held, memory = stored.like(fresh), self.program.task.memory
        return held if memory is None or not stored.set_back else memory.set_back(held, fresh)

    def _train(self, now: Snapshot, checkpoints: Checkpoints) -> Outcome:
        step, total = int(now.state.step), self._last_step()
        batch = self.program.batch_size
        own = parallel.replicate((now.state, now.mask, now.key), self.program.devices)
        now = now._replace(state=own[0], mask=own[1], key=own[2])
        pending: deque[tuple[int, training.Totals]] = deque()
        with (
            open_metrics(self.folder / "metrics.jsonl", now.tally.metrics) as metrics,
            self.observer.watch(step, total),
            closing(self.feed),
            console.task(self.name, total * batch, step * batch) as task,
            preemption.saving(),
        ):
            if self.config.observe.profile_steps:
                run = training.RunData(now.key, self.rate)
                inputs = (now.mask, run, *self.feed.one_step(step))
                self.observer.split(self.program, now.state, *inputs)
            check = preemption.late_check(self.program.devices)
            try:
                while True:
                    if self.events is not None and self._happens(step, now, self.events):
                        now = self._changed(self._collect(now, pending), step, self.events)
                    # The line before the checkpoint, which holds how long the file of lines is.
                    if self._ends_line(step) and now.tally.logged < step:
                        now = self._collect(now, pending)
                        now = self._log(now, step, metrics, task)
                    if self._ends_part(step):
                        now = self._collect(now, pending)
                        self._save(now, step, metrics, checkpoints)
                    if step == total or now.tally.stopped is not None:
                        break
                    check()
                    now, step = self._dispatch(now, step, pending, task)
            except Preempted:  # a validation that was under way is done again
                if step > self.first:
                    self._save(self._collect(now, pending), step, metrics, checkpoints)
                    processes.on_primary(checkpoints.wait)
                raise
            self._check_finite(step, now.state.params)
            processes.on_primary(checkpoints.wait)
            return selection.outcome(self.config, self.judge, now, step, task.seconds, task.rate)

    def _happens(self, step: int, now: Snapshot, events: Events) -> bool:
        due = step in (self._last_step(), *events.once) or 0 in (step % p for p in events.periods)
        return due and step != self.first and now.tally.changed != step

    def _changed(self, now: Snapshot, step: int, events: Events) -> Snapshot:
        """Let the events of a step happen, on the host."""
        state, mask = jax.device_get((now.state, now.mask))
        state, mask = events.happen(step, self._last_step(), state, mask)
        state, mask = parallel.replicate((state, mask), self.program.devices)
        return now._replace(state=state, mask=mask, tally=now.tally._replace(changed=step))

    def _save(
        self, now: Snapshot, step: int, metrics: MetricsFile, checkpoints: Checkpoints
    ) -> None:
        """Write a checkpoint, unless its losses or weights are not finite."""
        self._check_finite(step, now.state.params)
        now = now._replace(tally=now.tally._replace(metrics=metrics.length))
        about, score = self._about(step), self._score(now, step)
        processes.on_primary(lambda: resume.save(checkpoints, step, now, about, score))
        if not self.alone:  # of several runs at once, Orbax would mix up what it is writing
            processes.on_primary(checkpoints.wait)

    def _about(self, step: int) -> dict[str, Any]:
        """Return where a checkpoint is from; the place in the data follows from seed and step."""
        epoch, batch = divmod(step, self.program.steps_per_epoch)
        where = {"step": step, "epoch": epoch, "batch": batch}
        return {"stage": self.name, "seed": self.config.seed, **where}

    def _score(self, now: Snapshot, step: int) -> float | None:
        """Return what the best checkpoints are chosen by, None where one is not among them.

        One that a stop left, and not the configuration, is not: which are the best must not depend
        on where a run was stopped.
        """
        value = now.tally.validation
        if value is None or not math.isfinite(value):
            return None
        if now.tally.logged != step or not self._ends_part(step):
            return None
        return self.judge.headline.score(value)

    def _last_step(self) -> int:
        return self.program.total_steps if self.stop is None else self.stop

    def _ends_line(self, step: int) -> bool:
        return step % self.log_every == 0 or step == self._last_step()

    def _ends_part(self, step: int) -> bool:
        inside = self.first < step < self._last_step()
        return inside and self.checkpoint_every > 0 and step % self.checkpoint_every == 0

    def _dispatch_end(self, step: int) -> int:
        every, once = (self.events.periods, self.events.once) if self.events else ((), ())
        periods = [p for p in (self.log_every, self.checkpoint_every, *every) if p]
        return dispatch_end(step, self.first, self._last_step(), periods, self.dispatch, once)

    def _dispatch(
        self,
        now: Snapshot,
        step: int,
        pending: deque[tuple[int, training.Totals]],
        task: console.CountedWork,
    ) -> tuple[Snapshot, int]:
        """Begin the next steps, and wait for the totals of those a few dispatches before."""
        after = self._dispatch_end(step)
        with self.observer.input():
            examples = self.feed.arguments(step, after)
        self.observer.dispatch(now.state, after - step)
        run = training.RunData(now.key, self.rate)
        state, totals = self.feed.compiled(now.state, now.mask, run, *examples)
        pending.append((after, totals))
        task.advance((after - step) * self.program.batch_size)
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
        if not left:
            self.observer.pause()
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

    def _why_stopped(self, step: int, before: float | None, value: float) -> str:
        name, say = self.judge.headline.name, self.judge.headline.say
        was = "nothing" if before is None else say(before)
        under = " under attack" if self.config.validation_attack else ""
        return (
            f"{self.name}: stopped at step {step}, as validation {name}{under} went from "
            f"{was} to {say(value)}; the weights are from before"
        )

    def _log(
        self, now: Snapshot, step: int, metrics: MetricsFile, task: console.CountedWork
    ) -> Snapshot:
        """Validate, write a line of metrics, and begin the next."""
        tally = now.tally
        line: dict[str, Any] = {
            "step": step,
            "epoch": step / self.program.steps_per_epoch,
            "loss": tally.loss / tally.examples,
        }
        measured = measured_if_any(self.program.task, tally.arrays)
        line |= {name: float(each.value) for name, each in measured.items()}
        if tally.broken:
            line["broken_gradients"] = tally.broken
            if not tally.broken_before:
                weak = f"what it is trained on by step {step} is weaker than it should be"
                console.say(f"{self.name}: {why_broken(tally.broken, tally.examples, weak)}")
        note = f"loss {line['loss']:.3f}"
        if self.validate_every:
            # Before the line is written: a request to stop ends it, and then it is done again.
            params, batch_stats = training.selected(now.state)
            if self.program.masked != "zero":
                params = masks.apply(now.mask, params)
            value = self.validate(params, batch_stats)
            now = selection.validated(self.config, self.judge, now, step, value)
            line["validation"] = value
            note += f", validation {self.judge.headline.say(value)}"
            if self.judge.stop and now.tally.stopped is not None:
                line[self.judge.stop.name] = True
                console.say(self._why_stopped(step, now.tally.before, value))

        def write() -> None:
            metrics.write(line)
            self.observer.log(line)

        processes.on_primary(write)
        task.note(note)
        return now._replace(tally=now.tally.next_line(step))
