import json
import subprocess
import sys
import time

import numpy as np
import pytest

from rtickets import cli
from rtickets._version import __version__
from rtickets.cli.verb import CONFIG_HELP


@pytest.fixture
def pretrain_file(tmp_path):
    generator = np.random.default_rng(0)
    labels = np.arange(80) % 2
    images = generator.integers(0, 100, (80, 8, 8)) + 120 * labels[:, None, None]
    np.savez(tmp_path / "data.npz", x_train=images.astype(np.uint8), y_train=labels)
    path = tmp_path / "pretrain.py"
    path.write_text(
        "from rtickets.settings import config_files\n"
        "from rtickets.config import *\n"
        "def get_config():\n"
        f"    data = DataConfig(source='npz', path={str(tmp_path / 'data.npz')!r})\n"
        "    train = TrainConfig(duration='2ep', batch_size=16)\n"
        "    model = ModelConfig(width=0.03125)\n"
        "    return config_files.editable(PretrainConfig(data=data, model=model, train=train))\n"
    )
    return path


def run(*words):
    return cli.main([str(word) for word in words])


def run_stage(*words):
    return run(*words, "--devices=2")


def timed(*words):
    start = time.monotonic()
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=True)
    return time.monotonic() - start, done.stdout


@pytest.mark.parametrize("words", [("-c", "import rtickets"), ("-m", "rtickets", "--help")])
def test_starting_is_quick(words):
    assert min(timed(*words)[0] for _ in range(3)) < 1.5


def test_importing_the_package_imports_nothing_heavy():
    code = "import rtickets, sys; print([m for m in ('jax', 'flax', 'numpy') if m in sys.modules])"
    assert timed("-c", code)[1].strip() == "[]"


@pytest.mark.parametrize("verb", cli.VERBS)
def test_every_verb_explains_itself(verb, capsys):
    with pytest.raises(SystemExit) as stop:
        run(verb, "--help")
    assert stop.value.code == 0
    out = capsys.readouterr().out
    assert "exit status: 0 done" in out
    assert ("--config.FIELD" in out) == (cli.VERBS[verb].epilog == CONFIG_HELP)


def test_the_version_is_printed(capsys):
    with pytest.raises(SystemExit) as stop:
        run("--version")
    assert stop.value.code == 0
    assert __version__ in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [
        (), ("dance",), ("pretrain", "--workdri=x"), ("demo", "--cpu-devices=0"),
        ("demo", "--workdir="), ("demo", "--workdir=~no-such-user/x"), ("status", ""),
        ("import", "x", "--arch=resnet18", "--out="),
        ("ticket", "show", "x", "--pictures="), ("data", "prepare", "dtd", "--data-dir="),
        ("data", "prepare", "dtd", "--manual="), ("configs", "copy", "studies/tiny", ""),
    ],
)  # fmt: skip
def test_bad_words_exit_with_2(words, capsys):
    with pytest.raises(SystemExit) as stop:
        run(*words)
    assert stop.value.code == 2


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("--config.train.batch_sise=4",), "batch_sise"),
        (("--config.train.batch_size=0",), "train.batch_size=0"),
        (("--config.model.width=1e300",), "model.width=1e+300"),
        (("--config.model.width=nan",), "model.width="),
        (("--config.data.path=nowhere.npz",), "nowhere.npz"),
        (("--config.data.source=npz", "--config.data.path="), "the path is empty"),
        (("--config.data.source=npz", "--config.data.path=~no-such-user/x"), "~no-such-user/x"),
        (("--config.data.source=imagenot",), "source='imagenot' is unknown"),
        (("--config.train.batch_size=7",), "batch_size=7"),
        (("--config.train.batch_size=4096",), "batch_size=4096 exceeds"),
        (("--config.data.train_examples=100",), "train_examples=100"),
    ],
)
def test_bad_input_is_one_line_and_exit_status_2(
    pretrain_file, tmp_path, capsys, overrides, message
):
    status = run_stage("pretrain", f"--config={pretrain_file}", f"--workdir={tmp_path}", *overrides)
    errors = capsys.readouterr().err.strip()
    assert status == 2
    assert message in errors
    assert len(errors.splitlines()) == 1
    assert errors.startswith("rtickets: ")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("draw", "--config.sparsity=1.0"), "sparsity=1.0"),
        (("draw",), "config.ticket is missing"),
        (("draw", "--config.ticket=nowhere"), "nowhere does not exist"),
        (("evaluate", "--config.ticket=nowhere"), "nowhere does not exist"),
        (("transfer",), "--config=FILE.py is missing"),
        (("report",), "`rtickets demo"),
    ],
)
def test_missing_inputs_are_named(words, message, tmp_path, capsys):
    assert run(*words, f"--workdir={tmp_path}") == 2
    assert message in capsys.readouterr().err


def test_the_stages_chain_by_their_folders(pretrain_file, tmp_path, capsys):
    where = f"--workdir={tmp_path / 'runs'}"
    assert run_stage("pretrain", f"--config={pretrain_file}", where, "--name=first") == 0
    (dense,) = (tmp_path / "runs").glob("pretrain-first-*")
    assert run("draw", f"--config.ticket={dense}", "--config.sparsity=0.8", where) == 0
    (ticket,) = (tmp_path / "runs").glob("draw-omp0.8-*")
    capsys.readouterr()
    assert run_stage("evaluate", f"--config.ticket={ticket}", where) == 0
    printed = capsys.readouterr().out
    measured = json.loads(printed[: printed.rindex("}") + 1])
    assert measured["clean"]["examples"] == 16
    assert "done: " in printed


def test_a_loss_that_is_not_finite_exits_with_1(pretrain_file, tmp_path, capsys):
    status = run_stage(
        "pretrain",
        f"--config={pretrain_file}",
        f"--workdir={tmp_path}",
        "--config.train.optimizer.learning_rate=1e30",
    )
    assert status == 1
    assert "the loss is" in capsys.readouterr().err.splitlines()[-1]
    assert not list(tmp_path.glob("pretrain-*/COMPLETE"))


def test_a_workdir_that_cannot_be_made_is_one_line(pretrain_file, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    where = f"--workdir={tmp_path / 'file'}"
    assert run_stage("pretrain", f"--config={pretrain_file}", where) == 2
    assert str(tmp_path / "file") in capsys.readouterr().err.splitlines()[-1]


def test_data_sources_are_listed_and_described(capsys):
    assert run("data", "list") == 0
    assert "fashion_mini" in capsys.readouterr().out
    assert run("data", "info", "--config.source=fashion_mini") == 0
    printed = capsys.readouterr().out
    assert "10,800 images" in printed
    assert "(28, 28, 1), uint8" in printed
