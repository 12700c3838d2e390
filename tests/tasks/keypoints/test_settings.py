"""What keypoints and settings are refused, what a source says of them, and pictures."""

import numpy as np
import pytest

from rtickets import data
from rtickets.config import DataConfig
from rtickets.data import SOURCES, Raw, Source, Split
from rtickets.data.skeletons import COCO_PERSON, EXTENT
from rtickets.data.sources.source import Facts
from rtickets.errors import InputError
from rtickets.settings import config_files
from rtickets.tasks import task_of
from rtickets.tasks.painting import MISSED, RIGHT, WRONG
from tests.tasks.keypoints.conftest import SIZE, TASK, batch, right_answers, squares


def raw(**changes):
    images, points, areas = squares()
    arrays = {"image": images, "keypoints": points, "area": areas, **changes}
    split = Split({name: each for name, each in arrays.items() if each is not None})
    return Raw(split, split, ("thing",), split)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"keypoints": None}, "'keypoints'"),
        ({"area": None}, "'area'"),
        ({"keypoints": squares()[1].astype(int)}, "int64"),
        ({"keypoints": squares()[1][..., :2]}, r"\(4, 5, 2\)"),
        ({"keypoints": squares()[1][:, :4]}, "4 keypoints an example, task.names names 5"),
        ({"keypoints": squares()[1] * 0}, "nothing to find"),
        ({"keypoints": squares()[1] + np.float32(0.5)}, r"keypoint 0 of example 0 has 2\.5"),
        ({"keypoints": squares()[1] * np.array([np.nan, 1, 1], np.float32)}, "not finite"),
        ({"area": np.array([1, 0, 1, 1], np.float32)}, "example 1 has the area 0"),
        ({"area": np.ones((4, 1), np.float32)}, r"\(4, 1\)"),
        ({"picture": np.ones(4, np.float32)}, "'picture' is float32"),
        ({"window": np.ones((4, 2), np.float32)}, r"'window' is float32 \(4, 2\)"),
    ],
)
def test_keypoints_are_checked(change, named):
    with pytest.raises(InputError, match=rf"here: train.*{named}"):
        TASK.check(raw(**change), "here")


def test_keypoints_that_are_nowhere_labelled_are_said():
    assert TASK.check(raw(), "here") == ()
    points = squares()[1].copy()
    points[:, 3, 2] = 0
    (note,) = TASK.check(raw(keypoints=points), "here")
    assert "bottom_left" in note


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"pairs": ((0, 1),)}, "give names"),
        ({"sigmas": (0.1,)}, "give names"),
        ({"names": ("a", "b"), "pairs": ((0, 2),)}, "no keypoint 2"),
        ({"names": ("a", "b", "c"), "pairs": ((0, 1), (1, 2))}, "in two of them"),
        ({"names": ("a", "b"), "sigmas": (0.1, 0.0)}, "2 positive"),
        ({"names": ("a", "b"), "sigmas": (0.1,)}, "2 positive"),
        ({"names": ("a", "b"), "upper": (5,)}, "no keypoint 5"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(fields, named):
    values = {"name": "keypoints", **fields}
    with pytest.raises(InputError, match=named):
        config_files.parse(DataConfig, {"task": values})


def test_a_source_says_what_its_keypoints_are(monkeypatch):
    facts = Facts(4, 4, 1, (*SIZE, 3), 4, skeleton=EXTENT)
    source = Source(lambda config, view: raw(), "squares", "", facts=facts)
    monkeypatch.setitem(SOURCES, "squares", source)
    task = {"name": "keypoints", "radius": 0.2, "metric": "pck"}
    config = config_files.parse(DataConfig, {"source": "squares", "task": task})
    found = task_of(config)
    assert (found.names, found.pairs, found.sigmas) == EXTENT[:3]
    assert found.headline.called == "PCK at 0.2"
    dataset = data.load(config)
    about = found.about(dataset)
    assert found.width(about) == 5
    assert found.class_names(about) == EXTENT.names
    assert found.width(facts.about) == 5  # of a dry run
    own = {**task, "names": tuple("abcde")}
    config = config_files.parse(DataConfig, {"source": "squares", "task": own})
    assert task_of(config).names == tuple("abcde")
    assert task_of(config).pairs == ()


def test_pictures_show_true_and_answered_keypoints():
    examples = batch(2)
    answers = right_answers(examples, (32, 32))
    painted = TASK.painted(answers, examples)
    assert set(painted) == {"image", "truth", "answer"}
    for name in ("truth", "answer"):
        assert painted[name].shape == (2, *SIZE, 3)
        assert (painted[name] != painted["image"].mean(-1, keepdims=True)).any(-1).sum() <= 10
    moved = {**examples, "keypoints": examples["keypoints"].at[0, 1, :2].add(9.0)}
    moved["keypoints"] = moved["keypoints"].at[:, 4, 2].set(0)
    rows = TASK.painted_classes(answers, moved, most=2)
    assert set(rows) == {0, 1, 2, 3}

    def seen(row, colour):
        return np.isclose(row, colour, atol=1e-6).all(-1).sum()

    assert seen(rows[1][0], WRONG) == seen(rows[1][0], MISSED) == 1
    assert seen(rows[1][1], RIGHT) == seen(rows[2][0], RIGHT) == 1


def bound(source, **settings):
    asked = {"source": source, "path": "/data", "task": {"name": "keypoints", **settings}}
    return task_of(config_files.parse(DataConfig, asked))


def test_names_of_the_source_written_out_bring_what_goes_with_them():
    given = bound("coco_keypoints", names=COCO_PERSON.names, sigmas=(0.05,) * 17, half_body=0.3)
    assert given.sigmas == (0.05,) * 17
    assert (given.pairs, given.upper) == (COCO_PERSON.pairs, COCO_PERSON.upper)
    others = tuple(f"point{n}" for n in range(17))
    assert bound("coco_keypoints", names=others).pairs == ()


def test_halves_of_bodies_need_an_upper_half():
    with pytest.raises(InputError, match=r"half_body=0\.9.*stamps_scenes.*upper"):
        bound("stamps_scenes", half_body=0.9)
    assert bound("stamps_scenes").pairs == EXTENT.pairs
    assert bound("coco_keypoints", half_body=0.3)._turns.half == 0.3
