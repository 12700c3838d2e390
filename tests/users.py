"""Commands as other users of one group, for those who are root: a shared folder is one for all."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

GROUP = 23456
USERS = (12345, 12346)  # of no account: the system asks for none
_READ = "-all,+dac_read_search"  # an interpreter may lie in the home of root


def why_not() -> str:
    """Return what keeps other users' commands from being run here, '' if nothing does."""
    if os.geteuid() != 0:
        return "needs root"
    if shutil.which("setpriv") is None:
        return "needs setpriv"
    tried = as_user(USERS[0], [sys.executable, "-c", ""], Path("/"), stderr=subprocess.PIPE)
    return tried.communicate()[1].decode().strip()


def as_user(
    user: int,
    words: Sequence[str],
    home: Path,
    umask: int = 0o002,
    *,
    variables: Mapping[str, str] | None = None,
    **options: Any,
) -> "subprocess.Popen[bytes]":
    """Start a command as a user of the group; it may read everything, as far as modes go."""
    capabilities = [f"--inh-caps={_READ}", "--ambient-caps=+dac_read_search"]
    who = [f"--reuid={user}", f"--regid={user}", f"--groups={GROUP}"]
    root = Path(__file__).parents[1]
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("XDG_")},
        "HOME": str(home),
        "PYTHONPATH": str(root),
        **(variables or {}),
    }
    command = ["setpriv", *who, *capabilities, *words]
    return subprocess.Popen(command, umask=umask, env=environment, **options)


@contextmanager
def shared_folder() -> Iterator[Path]:
    """Make a folder for the group, in which every user has a home."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.chown(folder, 0, GROUP)
        folder.chmod(0o2775)
        for user in USERS:
            home_of(folder, user).mkdir()
            os.chown(home_of(folder, user), user, user)
        yield folder


def home_of(folder: Path, user: int) -> Path:
    """Return the home of a user in a shared folder."""
    return folder / f"home{user}"
