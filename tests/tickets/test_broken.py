import numpy as np
import pytest

from rtickets import masks
from rtickets.draw import draw_omp
from rtickets.tickets.broken import signs

RNG = np.random.default_rng(0)
PARAMS = {
    name: {"kernel": RNG.normal(size=(3, 3, 4, 8)).astype(np.float32)} for name in "abcde"
} | {"head": {"kernel": RNG.normal(size=(8, 2)).astype(np.float32)}}


def mask_of(**changes):
    """Return a full mask with the kernels of some layers changed."""
    mask = masks.full(PARAMS)
    mask = {name: dict(part) for name, part in mask.items()}
    for name in "abcde":
        mask[name]["kernel"] = np.ones((3, 3, 4, 8), bool)
    for name, keep in changes.items():
        mask[name]["kernel"] = keep
    return mask


def outputs(*dead, last=True):
    """Return a mask without a survivor in some outputs, and one weight less in another."""
    keep = np.ones((3, 3, 4, 8), bool)
    keep[..., list(dead)] = False
    keep[0, 0, 0, 7] = last
    return keep


NOTHING = np.zeros((3, 3, 4, 8), bool)


def test_a_sound_ticket_has_no_signs():
    assert signs(draw_omp(PARAMS, 0.5), PARAMS) == []
    assert signs(mask_of(), PARAMS) == []


def test_empty_layers_are_named_and_counted():
    (line,) = signs(mask_of(b=NOTHING), PARAMS)
    assert line.startswith("1 layer has")
    assert "b/kernel" in line
    assert "erk" in line
    (line,) = signs(mask_of(**dict.fromkeys("abcde", NOTHING)), PARAMS)
    assert line.startswith("5 layers have")
    assert "a/kernel, b/kernel, c/kernel and 2 more" in line


def test_layers_whose_survivors_are_all_zero_are_named():
    zero = {**PARAMS, "c": {"kernel": np.zeros((3, 3, 4, 8), np.float32)}}
    (line,) = signs(mask_of(), zero)
    assert line.startswith("1 layer has survivors that are all 0")
    assert "c/kernel" in line
    some = np.ones((3, 3, 4, 8), bool)
    some[0, 0, 0] = False
    kernel = np.where(some, 0, PARAMS["c"]["kernel"])
    assert len(signs(mask_of(c=some), {**PARAMS, "c": {"kernel": kernel}})) == 1
    assert signs(mask_of(c=~some), {**PARAMS, "c": {"kernel": kernel}}) == []
    assert len(signs(mask_of(c=NOTHING), zero)) == 1


@pytest.mark.parametrize(("dead", "said"), [((0, 1, 2), False), ((0, 1, 2, 3), True)])
def test_a_layer_is_named_from_half_of_its_outputs_on(dead, said):
    found = signs(mask_of(c=outputs(*dead, last=False)), PARAMS)
    assert bool(found) == said
    if said:
        assert "c/kernel (4 of 8)" in found[0]


def test_the_worst_layers_come_first():
    (line,) = signs(
        mask_of(a=outputs(0, 1, 2, 3, last=False), d=outputs(0, 1, 2, 3, 4, 5, last=False)), PARAMS
    )
    assert line.index("d/kernel (6 of 8)") < line.index("a/kernel (4 of 8)")


def test_whole_outputs_that_a_pattern_removes_are_no_sign():
    assert signs(draw_omp(PARAMS, 0.75, pattern="channel", scope="uniform"), PARAMS) == []


def test_layers_of_an_unknown_layout_are_looked_at_as_a_whole():
    params = {"odd": {"kernel": np.ones((2, 2, 2, 2, 2, 2))}}
    half = np.ones((2,) * 6, bool)
    half[..., 0] = False
    half[0, 0, 0, 0, 0, 1] = False
    assert signs({"odd": {"kernel": half}}, params) == []
    (line,) = signs({"odd": {"kernel": ~np.ones((2,) * 6, bool)}}, params)
    assert "odd/kernel" in line


def test_channels_that_were_removed_on_purpose_are_no_sign():
    """Layer b had no channel left to prune, c half of its outputs, of which one more died."""
    half = np.ones((3, 3, 4, 8), bool)
    half[..., :4] = False
    living = mask_of(b=NOTHING, c=half)
    thinned = half & outputs(4, last=False)
    mask = mask_of(b=NOTHING, c=thinned)
    assert signs(mask, PARAMS, living=living) == []
    assert len(signs(mask, PARAMS)) == 2
    most = half & outputs(4, 5, 6, last=False)
    (line,) = signs(mask_of(b=NOTHING, c=most), PARAMS, living=living)
    assert "c/kernel (3 of 4)" in line
    (line,) = signs(mask_of(b=NOTHING, c=NOTHING), PARAMS, living=living, advice="do this")
    assert "c/kernel" in line
    assert line.endswith("do this")
