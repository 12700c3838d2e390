"""Encoders of text lose inner features that are dead, and answer the same."""

import json

import jax
import numpy as np
import pytest

from rtickets import Ticket, masks, models
from rtickets.config import EncoderConfig, ModelConfig
from rtickets.data.text.tokenizers import Vocabulary
from rtickets.models.inputs import Input
from rtickets.settings import config_files
from rtickets.tasks import MaskedTokens, TextClassification
from rtickets.tickets import provenance
from rtickets.tickets.compaction import compact
from rtickets.tickets.taken import stored

KNOWN = Vocabulary(50, padding=0, start=1, end=2, hidden=3, unknown=4, digest="d")
INPUTS = (
    Input("tokens", (12,), "int32", 50, "tokens (d)"),
    Input("part", (12,), "uint8"),
    Input("segment", (12,), "uint8"),
)
TASKS = {
    "classes": (TextClassification(vocabulary=KNOWN), 3, {"class_names": ["a", "b", "c"]}),
    "words": (MaskedTokens(vocabulary=KNOWN), 50, {"vocabulary": "d", "tokens": 50}),
}


def ticket_of(name, dead):
    """Return a random ticket without the kernels' columns at these places: path -> numbers."""
    task, width, about = TASKS[name]
    sizes = EncoderConfig(layers=2, hidden=16, heads=4, vocabulary=50, positions=24)
    config = ModelConfig(arch="bert", encoder=sizes)
    model = models.from_config(config, width, make_head=task.head)
    params = jax.device_get(models.initialise(model, jax.random.key(0), INPUTS)[0])
    params = jax.tree.map(
        lambda leaf: (
            leaf + 0.1 * np.random.default_rng(leaf.size).normal(size=leaf.shape).astype("f")
        ),
        params,
    )  # biases too
    full = masks.full(params)
    kept = {path: np.array(leaf) for path, leaf in masks.leaf_paths(full).items()}
    for path, columns in dead.items():
        kept[path][:, columns] = False
    mask = jax.tree.unflatten(jax.tree.structure(full), list(kept.values()))
    meta = {
        "model": json.loads(json.dumps(config_files.to_dict(config))),
        "inputs": [stored(each) for each in INPUTS], "mean": [], "std": [],
        "asks": config_files.to_dict(task), "about": about, "history": [],
    }  # fmt: skip
    return Ticket(mask, masks.apply(mask, params), {}, meta)


def logits(ticket):
    tokens = np.random.default_rng(0).integers(5, 50, (3, 12)).astype(np.int32)
    part = (np.arange(12) < np.array([[12], [7], [3]])).astype(np.uint8)
    x = {"tokens": tokens, "part": part, "segment": part * 0}
    model = provenance.build_model(ticket.meta)
    return np.asarray(models.logits(model, masks.apply(ticket.mask, ticket.params), {}, x))


@pytest.mark.parametrize("name", TASKS)
def test_dead_inner_features_go_and_heads_of_attention_stay(name, tmp_path):
    dead = {"layer1/intermediate/kernel": range(20)}
    dead |= {f"layer2/attention/{part}/kernel": range(4, 8) for part in ("query", "key", "value")}
    ticket = ticket_of(name, dead)
    found = compact(ticket)
    shapes = {path: leaf.shape for path, leaf in masks.leaf_paths(found.ticket.params).items()}
    # One of the dead ones stays for what their biases contribute.
    assert shapes["layer1/intermediate/kernel"] in {(16, 44), (16, 45)}
    assert shapes["layer2/intermediate/kernel"] == (16, 64)
    assert shapes["layer2/attention/query/kernel"] == (16, 16)
    assert found.report["parameters"][1] < found.report["parameters"][0]
    assert found.report["max_difference"] <= 1e-5 * found.report["largest_output"]
    found.ticket.save(tmp_path / "small")
    again = Ticket.load(tmp_path / "small")
    np.testing.assert_allclose(logits(again), logits(ticket), atol=1e-5)


def test_an_encoder_without_dead_features_stays_as_it_is():
    ticket = ticket_of("classes", {})
    found = compact(ticket)
    assert found.report["parameters"][0] == found.report["parameters"][1]
    np.testing.assert_array_equal(logits(found.ticket), logits(ticket))
