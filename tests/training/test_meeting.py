"""Runs whose steps are taken together are those that take them alone."""

import signal
import threading
import time

import chex
import jax
import numpy as np
import pytest

from rtickets import masks, training
from rtickets.config import OptimizerConfig, TrainConfig
from rtickets.draw import draw_omp
from rtickets.errors import InputError, NonFiniteLossError, Preempted
from rtickets.platform import parallel
from rtickets.settings import config_files
from rtickets.storage.files import read_metrics
from rtickets.training.loop import Loop
from rtickets.training.meeting import Meeting

CONFIG = TrainConfig(
    optimizer=OptimizerConfig(learning_rate=0.05, weight_decay=0.01, schedule="cosine"),
    duration="6it", batch_size=8, validate_every="2it", checkpoint_every="2it",
)  # fmt: skip


class Killed(Exception):
    """What a test stops a run with."""


@pytest.fixture
def loop_of(small, tmp_path, objectives):
    """Return a function that makes the loop of a run, which differs in mask, seed and rate."""

    def make(name, number, compiled=training.compiled, objective="natural", rate=0.05, kill=0):
        changes = {"seed": number, "optimizer__learning_rate": rate}
        config = config_files.replace(CONFIG, **changes)
        program = small.program(
            model=small.model, objective=objectives[objective], optimizer=CONFIG.optimizer,
            total_steps=6, steps_per_epoch=6, batch_size=8, devices=parallel.local_devices(1),
        )  # fmt: skip
        mask = draw_omp(small.params, 0.3 * number) if number else masks.full(small.params)
        calls = []

        def validate(params, stats):
            calls.append(0)
            if len(calls) == kill:
                raise Killed
            return float(np.abs(params["head"]["kernel"]).sum())

        folder = tmp_path / f"{name}{number}"
        folder.mkdir(exist_ok=True)
        where = folder, f"{name}{number}"
        return Loop(program, config, small.split, mask, validate, *where, compiled=compiled)

    return make


def fits(loop_of, small, outcomes, name, numbers, size=None, **options):
    """Run loops in a meeting; their outcomes go where they are asked for."""

    def work(number):
        def run(compiled):
            own = {key: value.get(number, 0) for key, value in options.items()}
            own = {key: value for key, value in own.items() if value}
            outcomes[number] = loop_of(name, number, compiled, **own).fit(
                small.params, small.batch_stats
            )

        return run

    return Meeting(size or len(numbers)).run([work(number) for number in numbers])


@pytest.mark.parametrize("objective", ["natural", "pgd"])
def test_masks_seeds_and_rates_together_are_each_alone(loop_of, small, tmp_path, objective):
    outcomes, numbers = {}, (0, 1, 2)
    named, rates = dict.fromkeys(numbers, objective), {0: 0.05, 1: 0.1, 2: 0.05}
    raised = fits(loop_of, small, outcomes, "met", numbers, size=4, objective=named, rate=rates)
    assert raised == [None] * 3
    for number in numbers:
        alone = loop_of("alone", number, objective=objective, rate=rates[number])
        own = alone.fit(small.params, small.batch_stats)
        found = outcomes[number]
        chex.assert_trees_all_close(found.params, own.params, rtol=1e-4, atol=1e-5)
        chex.assert_trees_all_close(found.batch_stats, own.batch_stats, rtol=1e-4, atol=1e-5)
        chex.assert_trees_all_equal(
            jax.tree.map(lambda leaf: leaf == 0, found.params["stem_conv"]),
            jax.tree.map(lambda leaf: leaf == 0, own.params["stem_conv"]),
        )
        assert found.step == own.step
        lines = [
            read_metrics(tmp_path / f"{name}{number}" / "metrics.jsonl")
            for name in ("met", "alone")
        ]
        for one, other in zip(*lines, strict=True):
            assert one == pytest.approx(other, rel=1e-3)


def test_one_that_diverges_leaves_the_others_as_they_are(loop_of, small):
    whole, outcomes = {}, {}
    fits(loop_of, small, whole, "whole", (0, 1))
    raised = fits(loop_of, small, outcomes, "met", (0, 1), rate={1: 1e30})
    assert raised[0] is None
    assert isinstance(raised[1], NonFiniteLossError)
    chex.assert_trees_all_equal(outcomes[0].params, whole[0].params)


def test_runs_that_are_killed_at_different_steps_end_bit_equal(loop_of, small, tmp_path):
    whole, outcomes, numbers = {}, {}, (0, 1, 2)
    fits(loop_of, small, whole, "whole", numbers)
    raised = fits(loop_of, small, outcomes, "killed", numbers, kill={0: 2, 1: 3})
    assert [type(each) for each in raised] == [Killed, Killed, type(None)]
    fits(loop_of, small, outcomes, "killed", (0, 1), size=3)
    for number in numbers:
        chex.assert_trees_all_equal(outcomes[number].params, whole[number].params)
        files = [tmp_path / f"{name}{number}" / "metrics.jsonl" for name in ("whole", "killed")]
        assert files[0].read_bytes() == files[1].read_bytes()


def test_what_fails_in_the_common_program_is_raised_in_each(loop_of, small, monkeypatch):
    def broken(program):
        raise RuntimeError("RESOURCE_EXHAUSTED: out of memory")

    monkeypatch.setattr("rtickets.training.meeting.compiled_together", broken)
    raised = fits(loop_of, small, {}, "met", (0, 1))
    assert [str(each)[:18] for each in raised] == ["RESOURCE_EXHAUSTED"] * 2


def test_a_request_to_stop_reaches_all_and_each_is_saved(loop_of, small, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr("rtickets.platform.preemption.heard", lambda: len(asked) > 3)
    monkeypatch.setattr("rtickets.platform.preemption._NOTICE", _Always())

    def work(number):
        def run(compiled):
            def counted(program):
                step = compiled(program)

                def call(*arguments):
                    asked.append(number)
                    return step(*arguments)

                return call

            loop_of("met", number, counted).fit(small.params, small.batch_stats)

        return run

    raised = Meeting(2).run([work(0), work(1)])
    assert [type(each) for each in raised] == [Preempted, Preempted]
    for number in (0, 1):
        assert list((tmp_path / f"met{number}" / "checkpoints").iterdir())


@pytest.mark.parametrize("number", [1, 3])
def test_an_interrupt_ends_all_runs_before_it_is_raised(number, monkeypatch):
    """As of the keyboard in a notebook, where nothing of ours hears signals."""

    def together(program):
        time.sleep(0.01)
        return lambda *lists: lists[0]

    monkeypatch.setattr("rtickets.training.meeting.compiled_together", together)
    asked, ended, main = [], [], threading.main_thread().ident

    def work(compiled):
        try:
            for step in range(300):
                compiled("program")(np.float32(step))
                if step == 5 and not asked:
                    asked.append(signal.pthread_kill(main, signal.SIGINT))
        except Preempted as error:
            time.sleep(
                0.2
            )  # as it takes to save; `Thread.join` would be over before, once broken off
            ended.append(error)
            raise

    # A shell's background processes ignore it, and so would these tests among them.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            Meeting(number).run([work] * number)
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(ended) == number


class _Always:
    """A notice that is there, in the place of the context's."""

    def get(self):
        return self

    saving = 0


def test_more_runs_than_there_is_room_for_are_refused():
    with pytest.raises(InputError, match="2 runs for a meeting of 1"):
        Meeting(1).run([print, print])
