"""Orbax as checkpoints use it: for one process alone, quiet, and with errors of the system."""

import errno
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orbax.checkpoint as ocp

_SECONDS_OF_STRAGGLERS = 0.2
UNFINISHED = ".orbax-checkpoint-tmp"  # follows the name of a checkpoint that is being written
_STORAGE = (
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.EACCES, errno.ESTALE,
)  # fmt: skip


def open_orbax(before_commit: Callable[[], None]) -> Any:
    """Return what writes and reads for this process alone.

    Args:
        before_commit: called in the thread that writes, when all files of a checkpoint are written
            under its temporary name and before it gets its own.
    """
    alone = ocp.options.MultiprocessingOptions(primary_host=0, active_processes={0})
    options = ocp.CompositeOptions(multiprocessing_options=alone)
    handler = ocp.CompositeCheckpointHandler(composite_options=options)
    then = ocp.AsyncOptions(post_finalization_callback=before_commit)
    return ocp.AsyncCheckpointer(handler, multiprocessing_options=alone, async_options=then)


@contextmanager
def as_os_error(folder: Path) -> Iterator[None]:
    """Raise what the storage under Orbax says of the system as the error that it is."""
    try:
        yield
    except Exception as error:
        time.sleep(_SECONDS_OF_STRAGGLERS)
        text = " ".join(str(error).split())
        codes = [code for code in _STORAGE if os.strerror(code) in text]
        if isinstance(error, OSError) or not codes:
            raise
        raise OSError(codes[0], f"{os.strerror(codes[0])}: {folder}") from error


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Orbax from printing tracebacks of an error that it raises as well.

    After a file could not be written, others report to an event loop that Orbax has closed.
    """
    logger, hook = logging.getLogger("absl"), sys.unraisablehook
    level = logger.level

    def drop(about: "sys.UnraisableHookArgs") -> None:
        if str(about.exc_value) != "Event loop is closed":
            hook(about)

    logger.setLevel(logging.CRITICAL)
    sys.unraisablehook = drop
    try:
        yield
    finally:
        sys.unraisablehook = hook
        logger.setLevel(level)
