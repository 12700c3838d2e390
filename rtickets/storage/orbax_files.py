"""Orbax as checkpoints use it: for one process alone, quiet, and with errors of the system."""

import errno
import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import orbax.checkpoint as ocp

from rtickets.storage import guarded
from rtickets.storage.checkpoint_contents import Arrays

_SECONDS_OF_STRAGGLERS = 0.2
_AT_ONCE = 2**28  # bytes that are read back at once


def open_orbax(before_commit: Callable[[], None]) -> Any:
    """Return what writes and reads for this process alone.

    Args:
        before_commit: called in the thread that writes, when all files of a checkpoint are written
            under its temporary name and before it gets its own.
    """
    options = ocp.CompositeOptions(multiprocessing_options=_alone())
    handler = ocp.CompositeCheckpointHandler(composite_options=options)
    then = ocp.AsyncOptions(post_finalization_callback=before_commit)
    return ocp.AsyncCheckpointer(handler, multiprocessing_options=_alone(), async_options=then)


def _alone() -> Any:
    return ocp.options.MultiprocessingOptions(primary_host=0, active_processes={0})


def check_readable(folder: Path, arrays: Arrays) -> None:
    """Read arrays by path back, in parts, and compare them with those that were to be written.

    Raises:
        OSError: if anything cannot be read, or differs.
    """
    handler = ocp.PyTreeCheckpointHandler(multiprocessing_options=_alone())
    with ocp.Checkpointer(handler, multiprocessing_options=_alone()) as reader:
        for part in _parts(arrays):
            try:
                found = reader.restore(
                    folder, args=ocp.args.PyTreeRestore(item=part, partial_restore=True)
                )
            except (OSError, MemoryError):
                raise
            except Exception as error:  # whatever Orbax and TensorStore trip over
                raise _unreadable(folder, str(error)) from error
            for name, array in part.items():
                if not _equal(np.asarray(found[name]), array):
                    raise _unreadable(folder, f"{name} is not what was written")


def _parts(arrays: Arrays) -> Iterator[Arrays]:
    part: Arrays = {}
    for name, array in arrays.items():
        if part and sum(one.nbytes for one in part.values()) + array.nbytes > _AT_ONCE:
            yield part
            part = {}
        part[name] = array
    if part:
        yield part


def _equal(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two arrays are the same bit for bit; as numbers, no NaN equals itself."""
    if (a.dtype, a.shape) != (b.dtype, b.shape):
        return False
    x, y = (np.ascontiguousarray(array).reshape(-1).view(np.uint8) for array in (a, b))
    return np.array_equal(x, y)


def _unreadable(folder: Path, why: str) -> OSError:
    words = " ".join(why.split())[:300]
    return OSError(errno.EIO, f"a checkpoint that was written cannot be read ({words}): {folder}")


@contextmanager
def as_os_error(folder: Path) -> Iterator[None]:
    """Raise what the storage under Orbax says of the system as the error that it is."""
    try:
        with guarded.as_os_error(folder):
            yield
    except Exception:
        time.sleep(_SECONDS_OF_STRAGGLERS)  # what they say falls into `quiet`, see there
        raise


def _is_not_of_orbax(record: logging.LogRecord) -> bool:
    message = record.getMessage()
    return not ("never retrieved" in message and ("OCDBT" in message or "orbax" in message))


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Orbax from printing tracebacks of an error that it raises as well.

    After a file could not be written, others report to an event loop that Orbax has closed, and
    those that nobody asks for any more are reported when they are cleared away, maybe at the end.
    """
    logging.getLogger("asyncio").addFilter(_is_not_of_orbax)
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
