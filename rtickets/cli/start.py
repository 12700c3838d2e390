"""Starting JAX before a verb computes, and ending the process after it."""

import argparse
import contextlib
import os
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from rtickets._version import __version__
from rtickets.errors import InputError, InUseError

if TYPE_CHECKING:
    from rtickets.platform.parallel import Devices

T = TypeVar("T")
_OF_ONE_PROCESS = ("process_id", "coordinator", "num_processes", "distributed")
_OF_GLOO = ("UNKNOWN:", "UNAVAILABLE:", "INTERNAL:", "ABORTED:")  # codes that its errors begin with
_LAST_WORDS = 3.0  # seconds that the primary leaves the others to say what failed


def start(options: argparse.Namespace, *, keep_compiled: bool = True) -> "Devices":
    """Set JAX up, join the other processes where there are some, and return the devices of all.

    Args:
        keep_compiled: keep what is compiled for other processes.

    Raises:
        InputError: if processes cannot meet, were called differently or differ in their devices.
    """
    import jax

    from rtickets.platform import parallel, processes
    from rtickets.storage import workdirs

    with contextlib.suppress(RuntimeError):  # a process that used JAX before keeps its devices
        jax.config.update("jax_num_cpu_devices", options.cpu_devices)
    if options.distributed or options.coordinator:
        processes.initialise(
            options.coordinator, options.process_id, options.num_processes,
            seconds_to_start=options.start_timeout, heartbeat_seconds=options.heartbeat,
        )  # fmt: skip
    elif options.process_id is not None or options.num_processes is not None:
        raise InputError("--process-id and --num-processes need --coordinator=HOST:PORT")
    devices = parallel.all_devices(options.devices, options.parallel)
    if keep_compiled:
        keep_programs(devices)
    common = {name: value for name, value in vars(options).items() if name not in _OF_ONE_PROCESS}
    if workdir := common.get("workdir"):
        common["workdir"] = workdirs.address_of(workdir) or workdir
    versions = {"rtickets": __version__, "jax": jax.__version__}
    processes.check_agreement("the command line", {**common, **versions, "devices": len(devices)})
    return devices


def keep_programs(devices: "Devices") -> None:
    """Keep compiled programs in the user's own cache, unless JAX was told of another place.

    Compiled programs are code: what lies in a folder that others may write to is not to be run.
    """
    import jax

    from rtickets.platform import console
    from rtickets.platform.private import private_folder

    if "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS" not in os.environ:
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)
    if devices[0].platform == "cpu":  # they are GPUs', and would make the path part of every key
        jax.config.update("jax_persistent_cache_enable_xla_caches", "none")
    if jax.config.values["jax_compilation_cache_dir"]:
        return
    try:
        folder = str(private_folder("cache", "compiled"))
        folder.encode()  # JAX takes no path that is no Unicode
        jax.config.update("jax_compilation_cache_dir", folder)
    except (ValueError, OSError) as error:
        console.say(f"compiled programs are not kept ({error}); see docs/reliability.md")


def when_free(run: Callable[[], T]) -> T:
    """Run what claims a run folder, and again where its holder in a bucket may have been killed.

    Args:
        run: raises InUseError, which tells when that is known; of several processes in all of them.
    """
    from rtickets.platform import console, preemption

    try:
        return run()
    except InUseError as error:
        if not error.seconds:
            raise
        console.say(f"{error}; seeing in {error.seconds:.0f} s whether it is still at work")
        end = time.monotonic() + error.seconds
    while (left := end - time.monotonic()) > 0:
        preemption.check()
        time.sleep(min(left, 1.0))
    return run()


def is_primary() -> bool:
    """Return whether this process prints results; `start` was called before."""
    from rtickets.platform import processes

    return processes.is_primary()


def is_one_of_several() -> bool:
    """Return whether other processes may wait for this one."""
    jax = sys.modules.get("jax")
    return jax is not None and jax.distributed.is_initialized() and jax.process_count() > 1


def lost_another(error: Exception) -> bool:
    """Return whether an error of one of several processes tells that another is gone."""
    import jax

    text = str(error)
    if isinstance(error, jax.errors.JaxRuntimeError):
        return not text.startswith(("RESOURCE_EXHAUSTED", "INVALID_ARGUMENT"))
    return isinstance(error, ValueError) and text.startswith(_OF_GLOO)


def leave(status: int) -> int:
    """Return the exit status; one of several processes that failed ends here instead.

    At a regular end JAX waits for all processes, and they may be waiting for what this one will
    never send.
    """
    if status == 0 or not is_one_of_several():
        return status
    if is_primary():
        time.sleep(_LAST_WORDS)  # the others die with the primary, which coordinates them
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
