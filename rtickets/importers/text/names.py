"""How BERT's layers are called in PyTorch, by Hugging Face and those who follow it."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from rtickets.errors import InputError
from rtickets.importers.tensors import Tensor

WORDS = "embeddings.word_embeddings.weight"
DECODER, DECODER_BIAS = "cls.predictions.decoder.weight", "cls.predictions.decoder.bias"
PREDICTION_BIAS = "cls.predictions.bias"
CLASSIFIER, SPANS = "classifier.weight", "qa_outputs.weight"
_UNUSED = re.compile(r"embeddings\.(position|token_type)_ids|cls\.seq_relationship\..*")
_LAYER = re.compile(r"layer(\d+)/(.*)")
_EMBEDDINGS = {"word": "word", "position": "position", "segment": "token_type"}
_IN_LAYER = {
    "attention/query": "attention.self.query",
    "attention/key": "attention.self.key",
    "attention/value": "attention.self.value",
    "attention/out": "attention.output.dense",
    "attention_norm": "attention.output.LayerNorm",
    "intermediate": "intermediate.dense",
    "output": "output.dense",
    "output_norm": "output.LayerNorm",
}
_OUTSIDE = {
    "embedding_norm": "embeddings.LayerNorm",
    "pooler": "pooler.dense",
    "head/transform": "cls.predictions.transform.dense",
    "head/norm": "cls.predictions.transform.LayerNorm",
    "head/out": "qa_outputs",
}
_KINDS = {"kernel": "weight", "scale": "weight", "embedding": "weight", "bias": "bias"}


def theirs(path: str) -> str:
    """Return the name of the tensor that a leaf of ours is, of a network with any head."""
    layer, _, kind = path.rpartition("/")
    if kind == "embedding":
        return f"embeddings.{_EMBEDDINGS[layer.removesuffix('_embeddings')]}_embeddings.weight"
    if layer == "head":
        return f"classifier.{_KINDS[kind]}"
    if match := _LAYER.fullmatch(layer):
        return f"encoder.layer.{int(match[1]) - 1}.{_IN_LAYER[match[2]]}.{_KINDS[kind]}"
    return f"{_OUTSIDE[layer]}.{_KINDS[kind]}"


def our_axes(name: str, array: np.ndarray) -> np.ndarray:
    """Return a tensor in the order of our axes: kernels have their inputs first."""
    turned = array.ndim == 2 and "embeddings" not in name
    return np.ascontiguousarray(array.T if turned else array)


def is_unused(name: str) -> bool:
    """Return whether no forward pass that we know reads a tensor."""
    return bool(_UNUSED.fullmatch(name))


def bare(tensors: Mapping[str, Tensor], prefix: str | None) -> tuple[dict[str, Tensor], str]:
    """Return the tensors of an encoder and of its heads by their bare names, and the prefix.

    Names of before 2019 have `gamma` and `beta` in the place of `weight` and `bias`.

    Args:
        tensors: by their names in the file.
        prefix: what the encoder's begin with; None finds it.

    Raises:
        InputError: if there is none, or more than one, or two tensors get one name.
    """
    found = [name.removesuffix(WORDS) for name in tensors if name.endswith(WORDS)]
    if prefix is None:
        if len(found) != 1:
            there = (
                f"several encoders, --prefix={' or '.join(map(repr, found))}"
                if found
                else (f"no tensor {WORDS!r}; its names are {', '.join(list(tensors)[:3])}, ...")
            )
            raise InputError(f"holds {there}")
        (prefix,) = found
    elif prefix not in found:
        raise InputError(f"--prefix={prefix!r}: there is no {prefix + WORDS!r}; {found} are there")
    # Heads lie beside the encoder: 'bert.embeddings' and 'cls.predictions'.
    outer = prefix.removesuffix("bert.")
    named: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        own = name.removeprefix(prefix) if name.startswith(prefix) else name.removeprefix(outer)
        own = re.sub(r"LayerNorm\.gamma$", "LayerNorm.weight", own)
        own = re.sub(r"LayerNorm\.beta$", "LayerNorm.bias", own)
        if own in named:
            raise InputError(f"{name} is there twice, as {own!r}; --ignore one of them")
        named[own] = tensor
    return named, prefix


def sizes_in(tensors: Mapping[str, Any]) -> dict[str, int]:
    """Return what the shapes of tensors tell of an encoder's sizes."""
    layers = {int(m[1]) for name in tensors if (m := re.match(r"encoder\.layer\.(\d+)\.", name))}
    inner = tensors.get("encoder.layer.0.intermediate.dense.weight")
    positions = tensors.get("embeddings.position_embeddings.weight")
    kinds = tensors.get("embeddings.token_type_embeddings.weight")
    if inner is None or positions is None or kinds is None or layers != set(range(len(layers))):
        raise InputError(
            f"its {len(layers)} layers are not those of BERT, each with attention and "
            "intermediate.dense, on embeddings of words, positions and kinds of sentences"
        )
    words = tensors[WORDS].shape
    return {
        "layers": len(layers), "hidden": words[1], "intermediate": inner.shape[0],
        "vocabulary": words[0], "positions": positions.shape[0], "kinds": kinds.shape[0],
    }  # fmt: skip
