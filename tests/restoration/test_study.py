"""A comparison of methods, cell by cell: killed and gone on with, it ends as if it had not been."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError
from scipy import stats

from rtickets.errors import InUseError
from rtickets.restoration import (
    Cell,
    FitConfig,
    GeneratorConfig,
    MaskConfig,
    RestorationStudyConfig,
    cells_of,
    density_by_layer,
    make_painter,
    run_study,
    spoil,
)
from rtickets.restoration.spectra import radial_spectrum
from rtickets.restoration.study import _mask
from rtickets.restoration.tables import _densities, _differences, _moved, write_tables
from rtickets.settings import config_files
from rtickets.storage.locks import locked

QUICK = {
    "size": 16,
    "seeds": (0,),
    "methods": ("dense", "decoder", "learnt", "imp"),
    "sparsities": (0.5,),
    "generator": GeneratorConfig(channels=(4, 6), depth=3),
    "decoder": GeneratorConfig(arch="deep_decoder", channels=(4, 4)),
    "mask": MaskConfig(steps=2),
    "training": FitConfig(steps=4, every=2),
    "imp_rate": 0.3,
}


@pytest.fixture(scope="module")
def study(tmp_path_factory, clean):
    folder = tmp_path_factory.mktemp("study")
    names = []
    for index in range(2):
        values = (255 * np.clip(np.roll(clean, index, -1), 0, 1)).astype(np.uint8)
        Image.fromarray(values).save(folder / f"{index}.png")
        names.append(str(folder / f"{index}.png"))
    config = RestorationStudyConfig(pictures=tuple(names), **QUICK)
    return config, run_study(config, folder / "runs")


def test_the_control_is_always_there_and_masks_go_to_other_pictures(study):
    config, folder = study
    cells = json.loads((folder / "result.json").read_text())["cells"]
    methods = {cell["method"] for cell in cells}
    assert methods == {"dense", "decoder", "learnt", "imp", "random", "transfer"}
    assert len(cells) == len(list(cells_of(config))) == 2 * 5 + 2 * 2 * 2 - 2
    noisy = {cell["outcome"]["noisy"] for cell in cells if cell["picture"] == config.pictures[0]}
    assert len(noisy) == 1  # all methods see the same noise


def test_what_was_killed_goes_on_and_ends_with_the_same_numbers(study, tmp_path):
    config, folder = study
    shutil.copytree(folder, tmp_path / folder.name)
    for name in ("result.json", "1-seed0-imp-0.5.json", "0-seed0-learnt-0.5.json"):
        (tmp_path / folder.name / name).unlink()
    again = run_study(config, tmp_path)
    assert json.loads((again / "result.json").read_text()) == json.loads(
        (folder / "result.json").read_text()
    )


def test_the_control_leaves_normalisation_alone_whatever_is_maskable(study, clean):
    config = config_files.replace(study[0], mask__maskable="all")
    problem = spoil(clean, config.operator, 0.1, 0)
    painter = make_painter(config.generator, problem.shape, 0)
    masked = {}
    for method in ("random", "random_all"):
        mask, _ = _mask(Cell("0", 0, method, 0.5), painter, problem, config, study[1])
        masked[method] = {path for path in density_by_layer(mask) if "norm" in path}
    assert not masked["random"]
    assert masked["random_all"]


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"pictures": ("a/x.png", "b/x.jpg")}, "pictures.*x"),
        ({"seeds": (1, 2, 1)}, "seeds.*1"),
        ({"sparsities": (0.5, 0.5)}, "sparsities.*0.5"),
        ({"seeds": (-1,)}, "seeds"),
    ],
)
def test_what_would_share_files_or_count_twice_is_refused(fields, named):
    with pytest.raises(ValidationError, match=named):
        RestorationStudyConfig(**fields)


def test_another_picture_in_the_same_file_is_another_study(tmp_path, clean):
    config = RestorationStudyConfig(
        pictures=(str(tmp_path / "a.png"),),
        **{**QUICK, "methods": (), "training": FitConfig(steps=1)},
    )
    folders = set()
    for picture in (clean, clean[::-1]):
        Image.fromarray((255 * np.clip(picture, 0, 1)).astype(np.uint8)).save(tmp_path / "a.png")
        folders |= {run_study(config, tmp_path / "runs") for _ in range(2)}
    assert len(folders) == 2


def test_tables_are_written(study):
    _, folder = study
    text = write_tables(folder)
    for word in (
        "random, 50% kept",
        "decoder",
        "its own",
        "fresh",
        "down1_",
        "untrained",
        "of samples",
    ):
        assert word in text
    assert (folder / "restoration.md").read_text().strip() == text


def cell(method, seed, picture, final, sparsity=0.5, **fields):
    return {"method": method, "sparsity": sparsity, "picture": picture, "seed": seed,
            "outcome": {"final": final}, **fields}  # fmt: skip


def interval(by_seed):
    """Return the mean over seeds with its interval, as tables write it."""
    mean = np.mean(by_seed)
    half = stats.t.ppf(0.975, len(by_seed) - 1) * np.std(by_seed, ddof=1) / len(by_seed) ** 0.5
    return f"{mean:+.2f} [{mean - half:+.2f}, {mean + half:+.2f}]"


EVERY = [(seed, picture) for seed in range(3) for picture in "ab"]


def test_gains_are_those_of_pairs_with_the_interval_of_student_over_seeds():
    cells = [cell("dense", *pair, 20.0, 0.0) for pair in EVERY]
    cells += [cell("random", *pair, 21.0) for pair in EVERY]
    finals = (20.5, 22.0, 23.0, 24.0, 21.5, 21.0)
    cells += [cell("snip", *pair, final) for pair, final in zip(EVERY, finals, strict=True)]
    found = {row[0]: row[1:] for row in _differences(cells).rows}
    assert found["snip, 50% kept"][0] == f"{interval([0.25, 2.5, 0.25])}, 4 of 6"
    assert found["random, 50% kept"] == ["", "+1.00, 6 of 6"]


def test_masks_that_moved_are_compared_with_the_pictures_own():
    cells = [cell("learnt", seed, picture, 22.0 + seed) for seed, picture in EVERY]
    cells += [
        cell("learnt", *pair, 1.0, 0.9) for pair in EVERY
    ]  # keeps fewer: is not compared with
    cells += [cell("random", *pair, 21.0) for pair in EVERY]
    for seed, picture in EVERY:
        for source in "ab":
            for fresh in (False, True):
                if fresh or source != picture:
                    final = 22.0 + 3 * fresh - (source != picture)
                    fields = {"source": source, "fresh": fresh}
                    cells.append(cell("transfer", seed, picture, final, **fields))
    found = {tuple(row[:2]): row[2:] for row in _moved(cells).rows}
    assert found == {
        ("another picture, 50% kept", "its own"): [
            f"{interval([-1, -2, -3])}, 0 of 6", "+0.00, 0 of 6", "",
        ],
        ("another picture, 50% kept", "fresh"): [
            f"{interval([2, 1, 0])}, 4 of 6", "+3.00, 6 of 6", "",
        ],
        ("the same picture, 50% kept", "fresh"): [
            f"{interval([3, 2, 1])}, 6 of 6", "+4.00, 6 of 6", "",
        ],
    }  # fmt: skip


def test_methods_may_mask_other_layers_than_each_other():
    kernels = {"a/kernel": 0.25, "b/kernel": 0.75}
    every = {"a/kernel": 0.5, "a/scale": 0.125, "b/kernel": 1.0}
    cells = [cell("random", *pair, 0.0, density=kernels) for pair in EVERY]
    cells += [cell("learnt", *pair, 0.0, density=every) for pair in EVERY]
    assert _densities(cells).rows == [
        ["a/kernel", "25.0%", "50.0%"], ["a/scale", "", "12.5%"], ["b/kernel", "75.0%", "100.0%"],
    ]  # fmt: skip


def test_a_study_that_another_process_is_at_is_left_alone(study):
    config, folder = study
    with locked(folder), pytest.raises(InUseError, match=folder.name):
        run_study(config, folder.parent)


def test_the_spectrum_of_a_wave_is_in_its_ring():
    wave = np.sin(2 * np.pi * np.arange(32) * 6 / 32)[:, None, None] * np.ones((32, 16, 3))
    found = radial_spectrum(wave + 0.5)
    np.testing.assert_allclose(found, np.arange(6) == 2, atol=1e-12)
