"""What a run was computed with: versions, device and settings, kept with it and compared.

A run folder's `environment.json` lists what the run began with, and what it went on with wherever
that was something else; under 'reused' what a complete run was taken for done with, likewise.
"""

import importlib.metadata
import json
import platform
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import jax

from rtickets._version import __version__
from rtickets.errors import ChangedError, InputError
from rtickets.models import onednn
from rtickets.platform import console, processes
from rtickets.storage.files import read_json, write_json

FILE = "environment.json"
_COMPUTED, _REUSED = "environments", "reused"
_PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy")
_CHANGES_RESULTS = {
    "x64": "jax_enable_x64",
    "prng": "jax_default_prng_impl",
    "prng_partitionable": "jax_threefry_partitionable",
    "matmul_precision": "jax_default_matmul_precision",
}


def current() -> dict[str, Any]:
    """Return what this process computes with, in words that JSON can hold."""
    settings = {name: getattr(jax.config, option) for name, option in _CHANGES_RESULTS.items()}
    return {
        "rtickets": __version__,
        "commit": _commit(),
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in _PACKAGES},
        "device": jax.devices()[0].device_kind,
        **settings,
        **({"convolutions": "oneDNN"} if onednn.is_on() else {}),
    }


@lru_cache(maxsize=1)
def _commit() -> str:
    """Return the commit of the package, with + after changes, or that it is unknown and why."""
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        return _installed_commit() or f"unknown (installed package {__version__})"
    # `--dirty` would write the index, which somebody may be at.
    git = ["git", "--no-optional-locks", "-C", str(root)]
    try:
        found = subprocess.run(
            [*git, "describe", "--always", "--dirty=+", "--abbrev=12", "--exclude=*"],
            capture_output=True, text=True, check=True, timeout=10,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return "unknown (git does not tell)"
    return found.stdout.strip()


def _installed_commit() -> str | None:
    """Return the commit that the package was installed from, where the installer kept it.

    `pip install git+...` does, in `direct_url.json`; a wheel has none.
    """
    try:
        installed = importlib.metadata.distribution("rtickets")
        if not Path(str(installed.locate_file("rtickets"))).samefile(Path(__file__).parents[1]):
            return None  # another one, that lies elsewhere
        told = json.loads(installed.read_text("direct_url.json") or "{}")
        return str(told["vcs_info"]["commit_id"])[:12]
    except (importlib.metadata.PackageNotFoundError, OSError, ValueError, KeyError, TypeError):
        return None


def differences(
    then: Mapping[str, Any], now: Mapping[str, Any], verb: str = "began"
) -> dict[str, str]:
    """Return what differs between two environments, in words, by name."""
    return {
        name: f"{name} {now.get(name)}, {verb} with {then.get(name)}"
        for name in {**then, **now}
        if then.get(name) != now.get(name)
    }


def compare(folder: Path, *, reused: bool = False) -> dict[str, str]:
    """Return how this process differs from what a run was computed with last, in words, by name.

    A complete run that is `reused` does not differ either from what it was reused with.
    """
    stored, now = read(folder), current()
    if not stored or (reused and now in read(folder, _REUSED)):
        return {}
    return differences(stored[-1], now, "computed" if reused else "began")


def settle(folder: Path, found: Mapping[str, str], *, reused: bool = False) -> None:
    """Say what differs where a run goes on or is `reused`, or refuse that.

    What a complete run is reused with is written down, so that it is said once.

    Args:
        found: what `compare` found.

    Raises:
        ChangedError: if a setting differs that changes results.
    """
    changing = [text for name, text in found.items() if name in _CHANGES_RESULTS]
    if changing:
        raise ChangedError(folder, "; ".join(changing), reused=reused)
    if found:
        verb = "is reused" if reused else "goes on"
        words = "; ".join(found.values())
        console.say(f"{folder.name} {verb} with {words}: results may differ in their last digits")
    if found and reused:
        with suppress(OSError):  # of somebody else, or read-only
            record(folder, reused=True)


def record(folder: Path, *, reused: bool = False) -> None:
    """Write down what a run is computed with, or reused with, unless it was that last."""
    stored, reuses, now = read(folder), read(folder, _REUSED), current()
    known = [*stored[-1:], *reuses] if reused else stored[-1:]
    if not processes.is_primary() or now in known:
        return
    if reused:
        reuses = [*reuses, now]
    else:
        stored = [*stored, now]
    more = {_REUSED: reuses} if reuses else {}
    write_json(folder / FILE, {_COMPUTED: stored, **more})


def read(folder: Path, part: str = _COMPUTED) -> list[dict[str, Any]]:
    """Return what a run was computed with, [] for one that has not begun.

    Args:
        part: 'environments', or 'reused' for what it was reused with when it was complete.

    Raises:
        InputError: if the file is damaged.
    """
    path = folder / FILE
    if not path.is_file():
        return []
    stored = read_json(path).get(part, [] if part == _REUSED else None)
    if not isinstance(stored, list) or not all(isinstance(one, dict) for one in stored):
        raise InputError(f"{path} is damaged: it lists no environments; remove it")
    return stored


def as_lines(stored: list[dict[str, Any]]) -> list[str]:
    """Return the environments of a run, a line each."""
    return [
        ", ".join(f"{name} {value}" for name, value in one.items() if value is not None)
        for one in stored
    ]
