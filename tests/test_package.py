"""What is in the packages that users install."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import yaml

from rtickets import __version__

ROOT = Path(__file__).parents[1]
SHIPPED = ("configs", "docs", "launch", "rtickets", "tests", ".ci")
LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc", ".hypothesis")


def files_below(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Return the files of the sources and of the sdist, and the unpacked wheel made of it."""
    top = tmp_path_factory.mktemp("package")
    source, dist = top / "source", top / "dist"
    source.mkdir()
    for path in ROOT.iterdir():
        if path.name in SHIPPED:
            shutil.copytree(path, source / path.name, symlinks=True, ignore=LEFT_OUT)
        elif path.is_file() and not path.is_symlink():
            shutil.copy(path, source / path.name)
    before = files_below(source)
    words = [sys.executable, "-m", "build", "--no-isolation", "-o", str(dist), str(source)]
    subprocess.run(words, check=True, capture_output=True, text=True)
    with tarfile.open(next(dist.glob("*.tar.gz"))) as sdist:
        packed = {name.partition("/")[2] for name in sdist.getnames()}
        sdist.extractall(top / "unpacked", filter="data")
    with zipfile.ZipFile(next(dist.glob("*.whl"))) as wheel:
        wheel.extractall(top / "site")
    return before, packed, top / "site"


def test_the_sdist_has_what_building_and_testing_need(built):
    before, packed, _ = built
    assert {name for name in before - packed if not name.startswith(".git")} == set()


def test_the_tests_run_from_an_unpacked_sdist(built):
    """A few that need its files: the package, its configurations, README and what tests share."""
    (folder,) = (built[2].parent / "unpacked").iterdir()
    some = ["tests/runs/test_names.py", "tests/configs/test_configs.py", "tests/test_public_api.py"]
    words = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *some]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    environment.pop("PYTEST_ADDOPTS", None)  # of the run that this is part of
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:]


def test_the_wheel_has_the_package_its_data_and_the_configurations(built):
    site = built[2]
    installed = files_below(site / "rtickets")
    configs = {f"configs/{name}" for name in files_below(ROOT / "configs") if ".pyc" not in name}
    assert configs <= installed
    assert {"py.typed", "data/files/fashion_mini.npz.xz", "report/files/page.css"} <= installed
    assert {f"report/files/{name}.js" for name in ("chart", "table", "start")} <= installed
    assert not (site / "tests").exists()


def test_an_installed_package_finds_its_configurations_by_name(built, tmp_path):
    site = built[2]
    environment = {**os.environ, "PYTHONPATH": str(site)}

    def run(*words):
        return subprocess.run(
            [sys.executable, *words],
            capture_output=True, text=True, check=True, cwd=tmp_path, env=environment,
        ).stdout  # fmt: skip

    assert str(site) in run("-c", "import rtickets; print(rtickets.__file__)")
    assert "studies/demo" in run("-m", "rtickets", "configs", "list")
    shown = run("-m", "rtickets", "study", "--config=studies/demo", "--config.help=name")
    assert "--config.name=demo" in shown


def test_the_description_has_no_links_that_work_only_in_the_repository(built):
    (metadata,) = built[2].glob("*.dist-info/METADATA")
    text = metadata.read_text()
    assert "Project-URL" in text
    assert "](docs/" not in text
    assert "](CONTRIBUTING.md)" not in text


def test_the_version_is_that_of_one_file(built):
    (metadata,) = built[2].glob("*.dist-info/METADATA")
    assert f"\nVersion: {__version__}\n" in metadata.read_text()
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == __version__
    required = {"cff-version", "message", "title", "authors", "license"}
    assert required <= set(citation)


def test_optional_parts_that_messages_name_are_there(built):
    """Every `pip install 'rtickets[NAME]'` of the code and the pages is one that pip knows."""
    (metadata,) = built[2].glob("*.dist-info/METADATA")
    known = set(re.findall(r"^Provides-Extra: (\S+)$", metadata.read_text(), re.MULTILINE))
    texts = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "rtickets").rglob("*.py")]
    named = {
        name.strip()
        for path in texts
        for names in re.findall(r"rtickets\[([a-z, ]+)\]", path.read_text())
        for name in names.split(",")
    }
    assert {"demo", "hub", "wandb"} <= named
    assert named <= known
