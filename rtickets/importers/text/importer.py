"""BERT of other projects as tickets, with the vocabulary that it reads."""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from rtickets import masks, models
from rtickets._version import __version__
from rtickets.data.images.augment import Transform
from rtickets.data.text.settings import TextConfig
from rtickets.data.text.tokenizers import vocabulary_of
from rtickets.errors import InputError
from rtickets.importers import hints, parity
from rtickets.importers.files import StateDict, read_state_dict
from rtickets.importers.options import Options
from rtickets.importers.pruned import Pruned, take_masks
from rtickets.importers.tensors import Tensor
from rtickets.importers.text import names
from rtickets.importers.text.config import encoder_of
from rtickets.importers.text.heads import Head, head_of
from rtickets.importers.text.letters import reads_lower_case
from rtickets.importers.text.reference import compared
from rtickets.models.bert import PART, SEGMENT, TOKENS
from rtickets.models.encoder_settings import EncoderConfig
from rtickets.models.inputs import Input, Inputs
from rtickets.models.settings import ModelConfig
from rtickets.settings import config_files
from rtickets.tickets.taken import stored
from rtickets.tickets.ticket import Ticket
from rtickets.training import HEAD

_TOKENIZERS = ("tokenizer.json", "vocab.txt")
_SHOWN = 3


class Read(NamedTuple):
    """An encoder as a file has it.

    Attributes:
        state: the file's state dict.
        tensors: by their bare names, without masks.
        pruned: the masks.
        prefix: what the encoder's names began with.
        config: what config.json says.
        notes: what a user should know, in lines.
    """

    state: StateDict
    tensors: dict[str, Tensor]
    pruned: Pruned
    prefix: str
    config: Mapping[str, Any]
    notes: list[str]


def import_text(path: Path, options: Options) -> tuple[Ticket, dict[str, Any]]:
    """Return the ticket of a file of an encoder of text, and the report of its import.

    Raises:
        InputError: if the file is damaged, is no BERT to the last tensor, lacks its tokenizer, or
            does not compute what the reference does.
    """
    _check_options(options)
    read = _read(path, options)
    tokenizer, lowercase = _tokenizer(path, options, read.notes)
    vocabulary = vocabulary_of(TextConfig(tokenizer=str(tokenizer), lowercase=lowercase))
    encoder = encoder_of(read.tensors, read.config, options.heads, vocabulary)
    _note_differences(read, encoder)
    head = head_of(read.tensors, read.config, vocabulary, read.notes)
    config = ModelConfig(arch="bert", encoder=encoder)
    model = models.from_config(config, head.width, make_head=head.task.head)
    inputs = _inputs(head, encoder.positions)
    params = _params(model, inputs, read, head, encoder.vocabulary)
    mask = _mask(params, read, head)
    params = jax.device_get(masks.apply(mask, params))
    found = compared(model, params, options.text_reference, vocabulary)
    if not head.about:  # a fresh one stood in
        params, mask = ({k: v for k, v in tree.items() if k != HEAD} for tree in (params, mask))
    meta = {
        "model": json.loads(json.dumps(config_files.to_dict(config))),
        "inputs": [stored(each) for each in inputs],
        "mean": [], "std": [],
        "asks": config_files.to_dict(head.task), "about": head.about or {"class_names": []},
    }  # fmt: skip
    report = {
        **_about_file(path, read),
        "model": meta["model"],
        "layout": "bert",
        "head": head.task.name if head.about else "",
        "tokenizer": {"file": tokenizer.name, "tokens": vocabulary.size,
                      "digest": vocabulary.digest, **({} if lowercase else {"lowercase": False})},
        **_about_weights(read, mask, params),
        "notes": read.notes,
        "parity": found,
    }  # fmt: skip
    ticket = Ticket(mask, params, {}, {**meta, "history": [{"stage": "import", **report}]})
    return ticket, {**report, "tokenizer_file": str(tokenizer)}


def _inputs(head: Head, length: int) -> Inputs:
    """Return what the network takes, of texts as long as it can read."""
    kinds = {TOKENS: "int32", PART: "uint8", SEGMENT: "uint8"}
    stored_as = {name: Input(name, (length,), kind) for name, kind in kinds.items()}
    return head.task.input_spec(Transform(), stored_as)


def _about_file(path: Path, read: Read) -> dict[str, Any]:
    return {
        "importer": f"rtickets {__version__}",
        "source": {"file": path.name, "sha256": _sha256(path), "format": read.state.format,
                   "prefix": read.prefix},
    }  # fmt: skip


def _about_weights(read: Read, mask: Any, params: Any) -> dict[str, Any]:
    return {
        "pruned": {"by": ", ".join(f"{n} {kind}" for kind, n in read.pruned.kinds.items()),
                   "sparsity": masks.sparsity(mask)},
        "parameters": sum(leaf.size for leaf in jax.tree.leaves(params)),
        "weights_sha256": parity.checksum(params),
    }  # fmt: skip


def _check_options(options: Options) -> None:
    of_images = {
        "--mean, --std": options.statistics, "--bgr": options.bgr, "--epsilon": options.epsilon,
        "--image-size": options.image_size, "--variant": options.variant,
        "--activation": options.activation, "--reference": options.reference,
        "--scores-keep": options.scores_keep, "--classes": options.class_names,
    }  # fmt: skip
    if given := [name for name, value in of_images.items() if value]:
        raise InputError(f"{given[0]} is of networks of images, --arch=bert reads texts; leave it")


def _read(path: Path, options: Options) -> Read:
    state = read_state_dict(path, options.key, options.weights)
    tensors = dict(state.tensors)
    if options.ignore is not None:
        try:
            left = {name for name in tensors if re.fullmatch(options.ignore, name)}
        except re.error as error:
            raise InputError(f"--ignore={options.ignore}: {error}") from None
        if not left:
            raise InputError(f"--ignore={options.ignore}: matches none of its tensors")
        tensors = {name: each for name, each in tensors.items() if name not in left}
    said = hints.gather(path, state.found.arguments, state.metadata)
    named, prefix = names.bare(tensors, options.prefix)
    plain, pruned = take_masks(named, None)
    notes = [f"left out, as it may be {said.other}'s: config.json"] if said.other else []
    return Read(state, dict(plain), pruned, prefix, said.config, notes)


def _tokenizer(path: Path, options: Options, notes: list[str]) -> tuple[Path, bool]:
    """Return the file of the tokenizer, and whether it reads texts in lower case."""
    places = [options.tokenizer] if options.tokenizer else [path.with_name(n) for n in _TOKENIZERS]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise InputError(
            f"the numbers of its tokens mean nothing without their tokenizer: there is no "
            f"{' or '.join(str(place) for place in places)}; give --tokenizer=FILE"
        )
    lowercase = found.suffix == ".json" or reads_lower_case(found)
    if not lowercase:
        notes.append("it reads texts as they are written: data.text.lowercase=False with it")
    return found, lowercase


def _note_differences(read: Read, encoder: EncoderConfig) -> None:
    """Note what is usual of other encoders than BERT, which tensors alone do not tell apart."""
    embeddings = read.tensors[names.WORDS].shape[0]
    if embeddings > encoder.vocabulary:
        read.notes.append(
            f"{embeddings - encoder.vocabulary} of its {embeddings} embeddings are of no token of "
            "its tokenizer, and left out"
        )
    if not read.config and (encoder.kinds == 1 or "roberta" in read.prefix):
        raise InputError(
            f"without a config.json its prefix {read.prefix!r} and {encoder.kinds} kinds of "
            "sentences are RoBERTa's, which counts positions otherwise; arch='bert' has two kinds"
        )


def _params(model: Any, inputs: Any, read: Read, head: Head, vocabulary: int) -> Any:
    """Return the file's tensors as our leaves, and drawn ones where a file has none."""
    shapes = jax.eval_shape(model.init, jax.random.key(0), models.placeholders(inputs, 1))["params"]
    leaves = masks.leaf_paths(shapes)
    of = {path: head.tensors.get(path) or names.theirs(path) for path in leaves}
    unnamed = set(read.tensors) - set(of.values()) - set(head.read)
    if others := sorted(name for name in unnamed if not names.is_unused(name)):
        raise InputError(
            f"{len(others)} of its tensors are none of BERT's: {', '.join(others[:_SHOWN])}; leave "
            "them out by --ignore=REGEX if they are another head's"
        )
    drawn = [path for path in leaves if path.startswith(head.drawn)] if head.drawn else []
    if missing := [of[p] for p in leaves if of[p] not in read.tensors and p not in drawn]:
        raise InputError(
            f"{len(missing)} tensors of BERT are missing: {', '.join(missing[:_SHOWN])}"
        )
    fresh = {}
    if drawn:
        fresh = masks.leaf_paths(models.initialise(model, jax.random.key(0), inputs)[0])
    found = []
    for path, leaf in leaves.items():
        if path in drawn:
            found.append(np.asarray(fresh[path]))
            continue
        array = np.asarray(read.tensors[of[path]]).astype(np.float32)
        if of[path] in (names.WORDS, names.PREDICTION_BIAS):
            array = array[:vocabulary]
        array = names.our_axes(of[path], array)
        if array.shape != leaf.shape or not np.isfinite(array).all():
            what = "has values that are not finite"
            if array.shape != leaf.shape:
                what = f"is {array.shape} in our axes, expected {leaf.shape}"
            raise InputError(f"{of[path]} {what}")
        found.append(array)
    return jax.tree_util.tree_unflatten(jax.tree_util.tree_structure(shapes), found)


def _mask(params: Any, read: Read, head: Head) -> Any:
    """Return the mask that the file holds, else the dense one."""
    dense = masks.full(params)
    leaves = masks.leaf_paths(dense)
    of = {head.tensors.get(path) or names.theirs(path): path for path in leaves}
    for name, alive in read.pruned.masks.items():
        if name not in of or not np.ndim(leaves[of[name]]):
            raise InputError(f"{name} has a mask, and is never pruned; merge it into the weights")
        leaves[of[name]] = names.our_axes(name, alive)
    return jax.tree_util.tree_unflatten(jax.tree_util.tree_structure(dense), list(leaves.values()))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
