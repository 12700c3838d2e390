import itertools

import numpy as np
import pytest
from PIL import Image

from rtickets.data.sources.scenes.cutouts import divide, read_cutouts, read_photographs
from rtickets.data.sources.scenes.read import SCENE_CLASSES, STAMPS
from rtickets.errors import InputError


def test_cutouts_are_trimmed_and_what_has_no_outline_is_left_out(share):
    found = read_cutouts(share / STAMPS, SCENE_CLASSES, 64)
    assert len(found) == 6 * len(SCENE_CLASSES)
    for cutout in found:
        seen = cutout.pixels[..., 3] > 127
        assert all(edge.any() for edge in (seen[0], seen[-1], seen[:, 0], seen[:, -1]))
    assert len({cutout.identity for cutout in found}) == 5 * len(SCENE_CLASSES)


def corner(side, mirrored=False):
    """Return a triangle, which its mirror differs from."""
    pixels = np.zeros((side, side, 4), np.uint8)
    pixels[np.tril_indices(side)] = 200, 90, 20, 255
    return pixels[:, ::-1] if mirrored else pixels


def test_mirrors_and_pictures_of_one_outline_are_one_object(tmp_path):
    for name, pixels in {
        "animals/frog": corner(20),
        "animals/frog_mirror": corner(22, mirrored=True),
        "animals/frog-2-mirror": corner(24),
        "seasonal/dreydl-nun": corner(40),
        "seasonal/dreydl-hay": corner(40) // 2 * 2,
        "seasonal/top": corner(30),
        "seasonal/spin": corner(30, mirrored=True),
        "seasonal/mirror": corner(31),
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    found = read_cutouts(tmp_path, ["animals", "seasonal"], 64)
    groups = [sum(one.identity == name for one in found) for name in {c.identity for c in found}]
    assert sorted(groups) == [1, 2, 2, 3]


def test_scaling_down_keeps_the_colour_of_what_can_be_seen(tmp_path):
    pixels = np.zeros((60, 60, 4), np.uint8)
    pixels[...] = 0, 255, 0, 0  # invisible green
    pixels[10:50, 10:50] = 255, 0, 0, 255
    (tmp_path / "one").mkdir()
    Image.fromarray(pixels).save(tmp_path / "one" / "red.png")
    (cutout,) = read_cutouts(tmp_path, ["one"], 20)
    seen = cutout.pixels[cutout.pixels[..., 3] > 0]
    assert (seen[:, 1] < 5).all()


def test_damaged_and_missing_pictures_are_named(tmp_path, share):
    (tmp_path / "one").mkdir()
    with pytest.raises(InputError, match="one"):
        read_cutouts(tmp_path, ["one"], 20)
    bad = tmp_path / "one" / "bad.png"
    picture = next((share / STAMPS).rglob("thinga.png")).read_bytes()
    bad.write_bytes(picture[: len(picture) // 2])
    with pytest.raises(InputError, match=r"bad\.png"):
        read_cutouts(tmp_path, ["one"], 20)
    with pytest.raises(InputError, match=r"none\.jpg"):
        read_photographs([tmp_path / "none.jpg"], 10)


def test_photographs_are_scaled_to_their_short_side(share):
    path = next(share.rglob("Dune.jpg"))
    assert read_photographs([path], 35)[0].shape == (35, 45, 3)
    assert read_photographs([path], 700)[0].shape == (70, 90, 3)


def test_groups_stay_together_and_all_is_given_out():
    parts, groups = list(range(20)), [str(number // 2) for number in range(20)]
    divided = divide(parts, groups, (0.6, 0.2, 0.2), seed=0)
    assert [len(each) for each in divided] == [12, 4, 4]
    assert sorted(itertools.chain(*divided)) == parts
    for each in divided:
        assert {2 * (n // 2) for n in each} | {2 * (n // 2) + 1 for n in each} == set(each)
    assert divided == divide(parts, groups, (0.6, 0.2, 0.2), seed=0)
    with pytest.raises(InputError, match="2 different things"):
        divide([1, 2], ["a", "b"], (0.6, 0.2, 0.2), seed=0)
