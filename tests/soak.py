"""Kill a small study with SIGKILL at random moments, start it again, and compare what is left.

    python tests/soak.py --kills=30

A study of every kind of stage runs once undisturbed. Then it runs elsewhere and is killed, again
and again; when it comes to its end, it begins anew, until it was killed as often as asked for.
Every time it must leave the same files with the same bytes. The moment of a kill is random, and is
counted from the begin of a stage, because clock times alone hit other stages on a busier machine.
The network is tiny, and what is compiled is kept, so that a start takes seconds.
"""

import argparse
import contextlib
import hashlib
import importlib.util
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

TIMES = ("timing.json", "throughput.jsonl")  # measured times, kept apart from results


class Outcome(NamedTuple):
    """What a soak found.

    Attributes:
        kills: how often the study was killed.
        during: how often in which kind of stage; 'start' is before the first or between two.
        studies: how many times it came to its end.
        different: files that are missing, superfluous or different, over all of these.
    """

    kills: int
    during: Counter[str]
    studies: int
    different: list[str]


def load(name: str) -> ModuleType:
    """Import a file that lies beside this one."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


study = load("soak_study")
tiny_network, write_inputs = study.tiny_network, study.write_inputs


def start(folder: Path, workdir: Path) -> "subprocess.Popen[bytes]":
    """Start the study in a process of its own; what it says goes to a file."""
    with (folder / "log.txt").open("ab") as log:
        words, own = study.command(folder, workdir), {**os.environ, **study.settings(folder)}
        return subprocess.Popen(words, env=own, stdout=log, stderr=log)


def finish(folder: Path, workdir: Path) -> None:
    """Run the study to its end."""
    if start(folder, workdir).wait() != 0:
        raise RuntimeError((folder / "log.txt").read_text()[-3000:])


def contents(workdir: Path) -> dict[str, str]:
    """Return a digest of every file that must not depend on how often a run was killed.

    Of the checkpoints that are kept it is the list: Orbax gives its files random names.
    """
    return {
        str(path.relative_to(workdir)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(workdir.rglob("*"))
        if path.is_file()
        and path.name not in TIMES
        and ".cache" not in path.parts
        and ("checkpoints" not in path.parts or path.name == "BEST")
    }


def differences(expected: dict[str, str], found: dict[str, str]) -> list[str]:
    """Return the files that two folders do not share byte for byte."""
    return sorted(name for name in {*expected, *found} if expected.get(name) != found.get(name))


class Moment(NamedTuple):
    """When to kill a process.

    Attributes:
        stages: how many stages it first has to begin; 0 is at once.
        seconds: how long to wait from there.
    """

    stages: int
    seconds: float


def runs_until(process: "subprocess.Popen[bytes]", workdir: Path, moment: Moment) -> bool:
    """Wait for a moment; False if the process was done before."""
    began: set[Path] = set()
    while len(began) < moment.stages and process.poll() is None:
        began.update(held(workdir, process.pid))
        time.sleep(0.002)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=moment.seconds)
    return process.poll() is None


def kill_at(folder: Path, workdir: Path, moment: Moment) -> int | None:
    """Start the study and kill it at a moment; return its process, None if it was done before."""
    process = start(folder, workdir)
    if runs_until(process, workdir, moment):
        process.kill()
        process.wait()
        return process.pid
    if process.returncode != 0:
        said = (folder / "log.txt").read_text()[-3000:]
        raise RuntimeError(f"the study ended with status {process.returncode}: {said}")
    return None


def held(workdir: Path, process: int) -> list[Path]:
    """Return the folders that a process has, or had when it was killed, its lock in."""
    found = []
    for path in workdir.glob("*/.lock"):
        with contextlib.suppress(FileNotFoundError):  # let go of meanwhile
            if path.read_text().startswith(f"process {process} "):
                found.append(path.parent)
    return found


def at_work(workdir: Path, process: int) -> str:
    """Return the kind of stage that a killed process was in."""
    names = [path.name.split("-")[0] for path in held(workdir, process)]
    return " in ".join(sorted(names, reverse=True)) or "start"


class Undisturbed(NamedTuple):
    """A study that nothing happened to.

    Attributes:
        contents: what it left.
        startup: seconds from the start of a process to its first stage.
        stage: seconds that a stage takes.
    """

    contents: dict[str, str]
    startup: float
    stage: float


def undisturbed(folder: Path, say: Callable[[str], None]) -> Undisturbed:
    """Write the inputs and run the study, compiled before so that this is not timed.

    Args:
        folder: an empty folder.
        say: called with a line.

    Returns:
        What it left, and how long it took.
    """
    write_inputs(folder)
    finish(folder, folder / "compiled")
    began = time.monotonic()
    finish(folder, folder / "whole")
    length = time.monotonic() - began
    began = time.monotonic()
    finish(folder, folder / "whole")  # is done, so this is a start
    startup = time.monotonic() - began
    stages = len(list((folder / "whole").glob("*-*/")))
    say(f"the study has {stages} stages, takes {length:.1f} s, {startup:.1f} s of these to start")
    found = contents(folder / "whole")
    if different := differences(found, contents(folder / "compiled")):
        raise RuntimeError(f"the study does not repeat itself: {different}")
    return Undisturbed(found, startup, (length - startup) / stages)


def soak(
    folder: Path,
    kills: int,
    seed: int,
    say: Callable[[str], None],
    expected: Undisturbed | None = None,
) -> Outcome:
    """Kill and compare.

    Args:
        folder: an empty folder, or the one of `expected`.
        kills: how often to kill.
        seed: of the moments.
        say: called with lines of progress.
        expected: what `undisturbed` returned for the folder; None does that first.

    Returns:
        What was found.
    """
    expected, generator = expected or undisturbed(folder, say), random.Random(seed)
    different: list[str] = []
    during: Counter[str] = Counter()
    done = studies = 0
    while done < kills or studies == 0:
        workdir = folder / f"killed{studies}"
        while done < kills:
            farthest = 4 if workdir.exists() else 1  # so that the first stage is hit, too
            moment = draw_moment(generator, farthest, expected.startup, expected.stage)
            if (killed := kill_at(folder, workdir, moment)) is None:
                break
            done += 1
            during[at_work(workdir, killed)] += 1
        finish(folder, workdir)
        different += differences(expected.contents, contents(workdir))
        studies += 1
    return Outcome(done, during, studies, different)


def draw_moment(generator: random.Random, farthest: int, startup: float, stage: float) -> Moment:
    """Draw when to kill: once in ten times before the first stage, else in one of the next.

    Args:
        generator: of the random numbers.
        farthest: which stage is the last to choose from, counted from the start of the process.
        startup: seconds before the first stage.
        stage: seconds that a stage takes.
    """
    if generator.random() < 0.1:
        return Moment(0, startup * generator.random())
    return Moment(generator.randint(1, farthest), 1.5 * stage * generator.random())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        found = soak(Path(folder), options.kills, options.seed, print)
    where = ", ".join(f"{stage} {count}" for stage, count in found.during.most_common())
    print(f"killed {found.kills} times ({where}), {found.studies} studies came to their end, ")
    print(f"different files: {found.different or 'none'}; {time.monotonic() - began:.0f} s")
    return 1 if found.different else 0


if __name__ == "__main__":
    sys.exit(main())
