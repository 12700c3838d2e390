"""Tickets that are sound, and those whose numbers do not hold what they say."""

import hashlib
import json

import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import save

from rtickets import draw_omp, masks
from rtickets.errors import InputError
from rtickets.tickets import inspect
from rtickets.tickets.ticket import Ticket, read_description


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "ticket"
    keep = np.arange(12).reshape(3, 4) % 3 == 0
    params = {"conv": {"kernel": keep.astype(np.float32)}, "bias": np.ones(3, np.float32)}
    mask = {"conv": {"kernel": keep}, "bias": np.ones((), bool)}
    Ticket(mask, params, {"mean": np.zeros(3, np.float32)}).save(path)
    return path


def test_a_sound_ticket_is_returned_with_a_verdict(saved):
    ticket = inspect.verify(saved)
    np.testing.assert_array_equal(ticket.params["conv"]["kernel"], ticket.mask["conv"]["kernel"])
    verdict = inspect.verified(ticket)
    assert "3 arrays are finite; 4 of 12 prunable weights live" in verdict
    assert len(verdict.splitlines()) == 1


@pytest.mark.parametrize("sparsity", [0, 0.5, 0.999])
def test_what_is_drawn_and_saved_is_sound(tiny, tmp_path, sparsity):
    mask = draw_omp(tiny.params, sparsity)
    Ticket(mask, tiny.params, tiny.batch_stats, {"task": "x"}).save(tmp_path / "t")
    assert masks.sparsity(inspect.verify(tmp_path / "t").mask) == masks.sparsity(mask)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float32, jnp.bfloat16])
@pytest.mark.parametrize("where", ["params/conv/kernel", "params/bias", "batch_stats/mean"])
def test_values_that_are_not_finite_are_found(tmp_path, where, dtype, value):
    broken = np.array([1, value, 1, 1], dtype)
    arrays = {path: np.ones(4, dtype) for path in ("conv", "bias", "mean")}
    arrays[where.split("/")[1]] = broken
    params = {"conv": {"kernel": arrays["conv"]}, "bias": arrays["bias"]}
    mask = {"conv": {"kernel": np.array([1, 1, 1, 0], bool)}, "bias": np.ones((), bool)}
    Ticket(mask, params, {"mean": arrays["mean"]}).save(tmp_path / "t")
    with pytest.raises(InputError, match=rf"t: 1 of 4 .*{where}"):
        inspect.verify(tmp_path / "t")


def test_a_pruned_weight_need_not_have_been_finite(tmp_path):
    params = {"kernel": np.array([1, np.nan], np.float32)}
    Ticket({"kernel": np.array([True, False])}, params).save(tmp_path / "t")
    np.testing.assert_array_equal(inspect.verify(tmp_path / "t").params["kernel"], [1, 0])


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, bool, np.complex64, np.float16])
def test_prunable_weights_of_every_dtype_that_is_stored_are_sound(tmp_path, dtype):
    params = {"kernel": np.arange(3).astype(dtype), "table": np.arange(3)}
    mask = {"kernel": np.array([True, False, True]), "table": np.ones((), bool)}
    Ticket(mask, params).save(tmp_path / "t")
    kernel = inspect.verify(tmp_path / "t").params["kernel"]
    assert kernel.dtype == dtype
    np.testing.assert_array_equal(kernel, np.array([0, 0, 2]).astype(dtype))


def edit(path, **changes):
    description = json.loads((path / "ticket.json").read_text()) | changes
    (path / "ticket.json").write_text(json.dumps(description))


@pytest.mark.parametrize(
    ("recorded", "message"),
    [
        (None, "sparsity is None"),
        ([], r"sparsity is \[\]"),
        ({}, "sparsity.prunable is None, .*0.66666"),
        ({"prunable": 0.5}, "sparsity.prunable is 0.5, .*0.6666"),
        ({"prunable": 1 - 4 / 12, "parameters": 0.9}, "sparsity.parameters is 0.9"),
        ({"prunable": 1 - 4 / 12, "parameters": 1 - 7 / 15}, "sparsity.leaves is None"),
        (
            {"prunable": 1 - 4 / 12, "parameters": 1 - 7 / 15, "leaves": {"conv/kernel": "most"}},
            "sparsity.leaves.conv/kernel is 'most', .*0.666",
        ),
    ],
)
def test_a_recorded_sparsity_that_is_not_the_masks_is_found(saved, recorded, message):
    edit(saved, sparsity=recorded)
    with pytest.raises(InputError, match=f"ticket.json .*damaged: {message}"):
        inspect.verify(saved)


def test_another_mask_with_a_forged_checksum_is_found(saved):
    keep = np.arange(12) % 3 == 1  # as many survivors, so that the weights still fit
    keep[0] = True
    for bits in (np.packbits(keep), np.packbits(np.ones(12, bool))):
        data = save({"conv/kernel": bits})
        (saved / "mask.safetensors").write_bytes(data)
        checksums = read_description(saved)["sha256"]
        edit(saved, sha256={**checksums, "mask.safetensors": hashlib.sha256(data).hexdigest()})
        with pytest.raises(InputError, match="weights and mask"):
            inspect.verify(saved)


def test_every_error_starts_with_the_folder_and_names_it_once(saved, monkeypatch):
    monkeypatch.chdir(saved.parent)
    saved = saved.rename("m")
    edit(saved, shapes={"conv/kernel": [99, 99]})
    with pytest.raises(InputError, match=r"^m .*damaged: .*conv/kernel"):
        inspect.verify(saved)
    (saved / "mask.safetensors").unlink()
    with pytest.raises(InputError, match=r"^m .*: mask"):
        inspect.verify(saved)
