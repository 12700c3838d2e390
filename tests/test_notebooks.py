"""The notebooks of the site run, and hold what they printed and drew."""

import base64
import contextlib
import io
import json
import re
import runpy
import struct
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = {path.stem: path for path in sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))}
STUDIES = runpy.run_path(str(ROOT / "tests" / "report" / "conftest.py"))
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def cells(name, kind):
    found = json.loads(NOTEBOOKS[name].read_text())["cells"]
    return [cell for cell in found if cell["cell_type"] == kind]


def code(name):
    return ["".join(cell["source"]) for cell in cells(name, "code")]


def run(texts, names):
    for text in texts:
        with contextlib.redirect_stdout(io.StringIO()):
            exec(compile(text, "notebook", "exec"), names)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_what_cells_printed_and_drew_is_there_and_small(name):
    outputs = [output for cell in cells(name, "code") for output in cell["outputs"]]
    assert outputs
    assert not [output for output in outputs if output["output_type"] == "error"]
    assert NOTEBOOKS[name].stat().st_size < 150_000
    pictures = [one["data"]["image/png"] for one in outputs if "image/png" in one.get("data", {})]
    for picture in pictures:
        data = base64.b64decode("".join(picture))
        assert struct.unpack(">II", data[16:24]) <= (1000, 1000)


def test_the_quick_start_is_the_first_page_in_fifteen_cells():
    page = (ROOT / "docs" / "start.md").read_text()
    assert code("quick_start") == [block.rstrip() for block in BLOCK.findall(page)]
    assert len(code("quick_start")) + len(cells("quick_start", "markdown")) <= 15


def test_networks_of_ones_own_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(code("own_networks"), {})
    assert (tmp_path / "nnx-ticket" / "ticket.json").is_file()


def test_a_study_is_read(tmp_path, monkeypatch):
    """Another study than that of its first cell, which takes a minute."""
    monkeypatch.chdir(tmp_path)
    STUDIES["study_in"](tmp_path)
    first, *rest = code("reading_a_study")
    assert "studies/tiny" in first
    run(rest, {})


@pytest.mark.slow
@pytest.mark.parametrize("name", ["quick_start", "reading_a_study"])
def test_the_others_run_whole(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(code(name), {})
