"""Studies of every kind in a bucket: begun, told of, gone on with, and looked at from elsewhere."""

import json

import numpy as np
import pytest
from PIL import Image

from rtickets import models
from rtickets.models.supernet import supernet
from rtickets.storage import workdirs
from tests.cli.buckets.conftest import WORKDIR, contents, run, said_by, there
from tests.report.conftest import study_in
from tests.stages.pipelines.conftest import TABLE

pytest.importorskip("obstore")
pytest.importorskip("moto")
PIPELINES = """
from pathlib import Path
from rtickets.config import PipelineConfig
from rtickets.settings import config_files
from tests.stages.pipelines.conftest import make_config
def get_config():
    pipelines = {{"two_in_one": PipelineConfig(), "dense": PipelineConfig(search="dense")}}
    compared = {{"two_in_one": ("dense",)}}
    config = make_config(Path({folder!r}), pipelines=pipelines, compared=compared)
    tasks = {{"three": config.tasks["three"]}}
    return config_files.editable(config_files.replace(config, tasks=tasks))
"""
RESTORATIONS = """
from rtickets.config import RestorationStudyConfig
from rtickets.settings import config_files
from tests.restoration.test_study import QUICK
def get_config():
    quick = {{**QUICK, "methods": ("learnt",)}}
    return config_files.editable(RestorationStudyConfig(pictures=({picture!r},), **quick))
"""


def words_of(verb, where, text, **values):
    (where / "study.py").write_text(text.format(**values))
    return [verb, f"--config={where / 'study.py'}", f"--workdir={WORKDIR}"]


def page_of(said):
    """Return the key of the page that a command named, as an address."""
    page = said.splitlines()[-1].removeprefix("page: ")
    assert page.startswith(f"{WORKDIR}/")
    assert "scratch" not in said
    return page.removeprefix(f"{WORKDIR}/")


def test_a_comparison_of_pipelines(bucket, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(models.ARCHITECTURES, "mine", supernet(TABLE))
    words = words_of("search-study", tmp_path, PIPELINES, folder=str(tmp_path))
    page = page_of(said_by(capsys, *words, "--devices=1"))
    name = page.partition("/")[0]
    workdirs.close_all()
    cells = sorted(key for key in contents() if key.startswith(f"{name}/cells/"))
    assert len(cells) == 2
    store = there()
    for lost in (
        "COMPLETE",
        "result.json",
        "report.html",
        *(key.partition("/")[2] for key in cells[1:]),
    ):
        store.delete(f"{name}/{lost}")
    said = said_by(capsys, *words, "--report")  # of the cell that is there, from elsewhere
    assert page_of(said) == page
    workdirs.close_all()
    assert f"{name}/COMPLETE" not in contents()
    before = len(bucket.requests)
    said_by(capsys, *words, "--devices=1")
    put = [path for method, path in bucket.requests[before:] if method == "PUT"]
    assert not [path for path in put if path.endswith(cells[0])]  # it is done
    assert {f"{name}/COMPLETE", f"{name}/result.json", page, *cells} <= contents().keys()


def test_a_comparison_of_restorations(bucket, tmp_path, capsys):
    rows = np.linspace(0, 255, 16).astype(np.uint8)
    Image.fromarray(np.stack([np.tile(rows, (16, 1))] * 3, -1)).save(tmp_path / "a.png")
    words = words_of("restore-study", tmp_path, RESTORATIONS, picture=str(tmp_path / "a.png"))
    page = page_of(said_by(capsys, *words))
    name = page.partition("/")[0]
    workdirs.close_all()
    found = contents()
    result = json.loads(found[f"{name}/result.json"])
    named = f"{name}/a-seed0-"
    cells = [key for key in found if key.startswith(named) and key.endswith(".json")]
    assert len(cells) == len(result["cells"]) > 1
    there().delete(f"{name}/result.json")
    there().delete(cells[0])
    before = len(bucket.requests)
    said_by(capsys, *words)
    put = {path for method, path in bucket.requests[before:] if method == "PUT"}
    assert not [path for path in put if path.endswith(cells[1])]
    assert json.loads(contents()[f"{name}/result.json"]) == result


def test_a_report_alone_of_a_study_that_others_ran(bucket, tmp_path, capsys):
    study = study_in(tmp_path).path
    for path in study.rglob("*"):
        if path.is_file():
            there().put(path.relative_to(study.parent).as_posix(), path.read_bytes())
    said = said_by(capsys, "report", "latest:study-small", f"--workdir={WORKDIR}")
    assert f"report: {WORKDIR}/{study.name}/report.html" in said
    assert "scratch" not in said
    key = f"{study.name}/report.html"
    page = contents()[key].decode()
    assert "omp" in page
    workdirs.close_all()
    there().delete(key)
    said_by(capsys, "report", f"{WORKDIR}/{study.name}", f"--figures={tmp_path / 'figures'}")
    assert contents()[key].decode() == page
    assert list((tmp_path / "figures").iterdir())
    assert run("report", f"{WORKDIR}/study-none-0123456789") == 2
    assert "study-none" in capsys.readouterr().err
