"""Tickets of others: masks beside weights, scores, and zeros."""

import numpy as np
import pytest

from rtickets import masks
from rtickets.errors import InputError
from rtickets.importers import Options, describe, import_checkpoint

WIDTH = 1 / 16


@pytest.fixture(scope="module")
def state(state_of):
    return state_of("resnet18", width=WIDTH, stem="small")


def kernels(state):
    return [name for name, tensor in state.items() if tensor.ndim == 4]


def random_masks(state, names, seed=0):
    generator = np.random.default_rng(seed)
    return {name: (generator.random(state[name].shape) < 0.3).astype(np.float32) for name in names}


def pruned(state, alive, original="_orig"):
    """A state dict as torch.nn.utils.prune leaves it; `original` is what it calls weights."""
    found = {n: t for n, t in state.items() if n not in alive}
    for name, mask in alive.items():
        found[f"{name}{original}"] = state[name]
        found[f"{name}_mask"] = mask
    return found


def check(ticket, state, alive, leaf="layer2.0.conv1.weight", path="stage2_block1/conv1/kernel"):
    mask, params = masks.leaf_paths(ticket.mask), masks.leaf_paths(ticket.params)
    expected = alive[leaf].astype(bool).transpose(2, 3, 1, 0)
    np.testing.assert_array_equal(mask[path], expected)
    np.testing.assert_array_equal(params[path], state[leaf].transpose(2, 3, 1, 0) * expected)


@pytest.mark.parametrize("original", ["_orig", ""])
def test_masks_beside_weights_become_the_ticket_s(torch_file, state, original):
    alive = random_masks(state, kernels(state))
    file = torch_file(pruned(state, alive, original))
    ticket, report = import_checkpoint(file, "resnet18")
    check(ticket, state, alive)
    survivors = sum(int(mask.sum()) for mask in alive.values())
    total = sum(mask.size for mask in alive.values())
    assert report["pruned"]["sparsity"] == pytest.approx(1 - survivors / total)
    assert report["pruned"]["by"] == "20 masks"
    assert any(line.startswith("pruned: 7") for line in describe(report))
    assert report["tensors"]["used"]["conv1.weight_mask"] == ["params/stem_conv/kernel"]


def test_a_mask_of_the_head_or_of_a_bias_is_kept_too(torch_file, state):
    alive = random_masks(state, ["fc.weight", "fc.bias"])
    ticket, _ = import_checkpoint(torch_file(pruned(state, alive)), "resnet18")
    np.testing.assert_array_equal(ticket.mask["head"]["kernel"], alive["fc.weight"].T == 1)
    np.testing.assert_array_equal(
        ticket.params["head"]["bias"], state["fc.bias"] * alive["fc.bias"]
    )
    assert ticket.mask["stage1_block1"]["conv1"]["kernel"].all()


def test_the_mask_of_a_first_convolution_that_takes_blue_first_is_turned_round(torch_file, state):
    alive = random_masks(state, ["conv1.weight"])
    file = torch_file(pruned(state, alive))
    turned = import_checkpoint(file, "resnet18", Options(bgr=True)).ticket.mask
    plain = import_checkpoint(file, "resnet18").ticket.mask
    kernel = plain["stem_conv"]["kernel"]
    np.testing.assert_array_equal(turned["stem_conv"]["kernel"], kernel[:, :, ::-1])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: {"conv1.weight_mask": np.full_like(s["conv1.weight"], 0.5)}, "zeros and ones"),
        (lambda s: {"conv1.weight_mask": np.ones(3, np.float32)}, "of the shape"),
        (lambda s: {"other.weight_mask": np.ones(3, np.float32)}, "mask of no tensor"),
    ],
)
def test_masks_that_are_none_are_refused(torch_file, state, change, message):
    with pytest.raises(InputError, match=message):
        import_checkpoint(torch_file({**state, **change(state)}), "resnet18")


def with_scores(state, names, name="popup_scores"):
    generator = np.random.default_rng(1)
    scores = {n: generator.normal(size=state[n].shape).astype(np.float32) for n in names}
    stored = {f"{n.removesuffix('weight')}{name}": score for n, score in scores.items()}
    return {**state, **stored}, scores


@pytest.mark.parametrize("name", ["popup_scores", "scores"])
@pytest.mark.parametrize("keep", [0.1, 0.25, 1.0])
def test_scores_keep_the_largest_magnitudes_of_every_layer(torch_file, state, name, keep):
    stored, scores = with_scores(state, kernels(state), name)
    ticket, report = import_checkpoint(torch_file(stored), "resnet18", Options(scores_keep=keep))
    leaf = "layer2.0.conv1.weight"
    size = scores[leaf].size
    order = np.argsort(np.abs(scores[leaf]), axis=None)
    expected = np.zeros(size)
    expected[order[int((1 - keep) * size) :]] = 1
    check(ticket, state, {leaf: expected.reshape(scores[leaf].shape)})
    assert report["pruned"]["by"] == "20 scores"


def test_scores_need_a_share_and_the_file_s_own_words_are_shown(torch_file, state):
    stored, _ = with_scores(state, kernels(state))
    file = torch_file({"state_dict": stored, "args": {"k": 0.05}})
    with pytest.raises(InputError, match=r"--scores-keep.*k=0.05"):
        import_checkpoint(file, "resnet18")
    with pytest.raises(InputError, match=r"--scores-keep=0.1: .*no scores"):
        import_checkpoint(torch_file(state), "resnet18", Options(scores_keep=0.1))
    stored["conv1.popup_scores"] = stored["conv1.popup_scores"][:1]
    with pytest.raises(InputError, match=r"finite .*conv1.weight"):
        import_checkpoint(torch_file(stored), "resnet18", Options(scores_keep=0.1))


def test_zeros_are_a_mask_when_asked_and_said_when_not(torch_file, state):
    alive = random_masks(state, kernels(state))
    zeroed = {n: t * alive[n] if n in alive else t for n, t in state.items()}
    file = torch_file(zeroed)
    report = import_checkpoint(file, "resnet18").report
    assert report["pruned"]["sparsity"] == 0
    assert any("--zeros-are-pruned" in line for line in describe(report))
    ticket, report = import_checkpoint(file, "resnet18", Options(zeros_are_pruned=True))
    check(ticket, state, alive)
    assert report["pruned"]["by"] == "zeros"
    assert not any("--zeros-are-pruned" in line for line in describe(report))
    with pytest.raises(InputError, match=r"--zeros-are-pruned: .*masks"):
        import_checkpoint(
            torch_file(pruned(state, alive)), "resnet18", Options(zeros_are_pruned=True)
        )
    assert not any(
        "zero" in line for line in describe(import_checkpoint(torch_file(state), "resnet18").report)
    )


def test_spectral_normalisation_is_no_mask(torch_file, state):
    changed = dict(state)
    changed["conv1.weight_orig"] = changed.pop("conv1.weight")
    changed["conv1.weight_u"] = np.ones(4, np.float32)
    with pytest.raises(InputError, match=r"conv1.weight is missing"):
        import_checkpoint(torch_file(changed), "resnet18")
