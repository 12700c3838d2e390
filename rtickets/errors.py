"""Errors that a user can act on."""

import errno
from pathlib import Path

_LONGEST = 20_000  # characters of a message, of which a hostile file may give any number


class InputError(ValueError):
    """Input that cannot be used: the message names the value, what was expected and what to do.

    The command line prints it as one line and exits with status 2; names in the message may come
    from anybody's files, and are made printable here.
    """

    def __init__(self, message: object) -> None:
        super().__init__(printable(message, _LONGEST))


class NothingCountedError(InputError):
    """Examples in which nothing counts, as none has a box or a pixel with a class: no measure."""


class InUseError(InputError):
    """A run folder that another process is at work in.

    Attributes:
        folder: the folder.
        seconds: after which it can be told whether that process has ended; 0 where it has not.
    """

    def __init__(self, message: str, folder: Path, seconds: float = 0.0) -> None:
        super().__init__(message)
        self.folder = folder
        self.seconds = seconds


class LostError(InUseError):
    """A run folder that this process had to give up: it could not renew its claim in time.

    The same command goes on, with status 75.
    """


class StorageError(OSError):
    """A bucket that cannot be had for now; the same command goes on, with status 75."""


class RefusedError(StorageError):
    """A bucket that refuses what is asked of it, and would again: bad input, with status 2."""


class ChangedError(InputError):
    """A run that would go on, or be taken for done, under settings that change its results.

    Attributes:
        folder: its run folder.
        reused: whether it is complete.
    """

    def __init__(self, folder: Path, differences: str, *, reused: bool = False) -> None:
        super().__init__(
            f"{folder} would {'be reused' if reused else 'go on'} with {differences}, which "
            "changes its results; set it back, use another --workdir, or give --accept-changes"
        )
        self.folder = folder
        self.reused = reused


class DrawWarning(UserWarning):
    """Something about a ticket that was drawn all the same, which whoever drew it should know."""


class NonFiniteLossError(RuntimeError):
    """Training met a loss that is not finite and stopped; earlier checkpoints are intact."""


class FailedBeforeError(RuntimeError):
    """A stage whose training failed before; it is repeated only when that is asked for.

    Attributes:
        folder: the stage's run folder.
        reason: what it failed with.
    """

    def __init__(self, folder: Path, reason: str) -> None:
        super().__init__(
            f"{folder.name} failed before, and would again: {printable(reason, _LONGEST)} "
            "(--retry-failed tries it all the same)"
        )
        self.folder = folder
        self.reason = reason


class Preempted(Exception):
    """The process was asked to stop; what was done is kept, and the same command goes on.

    The command line exits with status 75.
    """


def explain(error: OSError) -> str:
    """Return what a user should know about an error of the operating system, in one line."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return (
            f"the disk is full ({error}); everything that was saved before is intact: free some "
            "space and give the same command again"
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return (
            f"{error}; where a group shares a folder, everybody in it needs `umask 002` (see "
            "docs/reliability.md, Shared folders)"
        )
    return str(error)


_SHOWN: dict[str, str] = {}


def show_as(name: str, instead: str | None) -> None:
    """Let `printable` show a name in place of another, as of a folder of copies what they are of.

    Args:
        name: as it stands in messages.
        instead: what is shown; None shows it as it is again.
    """
    if instead is None:
        _SHOWN.pop(name, None)
    else:
        _SHOWN[name] = instead


_UNDECODABLE = range(0xDC80, 0xDD00)  # what Python makes of bytes of names that are no text


def printable(text: object, longest: int | None = None) -> str:
    r"""Return text as it can be shown in one line.

    Args:
        text: anything; what is no text is shown as `str` has it.
        longest: how many characters are shown; the middle of a longer text is left out.

    Returns:
        The text, with an escape such as \x1b, \n or \u202e for every character that moves, hides
        or ends something; what was made printable before stays as it is.
    """
    shown = str(text)
    for name, instead in _SHOWN.items():
        shown = shown.replace(name, instead)
    if longest is not None and len(shown) > longest:
        half = max((longest - 5) // 2, 0)
        shown = f"{shown[:half]} ... {shown[len(shown) - half :]}"
    return shown if shown.isprintable() else "".join(map(_printable, shown))


def _printable(character: str) -> str:
    if character.isprintable():
        return character
    if ord(character) in _UNDECODABLE:
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")
