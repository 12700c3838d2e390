"""Setting JAX up before a verb computes."""

import argparse
import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rtickets.parallel import Devices


def start(options: argparse.Namespace) -> "Devices":
    """Set JAX up and return the devices."""
    import jax

    from rtickets import parallel

    with contextlib.suppress(RuntimeError):  # a process that used JAX before keeps its devices
        jax.config.update("jax_num_cpu_devices", options.cpu_devices)
    cache = options.workdir / ".cache"
    jax.config.update("jax_compilation_cache_dir", str(cache.absolute()))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)
    return parallel.local_devices(options.devices)
