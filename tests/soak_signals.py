"""Send a small study signals of all kinds at random moments, and compare what is left.

    python tests/soak_signals.py --signals=20
    python tests/soak_signals.py --signals=20 --users      # as root: two users of one group at once

As in `soak.py`, but every ending must have its documented status (docs/reliability.md, Endings),
no traceback may be printed, and once in three times another signal follows, at any moment until the
process is gone. With `--users`, two users of one group are workers of one study in one folder, and
the signals go to the one or the other.
"""

import argparse
import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib import util
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from rtickets.platform import statuses

ASKS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP, signal.SIGINT)
KINDS = (*ASKS, signal.SIGKILL, signal.SIGPIPE)
FIRST_MOMENT = 3.0  # seconds in which Python starts on a busy machine, and hears nothing yet
PATIENCE = 120.0  # seconds for an ending


def load(name: str) -> ModuleType:
    """Import a file that lies beside this one."""
    spec = util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


soak, users = load("soak"), load("users")
Process = subprocess.Popen[bytes]
Start = Callable[[Path], Process]


class Found(NamedTuple):
    """What a soak found.

    Attributes:
        endings: how often which signal in which kind of stage led to which status.
        studies: how many times the study came to its end.
        wrong: endings that are not the documented ones, tracebacks, and files that are missing,
            superfluous or different.
    """

    endings: Counter[tuple[str, str, str]]
    studies: int
    wrong: list[str]


class Running(NamedTuple):
    """A process and when it was started."""

    process: Process
    began: float


def starts(folder: Path, *, as_users: bool) -> list[Start]:
    """Return how the study is started: by one process, or by two users' workers."""

    def begin(user: int, number: int, workdir: Path) -> Process:
        words = soak.study.command(folder, workdir, f"--worker={number}/2")
        home = users.home_of(folder, user)
        with (folder / "log.txt").open("ab") as log:
            own = soak.study.settings(folder)
            return users.as_user(user, words, home, stdout=log, stderr=log, variables=own)

    if not as_users:
        return [partial(soak.start, folder)]
    return [partial(begin, user, number) for number, user in enumerate(users.USERS)]


@contextmanager
def as_on_a_terminal() -> Iterator[None]:
    """Ignore nothing: a job in the background, which does, would hand that on to our processes."""
    defaults = {signal.SIGHUP: signal.SIG_DFL, signal.SIGINT: signal.default_int_handler}
    before = {number: signal.signal(number, action) for number, action in defaults.items()}
    try:
        yield
    finally:
        for number, action in before.items():
            signal.signal(number, action)


def is_documented(number: int, status: int, running: Running, began_stage: bool) -> bool:
    """Whether a status is what the documentation says of a signal at this moment."""
    if number == signal.SIGKILL:
        return status == 128 + number
    asked = statuses.INTERRUPTED if number == signal.SIGINT else statuses.STOPPED
    first_moment = not began_stage and time.monotonic() - running.began < FIRST_MOMENT
    return status in (asked, statuses.DONE) or (first_moment and status == 128 + number)


def send(running: Running, number: int, workdir: Path, generator: random.Random) -> tuple[str, str]:
    """Send a signal, maybe another after it, and return the stage and what came of it."""
    process = running.process
    stage = soak.at_work(workdir, process.pid)
    process.send_signal(number)
    if number == signal.SIGPIPE:
        time.sleep(0.3)
        return stage, "goes on" if process.poll() in (None, 0) else f"ended {process.returncode}"
    if number != signal.SIGKILL and generator.random() < 1 / 3:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=2 * generator.random())
        process.send_signal(generator.choice(ASKS))
    try:
        status = statuses.of_process(process.wait(timeout=PATIENCE))
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return stage, f"did not end within {PATIENCE:g} s"
    fine = is_documented(number, status, running, stage != "start")
    return stage, str(status) if fine else f"UNDOCUMENTED {status}"


def study_is_complete(workdir: Path) -> bool:
    """Whether the study has come to its end."""
    return bool(list(workdir.glob("study-*/COMPLETE")))


def disturb(
    begin: Sequence[Start],
    workdir: Path,
    expected: "soak.Undisturbed",
    left: int,
    generator: random.Random,
) -> Iterator[tuple[str, str, str]]:
    """Send signals until there were so many or the study is complete, and then let it come to that.

    Yields:
        (signal, stage, what came of it) for each, or ('none', 'end', status) for other endings.
    """
    running: dict[int, Running] = {}
    sent = 0
    while sent < left and not study_is_complete(workdir):
        for index, start in enumerate(begin):
            if index not in running:
                running[index] = Running(start(workdir), time.monotonic())
        index = generator.randrange(len(begin))
        farthest = 4 if workdir.exists() else 1
        moment = soak.draw_moment(generator, farthest, expected.startup, expected.stage)
        process = running[index].process
        if soak.runs_until(process, workdir, moment):
            number = generator.choice(KINDS)
            sent += 1
            stage, ending = send(running[index], number, workdir, generator)
            yield signal.Signals(number).name, stage, ending
        for index, one in list(running.items()):
            if one.process.poll() is not None:
                del running[index]
                status = statuses.of_process(one.process.returncode)
                if one.process is not process and status != statuses.DONE:
                    yield "none", "end", f"UNDOCUMENTED {status}"
    for one in running.values():
        if status := one.process.wait():
            yield "none", "end", f"UNDOCUMENTED {status}"
    for start in (*begin, begin[0]):
        if status := start(workdir).wait():
            yield "none", "end", f"UNDOCUMENTED {status}"


def soak_signals(
    folder: Path,
    signals: int,
    seed: int,
    say: Callable[[str], None],
    expected: "soak.Undisturbed | None" = None,
    *,
    as_users: bool = False,
) -> Found:
    """Send signals and compare.

    Args:
        folder: an empty folder, or the one of `expected`; with `as_users` one that a group shares.
        signals: how many to send.
        seed: of kinds and moments.
        say: called with lines of progress.
        expected: what `soak.undisturbed` returned for the folder; None does that first.
        as_users: two users' workers in the place of one process.

    Returns:
        What was found.
    """
    expected, generator = expected or soak.undisturbed(folder, say), random.Random(seed)
    begin = starts(folder, as_users=as_users)
    log = folder / "log.txt"
    log.chmod(0o666)
    endings: Counter[tuple[str, str, str]] = Counter()
    studies, wrong = 0, []
    while sum(count for ending, count in endings.items() if ending[0] != "none") < signals:
        workdir = folder / f"{'users' if as_users else 'signalled'}{studies}"
        if as_users:
            workdir.mkdir()
            workdir.chmod(0o2775)
            os.chown(workdir, 0, users.GROUP)
        so_far = sum(count for ending, count in endings.items() if ending[0] != "none")
        with as_on_a_terminal():
            for ending in disturb(begin, workdir, expected, signals - so_far, generator):
                endings[ending] += 1
                say(": ".join(ending))
                if not ending[2].isdecimal() and ending[2] != "goes on":
                    wrong.append(": ".join(ending))
        different = soak.differences(expected.contents, soak.contents(workdir))
        wrong += [f"{workdir.name}: {name}" for name in different if not _by_user(name, as_users)]
        studies += 1
    lines = log.read_text().splitlines()
    found = (number for number, line in enumerate(lines) if "Traceback" in line)
    wrong += ["printed: " + "\n".join(lines[max(at - 3, 0) : at + 60]) for at in found]
    return Found(endings, studies, wrong)


def _by_user(name: str, as_users: bool) -> bool:
    """Whether a file tells who worked: another user sees no commit of a foreign checkout."""
    return as_users and name.rpartition("/")[2] in ("environment.json", "report.html")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--signals", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--users", action="store_true")
    options = parser.parse_args(arguments)
    if options.users and (reason := users.why_not()):
        parser.error(reason)
    began = time.monotonic()
    place = users.shared_folder() if options.users else tempfile.TemporaryDirectory()
    with place as folder:
        found = soak_signals(
            Path(folder), options.signals, options.seed, print, as_users=options.users
        )
    kinds = Counter[str]()
    for (number, _, ending), count in found.endings.items():
        kinds[f"{number} {ending}"] += count
    stages = sorted({stage for _, stage, _ in found.endings})
    print(f"{', '.join(f'{kind} {count}' for kind, count in sorted(kinds.items()))};")
    print(f"in {', '.join(stages)}; {found.studies} studies came to their end;")
    print(f"wrong: {found.wrong or 'nothing'}; {time.monotonic() - began:.0f} s")
    return 1 if found.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
