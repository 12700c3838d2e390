"""Errors that a user can act on."""


class InputError(ValueError):
    """Input that cannot be used: the message names the value, what was expected and what to do.

    The command line prints it as one line and exits with status 2.
    """


class NonFiniteLossError(RuntimeError):
    """Training met a loss that is not finite and stopped; earlier checkpoints are intact."""
