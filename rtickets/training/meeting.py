"""Runs side by side, whose steps are taken as one.

Every run goes its own way in a thread of its own, as if it were alone: its data, validation,
checkpoints and end. Only where it would take its next steps it waits until all others want to
take theirs, too, and then one program takes those of all: the ordinary step under `vmap`. So a
run that is resumed may be at another step than its neighbours, and one that ends or fails leaves.

One at a time is on its way, all others wait: neither files nor what is compiled is anybody else's
business, and what two of them would do at once is done in turns. Their work is taking steps.

The program is always for the same number of runs, each in its place. Where there are fewer, as
towards the end, one of them stands in for those that are missing, and what it does there is not
looked at: numbers would differ in rounding with the number of runs otherwise.
"""

import threading
from collections.abc import Callable, Sequence
from contextvars import copy_context
from functools import partial
from typing import Any

import jax

from rtickets.errors import InputError, Preempted
from rtickets.platform import preemption
from rtickets.storage import orbax_files
from rtickets.training.dispatch import compiled_together
from rtickets.training.program import Program

Compiled = Callable[[Program], Any]


class _Asked:
    """Steps that a run wants to take, and what becomes of them."""

    def __init__(self, place: int, program: Program, arguments: tuple[Any, ...]) -> None:
        shapes = jax.tree.map(lambda leaf: (leaf.shape, str(leaf.dtype)), arguments)
        self.kind = (program, str(shapes))
        self.place, self.program, self.arguments = place, program, arguments
        self.found: Any = None
        self.error: BaseException | None = None
        self.done = False


class Meeting:
    """Where the runs of several threads meet."""

    def __init__(self, size: int) -> None:
        """Open a meeting of so many runs at most."""
        if size < 1:
            raise InputError(f"a meeting of {size} runs; give at least 1")
        self._size, self._present = size, 0
        self._asked: list[_Asked] = []
        self._over = False
        self._changed = threading.Condition()

    def run(self, works: Sequence[Callable[[Compiled], Any]]) -> list[BaseException | None]:
        """Do works side by side, and return what each raised, or None.

        Args:
            works: as many as the meeting has room for. Each is given what it takes its steps by, in
                the place of `rtickets.training.compiled`.

        An exception that comes meanwhile, as of the keyboard, is raised when all have ended, which
        they do, saved, where they would take their next steps.
        """
        if len(works) > self._size:
            raise InputError(f"{len(works)} runs for a meeting of {self._size}")
        raised: list[BaseException | None] = [None] * len(works)
        # Not `join`: before Python 3.13, one that was broken off takes its thread for ended.
        ended = [threading.Event() for _ in works]

        def attend(place: int) -> None:
            with self._changed:
                try:
                    works[place](partial(self._compiled, place))
                except BaseException as error:  # whatever it is, whoever waits for all is told
                    raised[place] = error
                finally:
                    self._present -= 1
                    self._changed.notify_all()
            ended[place].set()

        self._present = len(works)
        threads = [
            threading.Thread(target=copy_context().run, args=(attend, place))
            for place in range(len(works))
        ]
        # Each saves itself where it is asked to stop. What Orbax is kept from saying ends with them
        # all: they do not end in the order that they began in.
        with preemption.saving(), orbax_files.quiet():
            try:
                for thread in threads:
                    thread.start()
                for event in ended:
                    event.wait()
            except BaseException:
                self._over = True
                with self._changed:
                    self._changed.notify_all()
                for thread, event in zip(threads, ended, strict=True):
                    if thread.ident is not None:
                        event.wait()
                raise
        return raised

    def _compiled(self, place: int, program: Program) -> Callable[..., Any]:
        return lambda *arguments: self._steps(_Asked(place, program, arguments))

    def _steps(self, own: _Asked) -> Any:
        """Take the steps of a run with those of the others that are there."""
        self._asked.append(own)
        self._changed.notify_all()
        while not own.done:
            if self._over:
                raise Preempted("interrupted beside other runs")
            if len(self._asked) >= self._present:  # all are waiting, so this one does it
                self._take()
                self._changed.notify_all()
            else:
                self._changed.wait()  # others go on meanwhile
        if own.error is not None:
            raise own.error
        return own.found

    def _take(self) -> None:
        """Take all steps that are asked for, those of a kind as one."""
        kinds = {each.kind: each.program for each in self._asked}
        for kind, program in kinds.items():
            alike = {each.place: each for each in self._asked if each.kind == kind}
            stand_in = next(iter(alike.values()))
            filled = [alike.get(place, stand_in) for place in range(self._size)]
            try:
                lists = zip(*(each.arguments for each in filled), strict=True)
                found = compiled_together(program)(*map(list, lists))
                for place, each in alike.items():
                    each.found = found[place]
            except Exception as error:  # each of them met it
                for each in alike.values():
                    each.error = error
            for each in alike.values():
                each.done = True
        self._asked = []
