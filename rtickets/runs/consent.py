"""What a user agrees to beforehand, where a stage would otherwise stop and ask."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

from rtickets.errors import ChangedError, FailedBeforeError
from rtickets.runs import environment, failures

T = TypeVar("T")


class Consent(NamedTuple):
    """What is agreed to.

    Attributes:
        retry_failed: trying again what failed before.
        accept_changes: going on with a run, or reusing it, under settings that change results.
    """

    retry_failed: bool = False
    accept_changes: bool = False


NONE = Consent()


def attempt(run: Callable[[], T], consent: Consent, retried: set[Path]) -> T:
    """Run stages, past what is agreed to.

    Args:
        run: runs them; it is called again after every stage that stopped it and is agreed to.
        retried: stages that were tried again already, which are not once more; more are added.

    Raises:
        FailedBeforeError: for a stage that failed before and is not to be tried again.
        ChangedError: for a stage that began, or was done, under other settings, if that is not
            agreed to.
    """
    while True:
        try:
            return run()
        except FailedBeforeError as error:
            if not consent.retry_failed or error.folder in retried:
                raise
            retried.add(error.folder)
            failures.forget(error.folder)
        except ChangedError as error:
            if not consent.accept_changes:
                raise
            environment.record(error.folder, reused=error.reused)
