"""Names of what is not whole yet, or is no longer; what is whole was moved to its own name."""

import re
import secrets
from pathlib import Path

UNFINISHED = ".orbax-checkpoint-tmp"  # follows the name of a checkpoint that Orbax is writing
REMOVED = ".removed"  # follows the name of what is being removed
_OLD = ".old"
_OURS = re.compile(rf"\..+\.\d+({re.escape(_OLD)})?", re.DOTALL)


def temporary_name(path: Path) -> Path:
    """Return a name beside a path for what is to be moved there once it is whole.

    It is random, as processes in containers and on other hosts have the same ids; a stage that
    starts clears such names out of its run folder.
    """
    return path.with_name(f".{path.name}.{secrets.randbits(64)}")


def name_of_old(temporary: Path) -> Path:
    """Return a name for what lies in the place of something with a temporary name, until then."""
    return temporary.with_name(f"{temporary.name}{_OLD}")


def is_ours(name: str) -> bool:
    """Whether a name is of `temporary_name` or `name_of_old`."""
    return _OURS.fullmatch(name) is not None


def is_temporary(name: str) -> bool:
    """Whether a name is that of something that is being written or removed."""
    return is_ours(name) or UNFINISHED in name or (name != REMOVED and name.endswith(REMOVED))
