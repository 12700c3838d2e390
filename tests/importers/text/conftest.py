"""A file of an encoder of text of another project, of two layers."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

LAYERS, HIDDEN, HEADS, INNER, WORDS, POSITIONS = 2, 12, 3, 20, 9, 16
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "sat", "mat"]
CONFIG = {
    "model_type": "bert", "num_attention_heads": HEADS, "num_hidden_layers": LAYERS,
    "hidden_size": HIDDEN, "intermediate_size": INNER, "vocab_size": WORDS, "hidden_act": "gelu",
    "max_position_embeddings": POSITIONS, "layer_norm_eps": 1e-12, "hidden_dropout_prob": 0.2,
}  # fmt: skip


def tensors(seed=0):
    """Return a small encoder in the names of Hugging Face."""
    draw = np.random.default_rng(seed)

    def linear(name, outputs, inputs):
        return {f"{name}.weight": draw.normal(0, 0.3, (outputs, inputs)),
                f"{name}.bias": draw.normal(0, 0.3, outputs)}  # fmt: skip

    def norm(name):
        return {f"{name}.LayerNorm.weight": draw.normal(1, 0.2, HIDDEN),
                f"{name}.LayerNorm.bias": draw.normal(0, 0.2, HIDDEN)}  # fmt: skip

    found = {
        "embeddings.word_embeddings.weight": draw.normal(0, 1, (WORDS, HIDDEN)),
        "embeddings.position_embeddings.weight": draw.normal(0, 1, (POSITIONS, HIDDEN)),
        "embeddings.token_type_embeddings.weight": draw.normal(0, 1, (2, HIDDEN)),
        **norm("embeddings"),
        **linear("pooler.dense", HIDDEN, HIDDEN),
    }
    for number in range(LAYERS):
        layer = f"encoder.layer.{number}"
        for name in ("query", "key", "value"):
            found |= linear(f"{layer}.attention.self.{name}", HIDDEN, HIDDEN)
        found |= linear(f"{layer}.attention.output.dense", HIDDEN, HIDDEN)
        found |= norm(f"{layer}.attention.output")
        found |= linear(f"{layer}.intermediate.dense", INNER, HIDDEN)
        found |= linear(f"{layer}.output.dense", HIDDEN, INNER)
        found |= norm(f"{layer}.output")
    return {name: each.astype(np.float32) for name, each in found.items()}


def with_words(encoder):
    """Return the same below `bert.`, with the head of masked tokens and a tied decoder."""
    draw = np.random.default_rng(1)
    embeddings = encoder["embeddings.word_embeddings.weight"]
    head = {
        "transform.dense.weight": draw.normal(0, 0.3, (HIDDEN, HIDDEN)),
        "transform.dense.bias": draw.normal(0, 0.3, HIDDEN),
        "transform.LayerNorm.gamma": draw.normal(1, 0.2, HIDDEN),
        "transform.LayerNorm.beta": draw.normal(0, 0.2, HIDDEN),
        "bias": draw.normal(0, 0.3, WORDS),
        "decoder.weight": embeddings,
    }
    head["decoder.bias"] = head["bias"]
    named = {f"cls.predictions.{name}": each.astype(np.float32) for name, each in head.items()}
    other = {"cls.seq_relationship.weight": np.zeros((2, HIDDEN), np.float32)}
    return {**{f"bert.{name}": each for name, each in encoder.items()}, **named, **other}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "vocab.txt").write_text("\n".join(VOCABULARY))
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    return tmp_path


def saved(folder, weights):
    save_file(weights, folder / "model.safetensors")
    return folder / "model.safetensors"
