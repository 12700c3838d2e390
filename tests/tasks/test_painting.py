import numpy as np

from rtickets.tasks.painting import RIGHT, WRONG, compared, framed, overlaid


def test_frames_say_which_answers_are_right():
    images = np.full((2, 32, 48, 1), 0.5, np.float32)
    found = framed(images, np.array([True, False]))
    assert found.shape == (2, 32, 48, 3)
    for picture, colour in zip(found, (RIGHT, WRONG), strict=True):
        np.testing.assert_allclose(picture[0], np.tile(colour, (48, 1)), rtol=1e-6)
        np.testing.assert_allclose(picture[:, -1], np.tile(colour, (32, 1)), rtol=1e-6)
        assert (picture[2:-2, 2:-2] == 0.5).all()
    assert (images == 0.5).all()


def test_every_class_has_its_colour_and_the_ground_has_none():
    images = np.random.default_rng(0).random((1, 4, 4, 3))
    classes = np.arange(16).reshape(1, 4, 4)
    found = overlaid(images, classes, 16)
    np.testing.assert_allclose(found[0, 0, 0], images[0, 0, 0].mean())
    grey = images.mean(-1, keepdims=True)
    colours = (found - 0.4 * grey).reshape(16, 3)[1:]
    distances = np.abs(colours[:, None] - colours[None]).max(-1) + np.eye(15)
    assert distances.min() > 0.05
    assert found.min() >= 0
    assert found.max() <= 1


def test_what_is_found_missed_and_wrong_has_a_colour_each():
    images = np.full((1, 1, 4, 3), 0.5)
    there, answered = np.array([[[1, 1, 0, 0]]], bool), np.array([[[1, 0, 1, 0]]], bool)
    (row,) = compared(images, there, answered)[0]
    assert [int(pixel.argmax()) for pixel in row[:3]] == [1, 2, 0]  # green, blue, red
    np.testing.assert_array_equal(row[3], [0.5, 0.5, 0.5])
