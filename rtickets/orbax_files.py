"""Orbax as checkpoints use it: for one process alone, quiet, and with errors of the system."""

import errno
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orbax.checkpoint as ocp

_STORAGE = (
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.EACCES, errno.ESTALE,
)  # fmt: skip


def open_orbax() -> Any:
    """Return what writes and reads for this process alone."""
    alone = ocp.options.MultiprocessingOptions(primary_host=0, active_processes={0})
    options = ocp.CompositeOptions(multiprocessing_options=alone)
    handler = ocp.CompositeCheckpointHandler(composite_options=options)
    return ocp.AsyncCheckpointer(handler, multiprocessing_options=alone)


@contextmanager
def as_os_error(folder: Path) -> Iterator[None]:
    """Raise what the storage under Orbax says of the system as the error that it is."""
    try:
        yield
    except Exception as error:
        text = " ".join(str(error).split())
        codes = [code for code in _STORAGE if os.strerror(code) in text]
        if isinstance(error, OSError) or not codes:
            raise
        raise OSError(codes[0], f"{os.strerror(codes[0])}: {folder}") from error


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Orbax from logging tracebacks of errors that it raises as well."""
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)
