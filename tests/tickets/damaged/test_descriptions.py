"""Descriptions that are damaged, foreign, newer, or do not fit."""

import numpy as np
import pytest
from safetensors.numpy import save

from rtickets.config import DrawConfig
from rtickets.errors import InputError
from rtickets.tickets import provenance
from rtickets.tickets.ticket import Ticket
from tests.tickets.damaged.conftest import ONE, edit, forge


def test_a_folder_without_a_ticket_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nowhere"):
        Ticket.load(tmp_path / "nowhere")


def test_a_description_cut_anywhere_is_damaged(saved):
    whole = (saved / "ticket.json").read_bytes()
    for length in range(0, len(whole) - 2, 13):
        (saved / "ticket.json").write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"ticket\.json is damaged"):
            Ticket.load(saved)


def test_a_description_that_is_no_text_is_damaged(saved):
    (saved / "ticket.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"ticket\.json is damaged"):
        Ticket.load(saved)


@pytest.mark.parametrize("text", ["[]", "3", "null", "{}", '{"format": "other", "version": 1}'])
def test_a_foreign_description_is_refused(saved, text):
    (saved / "ticket.json").write_text(text)
    with pytest.raises(InputError, match="describe a ticket"):
        Ticket.load(saved)


@pytest.mark.parametrize("version", [3, 99, "2", None])
def test_a_newer_format_is_named(saved, version):
    edit(saved, version=version)
    with pytest.raises(InputError, match=f"version {version}, .*2"):
        Ticket.load(saved)


@pytest.mark.parametrize("field", ["sha256", "shapes", "meta"])
@pytest.mark.parametrize("value", [..., None, 5, [], ["weights.safetensors"], "text"])
def test_a_field_that_is_missing_or_of_another_kind_is_named(saved, field, value):
    edit(saved, **{field: value})
    with pytest.raises(InputError, match=rf"ticket\.json .*damaged: .*{field}"):
        Ticket.load(saved)


@pytest.mark.parametrize("field", ["keys", "empty"])
@pytest.mark.parametrize("value", [..., None, 5, "text"])
def test_version_2_says_how_dictionaries_nest(saved, field, value):
    edit(saved, **{"version": 2, "keys": {}, "empty": [], field: value})
    with pytest.raises(InputError, match=rf"ticket\.json .*damaged: .*{field}"):
        Ticket.load(saved)


@pytest.mark.parametrize(
    "keys",
    [
        {"params/conv/bias": ["params", "conv", "other"]},  # another name
        {"params/nothing": ["params", "nothing"]},  # no array
        {"params/conv/bias": ["params", "conv", True]},
        {"params/conv/bias": ["params", 1.5]},
        {"params/conv/bias": ["params", None]},
        {"params/conv/bias": "params/conv/bias"},
        {"params/conv/bias": []},
        {"params/conv/bias": ["params/conv/bias"]},  # beside params and batch_stats
        {"params/conv/bias": ["", "params/conv/bias"]},
        {"params/conv/bias": ["params/conv", "bias"]},
    ],
    ids=str,
)
def test_keys_that_do_not_fit_are_refused(saved, keys):
    edit(saved, version=2, keys=keys, empty=[])
    with pytest.raises(InputError, match="is damaged: "):
        Ticket.load(saved)


@pytest.mark.parametrize(
    "empty", [["params"], [[]], [[None]], [["params", "conv"]], [["params", "conv", "bias", "x"]]]
)
@pytest.mark.parametrize("times", [1, 2])
def test_empty_dictionaries_that_do_not_fit_are_refused(saved, empty, times):
    edit(saved, version=2, keys={}, empty=empty * times)
    with pytest.raises(InputError, match="is damaged: "):
        Ticket.load(saved)


def test_keys_without_an_order_are_refused(saved):
    arrays = {"params/conv/kernel": np.ones(10), "params/conv/bias": np.ones(6), "params/7": ONE}
    forge(saved, "weights.safetensors", save(arrays))
    edit(saved, version=2, keys={"params/7": ["params", 7]}, empty=[])
    with pytest.raises(InputError, match=r"damaged: .*no order"):
        Ticket.load(saved)


@pytest.mark.parametrize("depth", [200, 2000, 200_000])
@pytest.mark.parametrize("kind", ["name", "keys", "empty"])
def test_what_nests_too_deep_is_refused(saved, depth, kind):
    name = "/".join(["params", *["a"] * depth])
    arrays = {"params/conv/kernel": np.ones(10), "params/conv/bias": np.ones(6)}
    forge(saved, "weights.safetensors", save(arrays if kind == "empty" else {**arrays, name: ONE}))
    keys = {name: name.split("/")} if kind == "keys" else {}
    edit(saved, version=2, keys=keys, empty=[name.split("/")] if kind == "empty" else [])
    with pytest.raises(InputError, match=r"damaged: .*100"):
        Ticket.load(saved)


@pytest.mark.parametrize("history", [5, None, {"a": 1}, [1, None, "x"], [{"stage": "\x1b[31m"}]])
def test_provenance_of_any_kind_is_printed(saved, history):
    edit(saved, meta={"history": history})
    assert repr(Ticket.load(saved)).isprintable()


@pytest.mark.parametrize("history", [5, None, {"a": 1}])
def test_provenance_of_another_kind_is_not_extended(saved, history):
    edit(saved, meta={"history": history})
    with pytest.raises(InputError, match="its history is"):
        provenance.extend(Ticket.load(saved).meta, "draw", DrawConfig())
