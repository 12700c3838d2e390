"""`python -m rtickets` is the `rtickets` command, and where the command begins."""

import os
import signal
import sys

from rtickets.platform import statuses


def main() -> int:
    """Run the command, and end with the status of one that was stopped from the first moment on.

    Returns:
        The exit status.
    """

    def stop(number: int, _: object) -> None:
        interrupted = number == signal.SIGINT
        os._exit(statuses.INTERRUPTED if interrupted else statuses.STOPPED)

    for number in (*statuses.SIGNALS, signal.SIGINT):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, stop)
    _open_what_is_closed()
    from rtickets.cli import main as run  # a moment in which nothing would be heard

    return run()


def _open_what_is_closed() -> None:
    """Let closed standard streams lead nowhere: the next file opened would get their numbers.

    What libraries write to standard error would then go into a checkpoint.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)


if __name__ == "__main__":
    sys.exit(main())
