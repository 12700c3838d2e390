"""What a config.json of Hugging Face says of an encoder, held against its tensors."""

from collections.abc import Mapping
from typing import Any

from rtickets.data.text.tokenizers import Vocabulary
from rtickets.errors import InputError
from rtickets.importers.text.names import sizes_in
from rtickets.models.bert import EPSILON
from rtickets.models.encoder_settings import EncoderConfig

_SIZES = {
    "layers": "num_hidden_layers",
    "hidden": "hidden_size",
    "intermediate": "intermediate_size",
    "vocabulary": "vocab_size",
    "positions": "max_position_embeddings",
    "kinds": "type_vocab_size",
}
_ALWAYS = {
    "model_type": "bert",
    "hidden_act": "gelu",
    "layer_norm_eps": EPSILON,
    "position_embedding_type": "absolute",
    "is_decoder": False,
}
_MOST_PADDING = 128  # rows of embeddings are filled up to a multiple of it
_DROPOUT = {"dropout": "hidden_dropout_prob", "attention_dropout": "attention_probs_dropout_prob"}


def encoder_of(
    tensors: Mapping[str, Any], config: Mapping[str, Any], heads: int | None, known: Vocabulary
) -> EncoderConfig:
    """Return the sizes of an encoder.

    Args:
        tensors: by their bare names.
        config: what config.json says, {} without one.
        heads: of attention, which tensors do not tell; None is what config.json says.
        known: the vocabulary; embeddings of no token are left out.

    Raises:
        InputError: where the config tells of another network than our BERT or than the tensors.
    """
    for name, expected in _ALWAYS.items():
        if config.get(name, expected) != expected:
            raise InputError(
                f"config.json says {name}={config[name]!r}, which is another network; "
                f"arch='bert' has {expected!r}"
            )
    sizes = sizes_in(tensors)
    for ours, theirs in _SIZES.items():
        if config.get(theirs, sizes[ours]) != sizes[ours]:
            raise InputError(
                f"config.json says {theirs}={config[theirs]!r}, its tensors {sizes[ours]}; it is "
                "another file's"
            )
    said = config.get("num_attention_heads")
    if heads is not None and said not in (None, heads):
        raise InputError(f"--heads={heads}: config.json says num_attention_heads={said}; leave it")
    number = heads if heads is not None else said
    if type(number) is not int or number < 1 or sizes["hidden"] % number:
        raise InputError(
            f"nothing in the file tells how many heads its attention has ({number!r}); give "
            f"--heads=N, a divisor of {sizes['hidden']}, as num_attention_heads of its config.json"
        )
    if known.size > sizes["vocabulary"]:
        raise InputError(
            f"its tokenizer has {known.size} tokens, its embeddings {sizes['vocabulary']}; give "
            "its own by --tokenizer=FILE"
        )
    if sizes["vocabulary"] - known.size >= _MOST_PADDING:
        raise InputError(
            f"its tokenizer has {known.size} tokens, its embeddings {sizes['vocabulary']}, more "
            f"than {_MOST_PADDING - 1} others; it is another network's: give its own by "
            "--tokenizer=FILE"
        )
    dropout = {ours: config[theirs] for ours, theirs in _DROPOUT.items() if theirs in config}
    return EncoderConfig(heads=number, **{**sizes, "vocabulary": known.size}, **dropout)
