"""Several stages that are run as one, each with its own folder.

What comes of a stage must not depend on which of the others were done already, or rounding would
differ from one start of a study to another. So they are computed all, or none: those that are done,
or that failed, are computed beside those that are left, and not written again.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, suppress
from functools import partial

from rtickets.errors import NonFiniteLossError
from rtickets.platform import processes
from rtickets.runs.begun import begun
from rtickets.runs.folders import Body, RunFolder, run_body, settled


def run_together(
    folders: Sequence[RunFolder], compute: Callable[[Sequence[bool]], Iterable[tuple[int, Body]]]
) -> None:
    """Run all stages that are not done yet, unless another process is at one of them.

    A stage that fails is remembered as failed, as in `run_once`, and leaves the others as they are.

    Args:
        folders: of the stages, each of `folder_of`.
        compute: (which of them are left) -> (place, what writes into that stage's folder and
            returns its result), as soon as that is known; of stages that it leaves out nothing
            becomes, and bodies of others than are left are not called.

    Raises:
        InUseError: if another process is at work in one of the folders.
        ChangedError: as `run_once` does, for any of them.
        Preempted: if the process was asked to stop.
    """
    looked_at = [settled(folder) for folder in folders]
    open_ = [folder for folder, complete, failed in looked_at if not complete and failed is None]
    with ExitStack() as stack:
        for folder in open_:
            processes.on_primary(partial(_hold, stack, folder))
        # by another process, a moment ago
        done = processes.on_primary(lambda: [folder.complete for folder, _, _ in looked_at])
        left = [
            not then and not now and failed is None
            for (_, then, failed), now in zip(looked_at, done, strict=True)
        ]
        if not any(left):
            return
        for place, body in compute(left):
            if left[place]:
                with suppress(NonFiniteLossError):  # its folder remembers
                    run_body(looked_at[place][0], body)


def _hold(stack: ExitStack, folder: RunFolder) -> None:
    stack.enter_context(begun(folder.path, folder.config))
