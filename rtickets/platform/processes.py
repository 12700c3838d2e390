"""Several processes of one run, on one or many hosts: how they start, agree and share work.

All processes execute the same program. The primary decides and writes; the others learn what it
decided from here, so that they never diverge. With one process everything here is free.
"""

import contextlib
import json
import os
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from rtickets.errors import InputError, InUseError, LostError, RefusedError, StorageError

_CHUNK = 2**26  # bytes that a process contributes to one exchange
# What all processes raise that one has met, the special before the general.
_KINDS: dict[str, type[InputError | OSError]] = {
    kind.__name__: kind
    for kind in (LostError, InUseError, InputError, RefusedError, StorageError, OSError)
}
_ADDRESS, _ID, _COUNT = "JAX_COORDINATOR_ADDRESS", "JAX_PROCESS_ID", "JAX_NUM_PROCESSES"


def initialise(
    coordinator: str | None = None,
    process_id: int | None = None,
    num_processes: int | None = None,
    *,
    seconds_to_start: int = 300,
    heartbeat_seconds: int = 100,
) -> None:
    """Join the other processes; call it before anything else uses JAX.

    What is not given is taken from JAX_COORDINATOR_ADDRESS, JAX_PROCESS_ID and JAX_NUM_PROCESSES,
    or found out by `jax.distributed.initialize` from SLURM, Open MPI, a TPU pod or Kubernetes.

    Args:
        coordinator: 'HOST:PORT' of process 0, the primary.
        process_id: this process, 0 ... num_processes - 1.
        num_processes: how many there are.
        seconds_to_start: how long to wait for the others; then the process ends with status 2.
        heartbeat_seconds: when a process that answers no more counts as dead, which ends all.

    Raises:
        InputError: for settings that are missing, out of range or come too late.
    """
    coordinator = coordinator or os.environ.get(_ADDRESS)
    process_id = _from_environment(_ID) if process_id is None else process_id
    num_processes = _from_environment(_COUNT) if num_processes is None else num_processes
    _check_settings(coordinator, process_id, num_processes)
    with contextlib.suppress(AttributeError):  # JAX's own service would swallow SIGTERM
        jax.config.update("jax_enable_preemption_service", False)
    where = coordinator or "the coordinator of the cluster"
    # JAX aborts the process after its own timeout, with a stack of C++ functions.
    watchdog = threading.Timer(seconds_to_start, _give_up, (where, num_processes, seconds_to_start))
    watchdog.daemon = True
    watchdog.start()
    try:
        jax.distributed.initialize(
            coordinator, num_processes, process_id,
            initialization_timeout=seconds_to_start + 60,
            heartbeat_timeout_seconds=heartbeat_seconds,
        )  # fmt: skip
    except (RuntimeError, ValueError) as error:
        raise InputError(
            f"cannot join the other processes: {str(error).splitlines()[0].rstrip('.')}; outside "
            "of SLURM, TPU pods and Kubernetes give --coordinator=HOST:PORT, --process-id and "
            "--num-processes"
        ) from None
    finally:
        watchdog.cancel()


def _from_environment(name: str) -> int | None:
    text = os.environ.get(name)
    if text is not None and not text.isdecimal():
        raise InputError(f"{name}={text!r} in the environment is not a number")
    return None if text is None else int(text)


def _check_settings(
    coordinator: str | None, process_id: int | None, num_processes: int | None
) -> None:
    if coordinator is not None:
        host, _, port = coordinator.rpartition(":")
        if not host or not port.isdecimal():
            raise InputError(f"coordinator={coordinator!r} is not HOST:PORT, as node0:1234")
    if num_processes is not None and num_processes < 1:
        raise InputError(f"num_processes={num_processes} must be at least 1")
    if process_id is not None and num_processes is not None and process_id >= num_processes:
        raise InputError(
            f"process_id={process_id} does not exist among {num_processes} processes; count from 0"
        )


def _give_up(where: str, num_processes: int | None, seconds: int) -> None:
    count = "all" if num_processes is None else num_processes
    print(
        f"rtickets: waited {seconds} s for {count} processes to meet at {where}; start every one, "
        "with the same coordinator and a process id of its own, or wait longer with "
        "--start-timeout=SECONDS",
        file=sys.stderr,
        flush=True,
    )
    os._exit(2)


def is_primary() -> bool:
    """Return whether this process is the one that decides and writes files."""
    return jax.process_index() == 0


def broadcast(tree: Any) -> Any:
    """Return the primary process's pytree of host arrays in every process.

    Structure, shapes and dtypes are the same in every process.
    """
    if jax.process_count() == 1:
        return tree
    return multihost_utils.broadcast_one_to_all(tree)


def any_process(flag: bool) -> bool:
    """Return whether the flag is set in any process, as when one of them is told to stop."""
    return bool(gather(np.asarray(flag)).any())


def on_primary(fn: Callable[[], Any]) -> Any:
    """Run a function in the primary process alone and return its result in every process.

    Args:
        fn: returns something that JSON can hold. InputError and OSError, as for a full disk, and
            what `_KINDS` has of them are raised in every process if it raises one.
    """
    if jax.process_count() == 1:
        return fn()
    text = ""
    raised: Exception | None = None
    if is_primary():
        try:
            text = json.dumps(["result", fn()])
        except (InputError, OSError) as error:
            raised = error
            name = next(name for name, kind in _KINDS.items() if isinstance(error, kind))
            about = [str(getattr(error, "folder", "")), getattr(error, "seconds", 0.0)]
            text = json.dumps([name, [str(error), *about]])
    name, value = json.loads(_exchange(text)[0])
    if raised is not None:
        raise raised
    if name == "result":
        return value
    message, folder, seconds = value
    kind = _KINDS[name]
    if issubclass(kind, InUseError):
        raise kind(message, Path(folder), seconds)
    raise kind(message)


def check_agreement(about: str, values: Mapping[str, Any]) -> None:
    """Raise InputError in every process if any two were given different values.

    It is for before they wait for each other in vain.

    Args:
        about: what it is, for the error message.
        values: anything that JSON can hold, by name.
    """
    if jax.process_count() == 1:
        return
    first, *others = (json.loads(text) for text in _exchange(json.dumps(dict(values), default=str)))
    for number, other in enumerate(others, 1):
        if other != first:
            names = [name for name in {**first, **other} if first.get(name) != other.get(name)]
            differences = (
                f"{name}={first.get(name)!r} in process 0 and {other.get(name)!r} in {number}"
                for name in names
            )
            raise InputError(
                f"processes disagree about {about}: {'; '.join(differences)}. Start all of them "
                "with the same command, configuration and data"
            )


def own_share(count: int) -> np.ndarray:
    """Return which of `count` examples this process works on, where each process takes a share.

    Returns:
        Indices: every P-th of 0 ... count - 1, or all where there are fewer than P processes.
    """
    step = jax.process_count() if count >= jax.process_count() else 1
    return np.arange(jax.process_index() % step, count, step)


def merge_shares(mine: np.ndarray, count: int) -> np.ndarray:
    """Return the rows of all processes, (count, ...), in every process.

    Args:
        mine: array (n, ...) with a row for each of `own_share(count)`.
    """
    if len(mine) == count:
        return mine
    rows = -(-count // jax.process_count())
    size = max(_CHUNK // max(mine[:1].nbytes, 1), 1)
    padded = np.resize(mine, (rows, *mine.shape[1:]))  # all must give one shape; cut off below
    parts = [gather(padded[first : first + size]) for first in range(0, rows, size)]
    merged = np.concatenate(parts, axis=1).swapaxes(0, 1)  # (rows, P, ...)
    return merged.reshape(-1, *mine.shape[1:])[:count]


def gather(mine: np.ndarray) -> np.ndarray:
    """Return the arrays of all processes, which have one shape, in every process, (P, ...)."""
    if jax.process_count() == 1:
        return mine[None]
    raw = np.frombuffer(mine.tobytes(), np.uint8)  # JAX would cut 64 bits to 32
    gathered = np.asarray(multihost_utils.process_allgather(raw))
    return np.frombuffer(gathered.tobytes(), mine.dtype).reshape(-1, *mine.shape)


def _exchange(text: str) -> list[str]:
    """Return the texts of all processes, by process."""
    data = np.frombuffer(text.encode(), np.uint8)
    lengths = gather(np.array(len(data)))
    size = 1 << max(int(lengths.max() - 1).bit_length(), 8)  # few sizes, each a compilation
    padded = np.zeros(size, np.uint8)
    padded[: len(data)] = data
    rows = zip(gather(padded), lengths, strict=True)
    return [row[:length].tobytes().decode() for row, length in rows]
