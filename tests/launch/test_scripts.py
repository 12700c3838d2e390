"""The scripts of launch/: what shellcheck says of them, and what they run."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rtickets.platform import statuses
from rtickets.runs.workers import parse_worker

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted([*ROOT.glob("launch/*.sh"), *ROOT.glob("launch/*.sbatch")])
SHELLCHECK = shutil.which("shellcheck") or str(Path(sys.executable).with_name("shellcheck"))

TOOL = """#!/bin/sh
# notes its name and its words, and ends as it is told
echo "$(basename "$0") $*" >>"$NOTES"
exit "${STATUS:-0}"
"""


@pytest.fixture
def run(tmp_path):
    """Runs a script with tools in the place of srun and the like; returns status and notes."""
    for name in ("srun", "scontrol", "gcloud"):
        (tmp_path / name).write_text(TOOL)
        (tmp_path / name).chmod(0o755)

    def run_script(name, *words, **environment):
        notes = tmp_path / "notes"
        notes.write_text("")
        own = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "NOTES": str(notes), **environment}
        done = subprocess.run(
            ["bash", str(ROOT / "launch" / name), *words], env=own, capture_output=True, text=True
        )
        return done.returncode, notes.read_text().splitlines()

    return run_script


def test_a_study_that_is_no_job_array_says_how_it_is_started(run):
    done = subprocess.run(
        ["bash", str(ROOT / "launch" / "slurm_study.sbatch"), "--config=studies/demo"],
        env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode
    assert "sbatch --array=" in done.stderr


def test_there_are_scripts():
    assert {path.name for path in SCRIPTS} == {
        "slurm_study.sbatch", "slurm_train.sbatch", "tpu_pod.sh", "try_slurm.sh",
    }  # fmt: skip


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_shellcheck_finds_nothing(path):
    done = subprocess.run([SHELLCHECK, str(path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", ["slurm_train.sbatch", "slurm_study.sbatch"])
def test_a_job_can_come_back_and_is_told_before_its_time_is_up(name):
    options = re.findall(r"^#SBATCH (\S+)", (ROOT / "launch" / name).read_text(), re.MULTILINE)
    assert {"--requeue", "--signal=TERM@60", "--open-mode=append"} <= set(options)


JOB = {"SLURM_JOB_ID": "7"}
ARRAY = {
    "SLURM_JOB_ID": "9", "SLURM_ARRAY_JOB_ID": "9", "SLURM_ARRAY_TASK_ID": "3",
    "SLURM_ARRAY_TASK_MIN": "1", "SLURM_ARRAY_TASK_COUNT": "4",
}  # fmt: skip


@pytest.mark.parametrize("status", [0, 1, 2, 75, 120, 126, 127, *range(128, 160), 255])
def test_what_goes_back_to_the_queue_is_what_the_package_says_can_go_on(run, status):
    for script, job in (("slurm_train.sbatch", JOB), ("slurm_study.sbatch", ARRAY)):
        found, notes = run(script, STATUS=str(status), **job)
        assert found == status
        assert len(notes) == 1 + statuses.is_resumable(status), script


def test_what_is_aborted_again_and_again_goes_back_no_more(run):
    for count, times in ((9, 2), (10, 1)):
        _, notes = run("slurm_train.sbatch", STATUS="134", SLURM_RESTART_COUNT=str(count), **JOB)
        assert len(notes) == times
    _, notes = run("slurm_train.sbatch", STATUS="75", SLURM_RESTART_COUNT="1000", **JOB)
    assert len(notes) == 2


@pytest.mark.parametrize(
    ("array", "tasks"),
    [
        ("0-3", [0, 1, 2, 3]),
        ("0-6:2", [0, 2, 4, 6]),
        ("5-20:5", [5, 10, 15, 20]),
        ("1,7,9", [1, 7, 9]),
        ("3", [3]),
    ],
)
def test_every_worker_of_an_array_is_one_of_its_number(run, array, tasks):
    step = array.partition(":")[2] or "1"
    own = {"SLURM_ARRAY_TASK_MIN": str(tasks[0]), "SLURM_ARRAY_TASK_COUNT": str(len(tasks)),
           "SLURM_ARRAY_TASK_STEP": step}  # fmt: skip
    workers = []
    for task in tasks:
        job = {**ARRAY, **own, "SLURM_ARRAY_TASK_ID": str(task)}
        _, notes = run("slurm_study.sbatch", **job)
        workers.append(parse_worker(notes[0].rpartition("--worker=")[2]))
    assert {worker.of for worker in workers} == {len(tasks)}
    if "," not in array:
        assert [worker.number for worker in workers] == list(range(len(tasks)))


@pytest.mark.parametrize("status", [0, 1, 2, 75])
def test_a_training_goes_back_to_the_queue_exactly_when_it_was_preempted(run, status):
    words = ("pretrain", "--config=c.py", "--config.name=two words")
    found, notes = run("slurm_train.sbatch", *words, STATUS=str(status), **JOB)
    assert notes[0].startswith("srun ")
    assert notes[0].endswith(
        " rtickets pretrain --config=c.py --config.name=two words --distributed"
    )
    assert notes[1:] == (["scontrol requeue 7"] if status == 75 else [])
    assert found == status


@pytest.mark.parametrize("status", [0, 75])
def test_a_worker_goes_back_to_the_queue_alone(run, status):
    found, notes = run("slurm_study.sbatch", "--config=c.py", STATUS=str(status), **ARRAY)
    assert notes[0] == "srun rtickets study --config=c.py --worker=2/4"
    assert notes[1:] == (["scontrol requeue 9_3"] if status == 75 else [])
    assert found == status


def test_a_script_outlives_the_signal_of_a_preemption(run, tmp_path):
    tool = '#!/bin/sh\nkill -TERM "$PPID"; sleep 0.5; echo "ended" >>"$NOTES"; exit 75\n'
    (tmp_path / "srun").write_text(tool)
    found, notes = run("slurm_train.sbatch", "pretrain", **JOB)
    assert (found, notes) == (75, ["ended", "scontrol requeue 7"])


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, "unset"),
        ({"SLURM_GPUS_ON_NODE": "1"}, "unset"),
        ({"SLURM_GPUS_ON_NODE": "4", "SLURM_NTASKS_PER_NODE": "1"}, "0,1,2,3"),
        ({"SLURM_GPUS_ON_NODE": "4", "SLURM_NTASKS_PER_NODE": "4"}, "unset"),
    ],
)
def test_one_process_per_host_takes_all_its_devices(run, tmp_path, environment, expected):
    tool = (
        '#!/bin/sh\necho "${JAX_LOCAL_DEVICE_IDS:-unset} ${SRUN_CPUS_PER_TASK:-unset}" >>"$NOTES"\n'
    )
    (tmp_path / "srun").write_text(tool)
    _, notes = run("slurm_train.sbatch", "pretrain", **JOB, **environment)
    assert notes == [f"{expected} unset"]


def test_the_hosts_of_a_pod_get_every_word_as_it_was(run, tmp_path):
    (tmp_path / "gcloud").write_text('#!/bin/sh\nprintf "%s\\n" "$@" >>"$NOTES"\n')
    found, notes = run("tpu_pod.sh", "pod", "zone", "pretrain", "--config.name=a b; 'c'")
    assert found == 0
    assert notes[:6] == ["compute", "tpus", "tpu-vm", "ssh", "pod", "--zone=zone"]
    (line,) = [note for note in notes if note.startswith("--command=")]
    script = line.removeprefix("--command=").replace("cd rtickets && exec .venv/bin/rtickets", "")
    words = subprocess.check_output(["bash", "-c", f"printf '%s\\n' {script}"], text=True)
    assert words.splitlines() == ["pretrain", "--config.name=a b; 'c'", "--distributed"]


def test_a_pod_needs_a_name_a_zone_and_a_verb(run):
    assert run("tpu_pod.sh", "pod", "zone") == (2, [])


def test_every_file_is_in_the_readme():
    text = (ROOT / "launch" / "README.md").read_text()
    for path in ROOT.glob("launch/*.*"):
        assert path.name == "README.md" or f"launch/{path.name}" in text
