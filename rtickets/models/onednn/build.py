"""Whether convolutions are oneDNN's: asked for in the environment, compiled when first needed."""

import ctypes
import hashlib
import importlib.metadata
import os
import shutil
import subprocess
from functools import lru_cache
from pathlib import Path

import jax

from rtickets.errors import InputError
from rtickets.platform import console
from rtickets.platform.private import private_folder

SETTING, TARGET = "RTICKETS_ONEDNN", "rtickets_convolve"
_SOURCE = Path(__file__).with_name("convolution.cc")
_FILES = {"onednn-cpu-gomp": "libdnnl.so.3", "onednn-devel-cpu-gomp": "oneapi/dnnl/dnnl.hpp"}


def is_on() -> bool:
    """Return whether oneDNN is asked for and there; where it is not there, a line says why.

    Raises:
        InputError: if the environment has neither 0 nor 1.
    """
    asked = os.environ.get(SETTING) or "0"
    if asked not in ("0", "1"):
        raise InputError(f"{SETTING}={asked!r} in the environment; expected 0 or 1")
    return asked == "1" and jax.default_backend() == "cpu" and _registered()


@lru_cache(maxsize=1)
def _registered() -> bool:
    try:
        capsule = jax.ffi.pycapsule(getattr(ctypes.CDLL(str(built())), TARGET))
    except (InputError, OSError) as error:
        console.say(f"{SETTING}=1, but convolutions are XLA's: {error}")
        return False
    jax.ffi.register_ffi_target(TARGET, capsule, platform="cpu")
    return True


def built() -> Path:
    """Return the library in the user's cache folder, compiled now if it was not yet.

    Raises:
        InputError: if packages or the compiler are missing, or it fails.
    """
    library, header = (_file_of(*each) for each in _FILES.items())
    built_of = "\n".join([_SOURCE.read_text(), jax.lib.__version__, str(library)])
    name = hashlib.sha256(built_of.encode()).hexdigest()[:16]
    made = private_folder("cache", "onednn") / f"{name}.so"
    if not made.exists():
        _compile(library, header.parents[2], made)
    return made


def _file_of(package: str, end: str) -> Path:
    try:
        files = importlib.metadata.files(package) or []
        found = next(file for file in files if file.as_posix().endswith(end))
    except (importlib.metadata.PackageNotFoundError, StopIteration):
        message = f"the package {package} is missing; pip install 'rtickets[onednn]'"
        raise InputError(message) from None
    return Path(str(found.locate())).resolve()


def _compile(library: Path, headers: Path, made: Path) -> None:
    if (compiler := shutil.which("g++")) is None:
        raise InputError("there is no compiler g++; install it")
    temporary = made.with_name(f"{made.name}.{os.getpid()}")
    command = [
        compiler, "-O2", "-std=c++20", "-shared", "-fPIC", "-fopenmp", "-w",
        f"-I{jax.ffi.include_dir()}", f"-I{headers}", str(_SOURCE), "-o", str(temporary),
        str(library), f"-Wl,-rpath,{library.parent}",
    ]  # fmt: skip
    console.say(f"compiling convolutions by oneDNN, once: {made}")
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    if found.returncode:
        raise InputError(f"{compiler} ended with {found.returncode}: {found.stderr.strip()[:200]}")
    temporary.replace(made)  # whole, whoever else compiles it
