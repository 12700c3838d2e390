"""Runs know what they were computed with, and are not taken for runs on other data."""

import json

import jax
import numpy as np
import pytest

from rtickets.config import DataConfig, DrawConfig, EvaluateConfig, StudyConfig, TransferConfig
from rtickets.errors import ChangedError, Preempted
from rtickets.runs import environment, folders
from rtickets.runs.consent import Consent, attempt
from rtickets.tickets import provenance


def npz(path, value):
    path.parent.mkdir(exist_ok=True, parents=True)
    np.savez(path, x_train=np.full((4, 4, 4), value, np.uint8), y_train=np.arange(4) % 2)


def transfer_on(path):
    return TransferConfig(data=DataConfig(source="npz", path=str(path)))


def digest(workdir, config, *inputs):
    return folders.folder_of(workdir, "transfer", "x", config, *inputs).digest


def test_the_same_configuration_over_other_data_is_another_run(tmp_path):
    npz(tmp_path / "data.npz", 1)
    before = digest(tmp_path, transfer_on(tmp_path / "data.npz"))
    assert digest(tmp_path, transfer_on(tmp_path / "data.npz")) == before
    npz(tmp_path / "data.npz", 2)
    assert digest(tmp_path, transfer_on(tmp_path / "data.npz")) != before


def test_a_relative_path_means_the_folder_it_was_given_in(tmp_path, monkeypatch):
    found = {}
    for name, value in (("here", 1), ("there", 2)):
        npz(tmp_path / name / "data.npz", value)
        monkeypatch.chdir(tmp_path / name)
        config = transfer_on("data.npz")
        assert config.data.path == str(tmp_path / name / "data.npz")
        found[name] = digest(tmp_path, config)
    assert found["here"] != found["there"]


def test_data_that_moved_is_the_same_run(tmp_path):
    npz(tmp_path / "a" / "data.npz", 1)
    before = digest(tmp_path, transfer_on(tmp_path / "a" / "data.npz"))
    (tmp_path / "a").rename(tmp_path / "b")
    assert digest(tmp_path, transfer_on(tmp_path / "b" / "data.npz")) == before


def test_the_data_of_every_part_of_a_study_count(tmp_path):
    npz(tmp_path / "data.npz", 1)
    study = StudyConfig(transfers={"t": transfer_on(tmp_path / "data.npz")})
    before = digest(tmp_path, study)
    npz(tmp_path / "data.npz", 2)
    assert digest(tmp_path, study) != before


@pytest.mark.parametrize(
    ("config", "counts"),
    [
        (EvaluateConfig(), True),
        (DrawConfig(criterion="snip"), True),
        (DrawConfig(), False),
        (EvaluateConfig(data=DataConfig()), False),
    ],
)
def test_the_task_of_the_network_counts_where_its_images_are_read(tiny, tmp_path, config, counts):
    from rtickets.draw import Ticket
    from rtickets.settings.config_files import to_dict

    npz(tmp_path / "data.npz", 1)
    task = to_dict(DataConfig(source="npz", path=str(tmp_path / "data.npz")))
    Ticket(tiny.mask, tiny.params, meta={"task": task}).save(tmp_path / "ticket")
    source = folders.find_ticket(str(tmp_path / "ticket"))
    before = digest(tmp_path, config, source)
    npz(tmp_path / "data.npz", 2)
    assert (digest(tmp_path, config, source) != before) == counts


@pytest.mark.parametrize(("value", "said"), [(1, False), (2, True), (None, False)])
def test_data_that_changed_is_told_from_data_that_is_gone(tmp_path, capsys, value, said):
    path = tmp_path / "data.npz"
    npz(path, 1)
    meta = provenance.extend({}, "transfer", TransferConfig(), transfer_on(path).data, 0)
    path.unlink()
    if value is not None:
        npz(path, value)
    provenance.last_task(meta)
    assert ("has changed" in "".join(capsys.readouterr())) == said


@pytest.fixture
def stopped(tmp_path):
    """A stage that was stopped, and what goes on with it."""
    folder = folders.folder_of(tmp_path, "transfer", "x", TransferConfig())

    def run(stop=False):
        def body(path):
            if stop:
                raise Preempted("asked to stop")
            return {}

        return folders.run_once(folder, body)

    with pytest.raises(Preempted):
        run(stop=True)
    return folder.path, run


def pretend(folder, **changes):
    """Make a run have begun with something else."""
    values = json.loads((folder / "environment.json").read_text())
    values["environments"][-1].update(changes)
    (folder / "environment.json").write_text(json.dumps(values))


def test_a_run_records_versions_device_and_settings(stopped):
    (found,) = environment.read(stopped[0])
    assert found["jax"] == jax.__version__
    assert found["device"] == jax.devices()[0].device_kind
    assert {"rtickets", "commit", "python", "flax", "x64", "prng"} <= set(found)


def test_another_version_is_said_and_recorded(stopped, capsys):
    folder, run = stopped
    pretend(folder, jax="0.0.1", commit="0123")
    assert run().complete
    said = capsys.readouterr().err
    assert f"jax {jax.__version__}, began with 0.0.1" in said
    assert [one["jax"] for one in environment.read(folder)] == ["0.0.1", jax.__version__]


@pytest.mark.parametrize(("setting", "value"), [("x64", True), ("prng", "rbg")])
def test_a_setting_that_changes_results_needs_consent(stopped, setting, value):
    folder, run = stopped
    pretend(folder, **{setting: value})
    with pytest.raises(ChangedError, match=rf"{setting} .*began with {value}.*--accept-changes"):
        run()
    assert attempt(run, Consent(accept_changes=True), set()).complete
    assert [one[setting] for one in environment.read(folder)] == [
        value,
        environment.current()[setting],
    ]


def test_a_run_that_goes_on_as_it_began_says_nothing(stopped, capsys):
    folder, run = stopped
    run()
    assert "goes on with" not in capsys.readouterr().err
    assert len(environment.read(folder)) == 1


@pytest.fixture
def done(stopped):
    """A stage that is complete, and what asks for it again."""
    folder, run = stopped
    run()
    return folder, run


def test_a_complete_run_of_another_version_is_reused_with_a_line_that_comes_once(done, capsys):
    folder, run = done
    pretend(folder, jax="0.0.1")
    capsys.readouterr()
    assert run().complete
    assert f"jax {jax.__version__}, computed with 0.0.1" in capsys.readouterr().err
    assert run().complete
    assert capsys.readouterr().err == ""
    assert [one["jax"] for one in environment.read(folder)] == ["0.0.1"]  # nothing was computed
    assert [one["jax"] for one in environment.read(folder, "reused")] == [jax.__version__]


@pytest.mark.parametrize(("setting", "value"), [("x64", True), ("matmul_precision", "highest")])
def test_reusing_a_complete_run_of_other_settings_needs_consent(done, setting, value):
    folder, run = done
    pretend(folder, **{setting: value})
    with pytest.raises(ChangedError, match=rf"reused with {setting} .*{value}.*--accept-changes"):
        run()
    assert attempt(run, Consent(accept_changes=True), set()).complete
    assert run().complete  # it was agreed to
    assert [one[setting] for one in environment.read(folder)] == [value]


def test_a_complete_study_of_other_settings_needs_consent(tmp_path):
    folder = folders.folder_of(tmp_path, "study", "x", StudyConfig())
    folders.run_once(folder, lambda _: {})
    pretend(folder.path, prng="rbg")
    with pytest.raises(ChangedError, match=r"prng .*rbg.*--accept-changes"):
        folders.begin_run(folder)
    assert attempt(lambda: folders.begin_run(folder), Consent(accept_changes=True), set())


def test_a_complete_run_in_a_folder_that_cannot_be_written_is_reused(done, capsys, monkeypatch):
    def refuse(*_):
        raise PermissionError("read-only")

    folder, run = done
    pretend(folder, jax="0.0.1")
    monkeypatch.setattr(environment, "write_json", refuse)
    assert run().complete
    assert "computed with 0.0.1" in capsys.readouterr().err


def installed(site, **files):
    """Put the package where an installer does, and return the commit that it tells."""
    (site / "rtickets").mkdir(parents=True)
    for name in ("environment.py", "_version.py"):
        (site / "rtickets" / name).touch()
    meta = site / "rtickets-0.1.0.dist-info"
    meta.mkdir()
    (meta / "METADATA").write_text("Metadata-Version: 2.1\nName: rtickets\nVersion: 0.1.0\n")
    for name, words in files.items():
        (meta / f"{name}.json").write_text(json.dumps(words))


@pytest.mark.parametrize(
    ("files", "commit"),
    [
        ({}, f"unknown (installed package {environment.__version__})"),
        (
            {"direct_url": {"dir_info": {}}},
            f"unknown (installed package {environment.__version__})",
        ),
        ({"direct_url": {"vcs_info": {"commit_id": "0123456789abcdef"}}}, "0123456789ab"),
    ],
)
def test_an_installed_package_says_its_commit_or_that_it_is_unknown(
    tmp_path, monkeypatch, files, commit
):
    installed(tmp_path, **files)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(environment, "__file__", str(tmp_path / "rtickets" / "runs" / "x.py"))
    assert environment._commit.__wrapped__() == commit
    assert f"commit {commit}" in environment.as_lines([{"commit": commit}])[0]


def test_a_package_of_another_place_lends_no_commit(tmp_path, monkeypatch):
    installed(tmp_path / "a", direct_url={"vcs_info": {"commit_id": "0123456789abcdef"}})
    monkeypatch.syspath_prepend(tmp_path / "a")
    (tmp_path / "b" / "rtickets").mkdir(parents=True)
    monkeypatch.setattr(environment, "__file__", str(tmp_path / "b" / "rtickets" / "runs" / "x.py"))
    assert environment._commit.__wrapped__().startswith("unknown (installed package")


def test_a_checkout_that_git_does_not_know_has_an_unknown_commit(tmp_path, monkeypatch):
    (tmp_path / ".git").mkdir()
    file = tmp_path / "rtickets" / "runs" / "environment.py"
    file.parent.mkdir(parents=True)
    monkeypatch.setattr(environment, "__file__", str(file))
    assert environment._commit.__wrapped__() == "unknown (git does not tell)"
