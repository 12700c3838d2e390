"""The site: every page has its place in the menu, and every Python block of every page runs."""

import re
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import yaml

import rtickets
from rtickets import Ticket, cli, masks, models
from rtickets.config import ModelConfig, RestoreConfig, StudyConfig
from rtickets.models.resnet import BasicBlock, ResNet
from rtickets.settings import config_files
from rtickets.training.observe.trackers import TRACKERS
from rtickets.training.optimizers import OPTIMIZERS

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
STUDIES = runpy.run_path(str(ROOT / "tests" / "report" / "conftest.py"))
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# The tests that execute the blocks of other pages.
ELSEWHERE = {
    "export.md": "tests/exporters/test_export.py",
    "extending.md": "tests/test_extending.py",
    "layouts.md": "tests/test_docs.py",
    "package.md": "tests/test_docs.py",
    "tickets.md": "tests/tickets/test_nnx_and_haiku.py",
}


def blocks(page: Path) -> list[str]:
    return BLOCK.findall(page.read_text())


PAGES = {page.relative_to(DOCS).as_posix(): page for page in sorted(DOCS.rglob("*.md"))}
WITH_BLOCKS = [name for name, page in PAGES.items() if blocks(page)]


def test_every_page_has_one_place_in_the_menu():
    """`make docs` checks links and anchors too; this is what a new page most often lacks."""
    text = (ROOT / "mkdocs.yml").read_text()
    settings = yaml.load(text, Loader=yaml.BaseLoader)

    def places(entry: Any) -> list[str]:
        if isinstance(entry, str):
            return [entry]
        inner = entry.values() if isinstance(entry, dict) else entry
        return [place for each in inner for place in places(each)]

    named = places(settings["nav"])
    left_out = set(settings["exclude_docs"].split())
    lacking = [
        name
        for name in PAGES
        if name not in left_out and named.count(name) + named.count(f"{Path(name).parent}/") != 1
    ]
    assert lacking == [], "give them a line in the nav of mkdocs.yml"


def test_pages_whose_blocks_others_run_are_named_there():
    for page, test in ELSEWHERE.items():
        assert page in WITH_BLOCKS
        assert page in (ROOT / test).read_text()


def _of_compaction() -> dict[str, Any]:
    """Make the ticket that the page loads: a small residual network with dead channels."""
    from rtickets.tickets import provenance

    config = config_files.parse(ModelConfig, {"arch": "resnet18", "width": 1 / 32})
    meta = {
        "model": config_files.to_dict(config), "class_names": ["a", "b"], "mean": [0.5],
        "std": [0.2], "image_shape": [8, 8, 1], "history": [{"stage": "pretrain"}],
    }  # fmt: skip
    network = provenance.build_model(meta)
    variables = network.init(jax.random.key(0), jnp.zeros((1, 8, 8, 1)))
    mask = rtickets.draw_omp(variables["params"], 0.5, "channel")
    params = masks.apply(mask, variables["params"])
    Ticket(mask, params, variables["batch_stats"], meta).save("runs/draw-omp0.9-...")
    return {}


def _of_comparisons() -> dict[str, Any]:
    right = np.random.default_rng(0).random((2, 3, 40)) < 0.7
    config = config_files.editable(StudyConfig())
    return {"config": config, "robust_right": right[0], "natural_right": right[1]}


def _of_import() -> dict[str, Any]:
    torch = pytest.importorskip("torch")
    images = np.random.default_rng(0).random((2, 8, 8, 3), np.float32)
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 3))
    return {"torch": torch, "np": np, "model": model, "images": images}


def _of_inside() -> dict[str, Any]:
    x = jax.random.uniform(jax.random.key(0), (3, 4, 4, 1))
    return {
        "features_fn": lambda images: images.reshape(len(images), -1),
        "targets": x[::-1],
        "starts": 1 - x,
        "score_fn": lambda images, labels: images.mean((1, 2, 3)) * labels,
        "images": x,
        "labels": jnp.arange(3),
        "keys": jax.random.split(jax.random.key(1), 3),
    }


def _of_statistics() -> dict[str, Any]:
    model = ResNet((1,), BasicBlock, 3, width=4, stem="small")
    params, batch_stats = models.initialise(model, jax.random.key(0), (8, 8, 1))
    images = np.random.default_rng(0).random((2, 4, 8, 8, 1), np.float32)
    return {
        "model": model,
        "masked_params": params,
        "batch_stats": batch_stats,
        "batches_of_images": list(images),
    }


def _of_restoration() -> dict[str, Any]:
    return {"image": np.linspace(0, 1, 1024).reshape(32, 32)}


NAMES: dict[str, Callable[[], dict[str, Any]]] = {
    "compaction.md": _of_compaction,
    "comparisons.md": _of_comparisons,
    "import.md": _of_import,
    "inside.md": _of_inside,
    "report.md": lambda: {"rtickets": rtickets},
    "restoration.md": _of_restoration,
    "statistics.md": _of_statistics,
}
SHORTER = {
    "STEPS = 300": "STEPS = 2",
    "num_steps=300": "num_steps=2",
    "in (0.0, 0.5, 0.8, 0.9, 0.95)": "in (0.95,)",
}


@pytest.mark.parametrize("name", [name for name in WITH_BLOCKS if name not in ELSEWHERE])
def test_the_python_blocks_of_a_page_run_in_order(name, tmp_path, monkeypatch):
    """Blocks may use what those before them defined; only numbers of steps are cut for time."""
    monkeypatch.chdir(tmp_path)
    whole = rtickets.restore

    def short(image, **options):
        tiny = {"channels": (4, 4), "depth": 2}
        config = config_files.replace(RestoreConfig(), training__steps=2, mask__steps=2)
        config = config_files.replace(config, **{f"generator__{k}": v for k, v in tiny.items()})
        return whole(image, config=config, **options)

    for registry, added in ((OPTIMIZERS, "lion"), (TRACKERS, "printed")):  # it goes in the end
        monkeypatch.delitem(registry, added, raising=False)
    monkeypatch.setattr(rtickets, "restore", short, raising=False)
    study = STUDIES["study_in"](tmp_path).path
    names = NAMES.get(name, dict)()
    for text in blocks(PAGES[name]):
        code = text.replace("runs/study-demo-0123456789", str(study))
        for long, few in SHORTER.items():
            code = code.replace(long, few)
        exec(compile(code, name, "exec"), names)


@pytest.mark.slow
def test_the_first_page_says_what_it_prints(tmp_path, monkeypatch, capsys):
    """Whole, as a newcomer pastes it; the numbers are those of this kind of CPU."""
    monkeypatch.chdir(tmp_path)
    text, names = PAGES["start.md"].read_text(), {}
    for block in blocks(PAGES["start.md"]):
        exec(compile(block, "start.md", "exec"), names)
    said = "".join(re.findall(r"^```text\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))
    digits = re.compile(r"[\d.,]+")
    assert digits.sub("#", capsys.readouterr().out) == digits.sub("#", said)


def test_fields_of_every_verb_have_a_page_that_the_first_one_names():
    pytest.importorskip("mkdocs")
    pages = runpy.run_path(str(DOCS / "_site.py"))["_fields"]()
    first = pages.pop("reference/fields.md")
    assert set(re.findall(r"^## rtickets (.+)$", first, re.MULTILINE)) == {
        name for name, verb in cli.VERBS.items() if verb.config is not None
    }
    assert re.findall(r"\]\((.+)\)", first) == [name.removeprefix("reference/") for name in pages]
    assert "`train.batch_size=" in pages["reference/fields/pretrain.md"]
    assert "`sparsities=" in pages["reference/fields/study.md"]
    assert "`sparsities=" not in pages["reference/fields/pretrain.md"]
