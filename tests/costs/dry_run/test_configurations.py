"""Every configuration of the repository can be estimated."""

from itertools import product

import pytest

from rtickets.cli import overrides
from rtickets.config import (
    ModelConfig,
    SearchConfig,
)
from rtickets.costs import Setting, as_text
from rtickets.costs.task_sizes import cost_of, evaluated_cost_of, sizes_of
from rtickets.settings import config_files
from rtickets.stages import text_recipes
from rtickets.stages.registry import estimate
from tests.configs.kinds import KINDS
from tests.costs.dry_run.conftest import ROOT

FILES = sorted(
    path.relative_to(ROOT)
    for path in (ROOT / "configs").rglob("*.py")
    # of their own classes or data, see test_restoration.py, test_pipelines.py, test_text_study.py
    if path.name not in ("restoration.py", "supertickets.py", "minilm.py")
    and path.relative_to(ROOT).as_posix() != "configs/studies/text.py"  # of Debian's fortunes
)
OF_OWN_SIZES = ("bert", "supernet_small")
LONG = {"supernet_dense90", "supernet_dense180", "supernet_keypoints", "supernet_classes"}


@pytest.mark.parametrize("path", FILES, ids=str)
def test_every_configuration_can_be_estimated(path, tmp_path, save_image):
    kind = KINDS[path.parts[1]]
    words = [f"--config={ROOT / path}"]
    if path.name in ("bert.py", "text.py"):  # of the texts that come with the package
        words = [f"--config={ROOT / path}:small"]
    if path.name == "pretrainings.py":  # a folder of photographs has to be there
        for part, name, each in product(("train", "test"), ("bus", "car"), range(80)):
            save_image(tmp_path / part / name / f"{each}.png", value=each)
        words.append(f"--config.transfers.visda2017.data.path={tmp_path}")
    if path.name == "vtab.py":
        pytest.skip("has to be read, see tests/data/sources/test_tfds.py")
    config = overrides.from_command_line(kind, words)
    # The small stem has no output stride of 16, which photographs are segmented at.
    stem = "imagenet" if path.name == "deeplab.py" else "small"
    model = ModelConfig(width=0.125, stem=stem)
    if path.name == "text.py":
        model = text_recipes.PRETRAININGS["small"]().model
    found = estimate(_narrow(config), Setting(model))
    assert found
    text = as_text(found, 1e12, 1)
    assert text.endswith("nothing was trained")
    for one in found:
        assert one.operations >= 0
        assert one.name in text


PUBLISHED = [("cityscapes", 61.8e9, 4), ("ade20k", 36.1e9, 4), ("coco_keypoints", 5.8e9, 2)]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "adds", "calls"), PUBLISHED)
def test_published_searches_are_estimated_with_their_own_networks(name, adds, calls):
    """Forward passes are of the multiply-adds that are counted by hand, normalisation on top."""
    path = f"--config={ROOT}/configs/supernet/{name}.py"
    config = overrides.from_command_line(SearchConfig, [path])
    sizes = sizes_of(config.data)
    cost = cost_of(config.model, sizes)
    assert cost.forward == pytest.approx(2 * adds, rel=0.15)
    assert evaluated_cost_of(config.model, sizes).forward == pytest.approx(
        calls * cost.forward, rel=0.02
    )


def _narrow(config):
    """Keep the architecture but make its layers narrow, to trace it quickly."""
    if getattr(config, "pretrainings", None):
        narrow = {name: _narrow(each) for name, each in config.pretrainings.items()}
        config = config_files.replace(config, pretrainings=narrow)
        if not config.objectives:
            return config
    part = getattr(config, "pretrain", config)
    if getattr(part, "model", None) is None or part.model.arch in OF_OWN_SIZES:
        return config
    if part.model.arch in LONG:  # half a minute of tracing; what they cost is in test_supernet.py
        return config_files.replace(config, model__arch="supernet_tiny")
    name = "pretrain__model__width" if hasattr(config, "pretrain") else "model__width"
    return config_files.replace(config, **{name: 0.125})
