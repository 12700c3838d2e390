"""A ticket that does not read back gets no name; tickets of earlier versions are read."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rtickets
from rtickets.tickets.inspect import verify
from tests.tickets.contents.conftest import KEEP, ONE, TREES, assert_refused, assert_same

GOLDEN = Path(__file__).parents[2] / "golden"
CHANGES = {
    "weights": lambda arrays: {"params/k": arrays["params/k"] + 1},
    "types": lambda arrays: {"params/k": arrays["params/k"].astype(np.float16)},
    "statistics": lambda arrays: {"batch_stats/s": -arrays["batch_stats/s"]},
    "names": lambda arrays: {"params/more": ONE},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_file_that_does_not_read_back_as_it_was_gets_no_name(tmp_path, monkeypatch, change):
    write = rtickets.tickets.ticket.tensors.to_bytes

    def wrong(arrays):
        return write({**arrays, **change(arrays)} if "params/k" in arrays else arrays)

    monkeypatch.setattr("rtickets.tickets.ticket.tensors.to_bytes", wrong)
    assert_refused(tmp_path, ["reads back"], {"k": KEEP}, {"k": ONE}, {"s": ONE * 0})


def test_a_mask_that_does_not_read_back_as_it_was_gets_no_name(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "rtickets.masks.pack", lambda mask: {"k": np.packbits(np.array([True, True, False]))}
    )
    assert_refused(tmp_path, ["reads back"], {"k": KEEP}, {"k": ONE})


@pytest.mark.parametrize(
    "change", [{"meta": {"a": 2}}, {"keys": {}, "empty": [["params", "b"]], "version": 2}]
)
def test_a_description_that_does_not_read_back_as_it_was_gets_no_name(
    tmp_path, monkeypatch, change
):
    write = rtickets.tickets.ticket.write_json
    monkeypatch.setattr(
        "rtickets.tickets.ticket.write_json", lambda path, text: write(path, {**text, **change})
    )
    assert_refused(tmp_path, ["reads back"], {"k": KEEP}, {"k": ONE}, {}, {"a": 1})


def test_tickets_of_version_1_are_read():
    folder = GOLDEN / "ticket_v1"
    assert json.loads((folder / "ticket.json").read_text())["version"] == 1
    ticket = verify(folder)
    keep = np.arange(24).reshape(2, 3, 4) % 3 == 0
    weights = np.arange(1, 25, dtype=np.float32).reshape(2, 3, 4)
    assert_same(
        ticket.params,
        {
            "conv": {"kernel": weights * keep, "bias": np.arange(4).astype(jnp.bfloat16)},
            "head": {"kernel": np.arange(8, dtype=np.float16).reshape(4, 2)},
            "temperature": np.float32(0.5),
        },
    )
    true = np.ones((), bool)
    mask = {"conv": {"kernel": keep, "bias": true}, "head": {"kernel": true}, "temperature": true}
    assert_same(ticket.mask, mask)
    assert_same(ticket.batch_stats, {"norm": {"mean": np.arange(3, dtype=np.float64)}})
    assert ticket.meta == {"task": "tëst", "mean": [0.5]}


def test_a_ticket_of_plain_names_is_one_of_version_1_to_the_byte(tmp_path):
    rtickets.Ticket.load(GOLDEN / "ticket_v1").save(tmp_path / "t")
    for file in (GOLDEN / "ticket_v1").iterdir():
        assert (tmp_path / "t" / file.name).read_bytes() == file.read_bytes()


@pytest.mark.parametrize("name", ["integers", "slashes", "empty dictionaries", "nothing"])
def test_version_2_saves_again_to_the_same_bytes(tmp_path, name):
    tree = TREES[name]
    rtickets.Ticket(jax.tree.map(lambda _: KEEP, tree), tree).save(tmp_path / "a")
    rtickets.Ticket.load(tmp_path / "a").save(tmp_path / "b")
    assert json.loads((tmp_path / "a" / "ticket.json").read_text())["version"] == 2
    for file in (tmp_path / "a").iterdir():
        assert (tmp_path / "b" / file.name).read_bytes() == file.read_bytes()
