import itertools
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtickets.errors import InputError, InUseError
from rtickets.runs import workers
from rtickets.runs.workers import ALONE, Worker, claim, parse_worker


@given(st.integers(1, 20).flatmap(lambda n: st.tuples(st.integers(0, n - 1), st.just(n))))
@settings(max_examples=15, deadline=None)
def test_a_worker_is_read_as_it_is_written(worker):
    assert parse_worker(str(Worker(*worker))) == worker


@pytest.mark.parametrize("text", ["", "1", "2/2", "-1/2", "a/b", "0/0", "1/2/3"])
def test_what_is_no_worker_is_refused(text):
    with pytest.raises(InputError, match=r"0/N to N-1/N"):
        parse_worker(text)


def recorder(order, name):
    return lambda: order.append(name)


@pytest.mark.parametrize(
    ("worker", "expected"), [((0, 1), "abcdef"), ((0, 2), "abcdef"), ((1, 2), "defabc"),
                             ((2, 3), "efabcd"), ((5, 7), "efabcd")]
)  # fmt: skip
def test_workers_begin_at_different_places_and_each_would_do_everything(worker, expected):
    order = []
    assert claim([recorder(order, name) for name in "abcdef"], Worker(*worker))
    assert "".join(order) == expected


class Shop:
    """Tasks of which some are taken for a number of rounds."""

    def __init__(self, taken):
        self.taken, self.done, self.slept = dict(taken), [], 0

    def task(self, name, folder=None):
        def do():
            if self.taken.get(name, 0) > 0:
                raise InUseError(f"{name} is in use", Path(folder or name))
            self.done.append(name)

        return do

    def sleep(self, seconds):
        assert seconds == 5.0
        self.slept += 1
        self.taken = {name: rounds - 1 for name, rounds in self.taken.items()}


def test_what_is_taken_is_left_to_others_and_tried_again(capsys):
    shop = Shop({"b": 3})
    tasks = [shop.task(name) for name in "abc"]
    assert claim(tasks, ALONE, sleep=shop.sleep)
    assert shop.done == ["a", "c", "b"]
    assert shop.slept == 3
    assert capsys.readouterr().err.count("another process is at work") == 1


def test_a_worker_leaves_when_every_task_that_is_left_has_somebody():
    shop = Shop({"b": 9, "c": 9})
    assert not claim([shop.task(name) for name in "abc"], Worker(0, 2), sleep=shop.sleep)
    assert shop.done == ["a"]
    assert shop.slept == 0


def test_a_worker_waits_where_several_tasks_need_the_same_folder():
    shop = Shop({"b": 2, "c": 2})
    tasks = [shop.task("a"), shop.task("b", "pretrain"), shop.task("c", "pretrain")]
    assert claim(tasks, Worker(0, 2), sleep=shop.sleep)
    assert shop.done == ["a", "b", "c"]
    assert shop.slept == 2


def test_other_errors_are_not_waited_for():
    def fails():
        raise InputError("no such data")

    with pytest.raises(InputError, match="no such data"):
        claim([fails], Worker(0, 2), sleep=lambda seconds: pytest.fail("waited"))


@given(st.integers(1, 4), st.integers(1, 8), st.randoms(use_true_random=False))
@settings(max_examples=15, deadline=None)
def test_together_workers_do_every_task_once(count, tasks, random):
    """A simulation: workers take turns at random, and a task holds its folder for some turns."""
    done, held = [], {}

    def begin(worker, number):
        def do():
            if number in done:
                return
            if held.get(number, worker) != worker:
                raise InUseError("taken", Path(str(number)))
            held[number] = worker
            for _ in range(random.randrange(3)):
                pause(worker)
            done.append(number)

        return do

    turns = itertools.count()

    def pause(worker):
        assert next(turns) < 10_000
        others = [other for other in waiting if other not in active]
        if others:
            run(random.choice(others))

    active, waiting, results = [], list(range(count)), {}

    def run(worker):
        active.append(worker)
        own = [begin(worker, number) for number in range(tasks)]
        results[worker] = workers.claim(own, Worker(worker, count), sleep=lambda _: pause(worker))
        active.remove(worker)
        waiting.remove(worker)

    while waiting:
        run(waiting[0])
    assert sorted(done) == list(range(tasks))
    assert any(results.values())
