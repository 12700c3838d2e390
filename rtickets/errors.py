"""Errors that a user can act on."""

from pathlib import Path


class InputError(ValueError):
    """Input that cannot be used: the message names the value, what was expected and what to do.

    The command line prints it as one line and exits with status 2.
    """


class InUseError(InputError):
    """A run folder that another process is at work in.

    Attributes:
        folder: the folder.
    """

    def __init__(self, message: str, folder: Path) -> None:
        super().__init__(message)
        self.folder = folder


class NonFiniteLossError(RuntimeError):
    """Training met a loss that is not finite and stopped; earlier checkpoints are intact."""
