import argparse
import sys

import pytest

from rtickets import cli
from rtickets.runs.launchers.commands import words_of, worker_command
from rtickets.runs.workers import Worker


def parse(*words):
    return cli._parsers()[0].parse_args(["study", *words])


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--workdir=there", "--cpu-devices=1", "--devices=2"),
        ("--tensorboard", "--profile"),
        ("--track=wandb", "--track=mlflow"),
        ("--profile=3", "--worker=1/2"),
    ],
)
def test_the_words_of_options_give_the_same_options(words):
    options = parse(*words)
    again = parse(*words_of(options, ("verb",)))
    assert again == options


def test_what_is_left_out_is_not_passed_on():
    options = parse("--launcher=slurm", "--workers=3", "--slurm=a=b", "--slurm=c")
    assert "--slurm=a=b" in words_of(options, ("verb",))
    left = words_of(options, ("verb", "launcher", "workers", "slurm"))
    assert left == words_of(parse(), ("verb",))


def test_a_list_is_one_word_each_and_nothing_is_none():
    options = argparse.Namespace(many=["a=1", "b"], none=None, off=False, on=True, two_words=2)
    assert words_of(options, ()) == ["--many=a=1", "--many=b", "--on", "--two-words=2"]


def test_a_worker_runs_this_python():
    command = worker_command(["--workdir=x", "--config=c.py"], Worker(1, 4))
    assert command[0] == sys.executable
    assert command[1:] == [
        "-m",
        "rtickets",
        "study",
        "--workdir=x",
        "--config=c.py",
        "--worker=1/4",
    ]
