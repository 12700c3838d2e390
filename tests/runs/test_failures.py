"""A cell that diverges costs nobody else their result, and is not trained twice unasked."""

import dataclasses

import jax
import numpy as np
import pytest

from rtickets import cli, stages
from rtickets.config import (
    DataConfig,
    EvaluateConfig,
    ModelConfig,
    ObjectiveConfig,
    OptimizerConfig,
    PretrainConfig,
    StudyConfig,
    TrainConfig,
    TransferConfig,
)
from rtickets.errors import FailedBeforeError, InputError, NonFiniteLossError, Preempted
from rtickets.platform import parallel
from rtickets.report import write_report
from rtickets.runs import folders
from rtickets.runs.consent import Consent, attempt
from rtickets.settings import config_files
from rtickets.stages.study import run_study

SHORT = TrainConfig(
    optimizer=OptimizerConfig(learning_rate=0.05),
    duration="2it",
    batch_size=16,
    select="last",
    validate_every="0ep",
    checkpoint_every="0ep",
)
WILD = dataclasses.replace(SHORT, optimizer=OptimizerConfig(learning_rate=1e30), duration="4it")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("study")


@pytest.fixture(scope="module")
def config(folder):
    labels = np.arange(60) % 2
    images = np.random.default_rng(0).integers(0, 100, (60, 8, 8)) + 120 * labels[:, None, None]
    np.savez(folder / "data.npz", x_train=images.astype(np.uint8), y_train=labels)
    data = DataConfig(source="npz", path=str(folder / "data.npz"))
    return StudyConfig(
        name="failing",
        pretrain=PretrainConfig(data=data, model=ModelConfig(width=0.03125), train=SHORT),
        objectives={"natural": ObjectiveConfig()},
        sparsities=(0.5,),
        transfers={
            "good": TransferConfig(data=data, train=SHORT),
            "wild": TransferConfig(data=data, train=WILD),
        },
        evaluate=EvaluateConfig(),
    )


@pytest.fixture(scope="module")
def devices():
    return parallel.local_devices(1)


@pytest.fixture(scope="module")
def study(config, folder, devices):
    return run_study(config, folder, devices)


def test_the_other_cells_are_measured_and_the_failed_ones_listed_with_the_reason(study):
    result = study.result()
    assert [(cell["draw"], cell["transfer"]) for cell in result["cells"]] == [
        ("dense", "good"), ("omp", "good"),
    ]  # fmt: skip
    assert len(result["sources"]) == 1
    found = [(one["kind"], one["draw"], one["transfer"]) for one in result["failed"]]
    assert found == [("cells", "dense", "wild"), ("cells", "omp", "wild")]
    assert all("the loss is" in one["reason"] for one in result["failed"])


def test_the_page_lists_what_failed(study):
    page = write_report(study).read_text()
    assert "What failed" in page
    assert page.count("the loss is") == 2


def test_a_complete_study_shows_its_failures_and_trains_nothing(study, config, folder, devices):
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("FAILED")}
    assert len(before) == 2
    assert run_study(config, folder, devices).result() == study.result()
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("FAILED")} == before


def test_what_failed_is_tried_again_when_asked(study, config, folder, devices):
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("FAILED")}
    assert (
        run_study(config, folder, devices, consent=Consent(retry_failed=True)).result()
        == study.result()
    )
    after = {path: path.stat().st_mtime_ns for path in folder.rglob("FAILED")}
    assert set(after) == set(before)
    assert all(after[path] > before[path] for path in after)


def test_the_exit_status_is_1_and_the_lines_say_why(study, config, folder, capsys, tmp_path):
    text = (
        "from rtickets.settings import config_files\n"
        "from rtickets.config import *\n"
        f"VALUES = {config_files.to_dict(config)!r}\n"
        "def get_config():\n"
        "    return config_files.editable(config_files.parse(StudyConfig, VALUES))\n"
    )
    (tmp_path / "failing.py").write_text(text)
    words = ["study", f"--config={tmp_path / 'failing.py'}", f"--workdir={folder}", "--devices=1"]
    assert cli.main(words) == 1
    out = capsys.readouterr().out
    assert out.count("FAILED: wild") == 2
    assert ", seed 0: " in out
    assert "--retry-failed" in out


def test_if_everything_failed_there_is_a_report_all_the_same(config, devices, tmp_path):
    only = dataclasses.replace(config, transfers={"wild": config.transfers["wild"]}, name="none")
    study = run_study(only, tmp_path, devices)
    assert study.result()["cells"] == []
    assert "What failed" in write_report(study).read_text()


@pytest.fixture
def clumsy(config, monkeypatch):
    """The study without its wild cells, in which drawing from the ticket fails as it is told to."""

    def fail(error):
        def draw(*arguments):
            raise error

        monkeypatch.setattr(stages, "draw", draw)
        only = {"good": config.transfers["good"]}
        return dataclasses.replace(config, transfers=only, name="clumsy")

    return fail


@pytest.mark.parametrize(
    "error",
    [
        jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory\nallocating 1 TiB"),
        MemoryError(),
        KeyError("mine"),
    ],
)
def test_a_cell_that_ends_in_a_fault_costs_no_other_and_shows_where(
    study, clumsy, error, folder, devices, capfd
):
    result = run_study(clumsy(error), folder, devices).result()
    assert [cell["draw"] for cell in result["cells"]] == ["dense"]
    (one,) = result["failed"]
    assert one["draw"] == "omp"
    assert type(error).__name__ in one["reason"]
    assert "\n" not in one["reason"]
    assert "Traceback" in capfd.readouterr().err
    for path in folder.glob("study-clumsy-*/COMPLETE"):
        path.unlink()
    for path in folder.glob("study-clumsy-*/failed/*"):
        path.unlink()


@pytest.mark.parametrize("error", [OSError(28, "No space left"), Preempted("asked to stop")])
def test_a_full_disk_and_a_request_to_stop_end_the_study(study, clumsy, error, folder, devices):
    with pytest.raises(type(error)):
        run_study(clumsy(error), folder, devices)
    assert not list(folder.glob("study-clumsy-*/failed/*"))


@pytest.fixture
def stage(tmp_path):
    """A stage that diverges, and the number of its attempts."""
    folder = folders.folder_of(tmp_path, "transfer", "x", TransferConfig())
    attempts = []

    def body(path):
        attempts.append(path)
        raise NonFiniteLossError("the loss is not finite by step 3")

    return lambda: folders.run_once(folder, body), attempts


def test_a_stage_that_diverged_says_so_at_once(stage):
    run, attempts = stage
    with pytest.raises(NonFiniteLossError):
        run()
    with pytest.raises(FailedBeforeError, match=r"step 3.*--retry-failed") as caught:
        run()
    assert caught.value.folder == attempts[0]
    assert len(attempts) == 1


def test_a_stage_is_tried_again_once_when_asked(stage):
    run, attempts = stage
    with pytest.raises(NonFiniteLossError):
        run()
    retried = set()
    with pytest.raises(NonFiniteLossError):
        attempt(run, Consent(retry_failed=True), retried)
    with pytest.raises(FailedBeforeError):
        attempt(run, Consent(retry_failed=True), retried)
    assert len(attempts) == 2


def test_a_reason_behind_a_link_is_not_told(stage, tmp_path):
    run, attempts = stage
    with pytest.raises(NonFiniteLossError):
        run()
    (tmp_path / "secret").write_text("mine alone")
    (attempts[0] / "FAILED").unlink()
    (attempts[0] / "FAILED").symlink_to(tmp_path / "secret")
    with pytest.raises(InputError, match="symbolic link") as caught:
        run()
    assert "mine alone" not in str(caught.value)
    (attempts[0] / "FAILED").unlink()
    (attempts[0] / "FAILED").touch()
    with pytest.raises(FailedBeforeError, match="not known"):
        run()
