"""The page of a comparison of ways to restore pictures: all is in it, nothing beside it."""

import re

import numpy as np
import pytest
from PIL import Image

from rtickets.report.restoration import write_page
from rtickets.restoration import (
    FitConfig,
    GeneratorConfig,
    MaskConfig,
    RestorationStudyConfig,
    run_study,
)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("restored")
    pictures = []
    for name, shape in (("a<b>", (16, 16, 3)), ("grey", (16, 16))):
        values = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
        Image.fromarray(values).save(folder / f"{name}.png")
        pictures.append(str(folder / f"{name}.png"))
    config = RestorationStudyConfig(
        pictures=tuple(pictures), size=16, seeds=(0,), methods=("dense", "learnt"),
        sparsities=(0.5,), generator=GeneratorConfig(channels=(4, 6), depth=3),
        mask=MaskConfig(steps=2), training=FitConfig(steps=4, every=2), transfer=("own",),
    )  # fmt: skip
    return write_page(run_study(config, folder / "runs")).read_text()


def test_pictures_stand_side_by_side_with_their_names(page):
    for name in ("clean", "observed", "dense: ", "learnt, 50% kept, before any training"):
        assert page.count(f"<p>{name}") == 2
    assert "<h3>a&lt;b&gt;</h3>" in page
    assert "<b>" not in page


def test_all_that_was_asked_of_a_page_is_in_it(page):
    for heading in ("Side by side", "Curves", "Part of every layer that lives", "Power of the",
                    "Masks on other pictures", "Against the control"):  # fmt: skip
        assert heading in page
    assert page.count("data-chart") >= 4  # the curves of two pictures, layers, spectra
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", page)
