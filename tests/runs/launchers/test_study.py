"""A study by the command line: its launchers, and what they refuse."""

import json
import subprocess
import sys

import numpy as np
import pytest

from rtickets import cli
from rtickets.runs.launchers import local, slurm

CONFIG = """
from rtickets.settings import config_files
from rtickets.config import *

def get_config():
    data = DataConfig(source="npz", path={path!r})
    train = TrainConfig(duration="1ep", batch_size=16)
    return config_files.editable(StudyConfig(
        name="tiny",
        pretrain=PretrainConfig(data=data, model=ModelConfig(width=0.03125), train=train),
        objectives={{"natural": ObjectiveConfig()}},
        sparsities=(0.5,),
        transfers={{"finetune": TransferConfig(data=data, train=train)}},
        evaluate=EvaluateConfig(split="validation", batch_size=64),
    ))
"""


@pytest.fixture(scope="module")
def config_file(tmp_path_factory):
    folder = tmp_path_factory.mktemp("config")
    labels = np.arange(80) % 2
    noise = np.random.default_rng(0).integers(0, 100, (80, 8, 8))
    images = (noise + 120 * labels[:, None, None]).astype(np.uint8)
    np.savez(folder / "data.npz", x_train=images, y_train=labels)
    (folder / "study.py").write_text(CONFIG.format(path=str(folder / "data.npz")))
    return folder / "study.py"


def run(*words):
    return cli.main([str(word) for word in words])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--worker=2/2"], "--worker=2/2"),
        (["--worker=0/2", "--launcher=local"], "--worker "),
        (["--workers=2"], "--workers needs --launcher"),
        (["--slurm=time=1"], "--slurm needs --launcher=slurm"),
        (["--slurm=time=1", "--launcher=local"], "--slurm needs --launcher=slurm"),
        (["--launcher=slurm"], "--launcher=slurm needs --workers=N"),
        (["--launcher=slurm", "--workers=2", "--slurm=time=x"], "time=x"),
        (["--launcher=local", "--distributed"], "leave --launcher or --distributed"),
        (["--launcher=local", "--config.sparsities=(1.5,)"], "sparsities.0=1.5"),
    ],
)
def test_options_that_do_not_go_together_are_one_line(
    config_file, tmp_path, capsys, words, message
):
    assert run("study", f"--config={config_file}", f"--workdir={tmp_path}", *words) == 2
    errors = capsys.readouterr().err.strip().splitlines()
    assert message in errors[-1]
    assert len(errors) == 1


def test_a_job_array_is_submitted_with_the_words_of_the_command(
    config_file, tmp_path, capsys, monkeypatch
):
    seen = {}

    class Job:
        job_id = "12_0"

    def submit(commands, name, parameters):
        seen.update(commands=commands, name=name, parameters=parameters)
        return [Job()]

    monkeypatch.setattr(slurm, "submit", submit)
    words = (f"--config={config_file}", "--config.seeds=(3,)", f"--workdir={tmp_path}", "--profile")
    assert run("study", *words, "--launcher=slurm", "--workers=2", "--slurm=partition=a") == 0
    assert "12_0" in capsys.readouterr().out
    assert (seen["name"], seen["parameters"]) == ("rtickets-tiny", {"partition": "a"})
    first, second = seen["commands"]
    assert first[:4] == [sys.executable, "-m", "rtickets", "study"]
    assert {"--profile=10", "--config.seeds=(3,)", "--worker=0/2"} <= set(first)
    assert second == [*first[:-1], "--worker=1/2"]
    assert not any("launcher" in word or "slurm" in word for word in first)


@pytest.mark.parametrize(("status", "said"), [(0, "are being run by workers elsewhere"), (75, "")])
def test_workers_that_end_before_the_study_does_say_why(
    config_file, tmp_path, capsys, monkeypatch, status, said
):
    monkeypatch.setattr(local, "find_devices", lambda: local.MachineDevices("cpu", 1))
    monkeypatch.setattr(local, "run_workers", lambda *_, **__: status)
    words = (f"--config={config_file}", f"--workdir={tmp_path}", "--launcher=local")
    assert run("study", *words) == status
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == bool(said)
    assert said in "".join(lines)


def test_two_workers_give_the_result_of_one_process(config_file, tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    command = [sys.executable, "-m", "rtickets", "study", f"--config={config_file}",
               "--cpu-devices=1"]  # fmt: skip
    subprocess.run([*command, f"--workdir={one}"], check=True, capture_output=True)
    launched = [*command, f"--workdir={two}", "--launcher=local", "--workers=2", "--tensorboard"]
    done = subprocess.run(launched, check=True, capture_output=True, text=True)
    results = [next(folder.glob("study-tiny-*/result.json")).read_bytes() for folder in (one, two)]
    assert results[0] == results[1]
    assert len(json.loads(results[0])["cells"]) == 2
    lines = done.stderr.splitlines()
    assert {"[0]", "[1]"} <= {line[:3] for line in lines}
    finished = [line for line in lines if "transfer-" in line and "images/s" in line]
    assert len(finished) == 2  # each by one worker
    assert "report: " in done.stdout
    for folder in (one, two):
        assert all((path.parent / "COMPLETE").exists() for path in folder.glob("*/config.json"))
        assert len(list(folder.glob("study-tiny-*/done/*"))) == 3
    assert len(list(two.glob("*/tensorboard/events*"))) == 4  # the study's own, too
