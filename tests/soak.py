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
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

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


def write_task(folder: Path, name: str, classes: int) -> str:
    """Write a small data set and return its file."""
    import numpy as np

    generator, arrays = np.random.default_rng(classes), {}
    for part, size in (("train", 60), ("test", 24)):
        labels = np.arange(size) % classes
        noise = generator.integers(0, 100, (size, 8, 8))
        arrays[f"x_{part}"] = (noise + (150 // classes) * labels[:, None, None]).astype(np.uint8)
        arrays[f"y_{part}"] = labels
    np.savez(folder / f"{name}.npz", **arrays)
    return str(folder / f"{name}.npz")


def study_of(folder: Path) -> Any:
    """Return a study of every kind of stage on the data in a folder."""
    from rtickets import config, config_files

    train = config.TrainConfig(
        optimizer=config.OptimizerConfig(learning_rate=0.05),
        duration="3ep",
        batch_size=8,
        checkpoint_every="4it",
        keep_best_checkpoints=1,
    )
    attack = config.AttackConfig(norm="l2", eps=0.3, num_steps=2)
    robust = config.ObjectiveConfig(name="pgd", attack=attack)
    adversarial = config_files.replace(train, objective=robust)
    source, target = (
        config.DataConfig(source="npz", path=str(folder / f"{name}.npz"))
        for name in ("source", "target")
    )
    return config.StudyConfig(
        name="soak",
        pretrain=config.PretrainConfig(data=source, train=train),
        objectives={"natural": config.ObjectiveConfig()},
        draws={
            "synflow": config.DrawConfig(criterion="synflow", rounds=3),
            "aimp": config.DrawConfig(
                method="imp",
                imp=config.ImpConfig(rewind="2it", optimizer="keep"),
                train=adversarial,
            ),
            "lmp": config.DrawConfig(method="lmp", scope="uniform", train=train),
        },
        sparsities=(0.36,),
        transfers={"finetune": config.TransferConfig(data=target, train=train)},
        evaluate=config.EvaluateConfig(
            attacks={"pgd": config_files.replace(attack, num_steps=4, restarts=2)},
            batch_size=8,
            honesty_examples=4,
            smoothing=config.SmoothingConfig(
                selection_samples=8, samples=64, alpha=0.1, examples=4, batch_size=16
            ),
        ),
    )


def write_inputs(folder: Path) -> Path:
    """Write the data of the study and its configuration file, and return the latter."""
    write_task(folder, "source", 3)
    write_task(folder, "target", 2)
    file = folder / "study.py"
    file.write_text(
        "import importlib.util\n"
        "from pathlib import Path\n"
        "from rtickets import config_files\n"
        f"spec = importlib.util.spec_from_file_location('soak', {__file__!r})\n"
        "soak = importlib.util.module_from_spec(spec)\n"
        "spec.loader.exec_module(soak)\n"
        "def get_config():\n"
        f"    return config_files.editable(soak.study_of(Path({str(folder)!r})))\n"
    )
    return file


def tiny_network(meta: Any) -> Any:
    """Return a network of one block, in the place of `provenance.build_model`."""
    from rtickets.models.resnet import BasicBlock, ResNet

    classes, pixels = len(meta["class_names"]), {"mean": (0.4,), "std": (0.3,)}
    return ResNet((1,), BasicBlock, classes, width=4, stem="small", **pixels)


def run_here(folder: Path, workdir: Path) -> None:
    """Run the study and write its report in this process."""
    import jax

    from rtickets import parallel, preemption, provenance, report
    from rtickets.study import run_study

    jax.config.update("jax_num_cpu_devices", 1)
    jax.config.update("jax_compilation_cache_dir", str(folder / "cache"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)

    provenance.build_model = tiny_network
    with preemption.listening():
        report.write_report(run_study(study_of(folder), workdir, parallel.local_devices()))


def start(folder: Path, workdir: Path) -> "subprocess.Popen[bytes]":
    """Start the study in a process of its own; what it says goes to a file."""
    with (folder / "log.txt").open("ab") as log:
        words = [sys.executable, __file__, f"--folder={folder}", f"--workdir={workdir}"]
        return subprocess.Popen(words, stdout=log, stderr=log)


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


def kill_at(process: "subprocess.Popen[bytes]", workdir: Path, moment: Moment) -> bool:
    """Kill a process at a moment; False if it was done before."""
    began: set[Path] = set()
    while len(began) < moment.stages and process.poll() is None:
        began.update(held(workdir, process.pid))
        time.sleep(0.002)
    try:
        status = process.wait(timeout=moment.seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return True
    if status != 0:
        raise RuntimeError(f"the study ended with status {status}")
    return False


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


def soak(folder: Path, kills: int, seed: int, say: Callable[[str], None]) -> Outcome:
    """Kill and compare.

    Args:
        folder: an empty folder.
        kills: how often to kill.
        seed: of the moments.
        say: called with lines of progress.

    Returns:
        What was found.
    """
    write_inputs(folder)
    finish(folder, folder / "compiled")  # so that what is timed next need not compile
    began = time.monotonic()
    finish(folder, folder / "whole")
    length = time.monotonic() - began
    began = time.monotonic()
    finish(folder, folder / "whole")  # is done, so this is a start
    startup = time.monotonic() - began
    stages = len(list((folder / "whole").glob("*-*/")))
    say(f"the study has {stages} stages, takes {length:.1f} s, {startup:.1f} s of these to start")
    expected, generator = contents(folder / "whole"), random.Random(seed)
    different = differences(expected, contents(folder / "compiled"))
    during: Counter[str] = Counter()
    done = studies = 0
    while done < kills or studies == 0:
        workdir = folder / f"killed{studies}"
        while done < kills:
            farthest = 4 if workdir.exists() else 1  # so that the first stage is hit, too
            moment = draw_moment(generator, farthest, startup, (length - startup) / stages)
            process = start(folder, workdir)
            if not kill_at(process, workdir, moment):
                break
            done += 1
            during[at_work(workdir, process.pid)] += 1
        finish(folder, workdir)
        different += differences(expected, contents(workdir))
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
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--workdir", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.workdir:
        run_here(options.folder, options.workdir)
        return 0
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        found = soak(Path(folder), options.kills, options.seed, print)
    where = ", ".join(f"{stage} {count}" for stage, count in found.during.most_common())
    print(f"killed {found.kills} times ({where}), {found.studies} studies came to their end, ")
    print(f"different files: {found.different or 'none'}; {time.monotonic() - began:.0f} s")
    return 1 if found.different else 0


if __name__ == "__main__":
    sys.exit(main())
