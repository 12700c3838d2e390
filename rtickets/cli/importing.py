"""The verb `rtickets import`."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rtickets.cli.verb import EXIT_HELP, Verb, path_of, place_of, refuse_config
from rtickets.errors import InputError, printable

_HELP = f"""
FILE is a state dict of torch.save (alone or in a training checkpoint: torchvision, timm, MadryLab,
Salman et al., Cohen et al., RobustBench), of safetensors, or an ONNX residual network (*.onnx).
With --arch=bert it is one of Hugging Face's BERT or of sentence-transformers, with its tokenizer.
Nothing in it is executed; there is no --config. DIR becomes a ticket: give it to the other verbs as
--config.ticket=DIR. It removes nothing, unless the file holds masks. DIR/import.json says where
every tensor went.

What the command prints as assumed is a guess that the file does not confirm, and what it lists as
alike cannot be told apart from it: --reference compares with logits of the original.
{EXIT_HELP}"""


def _add_options(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "file",
        type=place_of,
        metavar="FILE",
        help="the checkpoint, or its address, s3://BUCKET/PATH or gs://...",
    )
    verb.add_argument("--arch", required=True, help="architecture, such as resnet50")
    verb.add_argument(
        "--out", required=True, type=path_of, metavar="DIR", help="the ticket to write"
    )
    verb.add_argument(
        "--dry-run",
        action="store_true",
        dest="write_nothing",  # what the other verbs do under this name is about configurations
        help="read and compare all, and write nothing",
    )
    _add_options_of_names(verb)
    _add_options_of_networks(verb)
    _add_options_of_texts(verb)
    for name in ("mean", "std"):
        verb.add_argument(
            f"--{name}",
            type=_numbers,
            metavar="R,G,B",
            help=f"{name} of pixels in [0, 1], such as 0.485,0.456,0.406 or 123/255,117/255,104/255"
            " (default: what the file states, else its layout's)",
        )
    verb.add_argument("--bgr", action="store_true", help="the network takes blue first")
    verb.add_argument(
        "--image-size", type=_positive, metavar="N", help="height and width (default: 224 or 32)"
    )
    verb.add_argument(
        "--classes",
        metavar="FILE|A,B,...",
        help="class names in the order of the logits, from a file of one a line or here",
    )
    verb.add_argument(
        "--reference",
        type=place_of,
        metavar="FILE.npz",
        help="images and logits of the original, to be compared with; of bert tokens, and logits or"
        " hidden",
    )


def _add_options_of_texts(verb: argparse.ArgumentParser) -> None:
    """Add what a file of an encoder of text may not say."""
    verb.add_argument(
        "--heads", type=_positive, metavar="N", help="bert's heads of attention (default: found)"
    )
    verb.add_argument(
        "--tokenizer",
        type=place_of,
        metavar="FILE",
        help="bert's tokenizer.json or vocab.txt (default: beside FILE)",
    )


def _add_options_of_names(verb: argparse.ArgumentParser) -> None:
    """Add which tensors of the file are meant."""
    verb.add_argument("--key", help="where in the file the state dict lies (default: found)")
    verb.add_argument(
        "--weights",
        choices=["raw", "ema"],
        help="of several, the raw weights or their running average (default: raw)",
    )
    verb.add_argument(
        "--prefix",
        help="what the names of the network begin with, such as encoder. (default: found)",
    )
    verb.add_argument(
        "--ignore",
        metavar="REGEX",
        help="leave out tensors whose whole name matches, such as 'criterion.*'",
    )
    verb.add_argument(
        "--scores-keep",
        type=_share,
        metavar="K",
        help="share of the weights of every layer that learnt scores (popup_scores) keep",
    )
    verb.add_argument(
        "--zeros-are-pruned",
        action="store_true",
        help="prunable weights that are exactly zero are pruned",
    )


def _add_options_of_networks(verb: argparse.ArgumentParser) -> None:
    """Add what tells networks apart that have the same names and shapes."""
    verb.add_argument(
        "--variant",
        choices=["caffe", "deepmind", "kuangliu", "wong"],
        help="a published variant of the architecture, see docs/import.md (default: found)",
    )
    verb.add_argument(
        "--activation",
        choices=["relu", "silu"],
        help="of all layers (default: relu; silu for the variant deepmind)",
    )
    verb.add_argument(
        "--epsilon",
        type=_small,
        metavar="E",
        help="what normalisation adds to variances (default: 1e-5; 1e-3 for efficientnet_lite0)",
    )


def _import(options: argparse.Namespace, config_words: Sequence[str]) -> None:
    """Import a checkpoint, write the ticket and print what was done."""
    from rtickets import importers
    from rtickets.storage.fetched import here

    refuse_config("import", config_words)
    if (options.mean is None) != (options.std is None):
        raise InputError("--mean and --std go together; give both")
    if options.key is not None and options.weights is not None:
        raise InputError("--key says which weights to take already; leave it or --weights")
    if options.out.exists():  # before anything is read, which takes a while
        raise InputError(f"{options.out} exists; choose another --out")
    for name in ("file", "tokenizer", "reference"):
        if (place := getattr(options, name)) is not None:
            setattr(options, name, here(place))
    imported = importers.import_checkpoint(options.file, options.arch, _told(options))
    for line in importers.describe(imported.report):
        print(line)
    if options.write_nothing:
        print("nothing was written")
        return
    importers.save(imported, options.out)
    print(printable(f"done: {options.out}"))


def _told(options: argparse.Namespace) -> Any:
    """Return what the user says of the file."""
    from rtickets import importers

    return importers.Options(
        key=options.key,
        statistics=None if options.mean is None else (options.mean, options.std),
        bgr=options.bgr,
        image_size=options.image_size,
        class_names=_class_names(options.classes),
        reference=_reference(options),
        text_reference=options.reference if options.arch == "bert" else None,
        heads=options.heads,
        tokenizer=options.tokenizer,
        prefix=options.prefix,
        ignore=options.ignore,
        weights=options.weights,
        variant=options.variant,
        activation=options.activation,
        epsilon=options.epsilon,
        scores_keep=options.scores_keep,
        zeros_are_pruned=options.zeros_are_pruned,
    )


def _reference(options: argparse.Namespace) -> Any:
    """Return what networks of images are compared with."""
    from rtickets import importers

    if options.reference is None or options.arch == "bert":
        return None
    return importers.read_reference(options.reference)


def _class_names(text: str | None) -> tuple[str, ...] | None:
    """Return the names in a file, or those listed."""
    if text is None:
        return None
    if Path(text).is_file():
        try:
            names = tuple(Path(text).read_text(encoding="utf-8").splitlines())
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"--classes={text}: cannot be read: {error}") from None
    elif "," in text:
        names = tuple(text.split(","))
    else:
        raise InputError(f"--classes={text}: no such file; expected one, or names with commas")
    if len(set(names)) < len(names):
        raise InputError(f"--classes={text}: names two classes alike")
    return names


def _numbers(text: str) -> tuple[float, ...]:
    """Parse numbers with commas between them, which may be fractions."""
    try:
        parts = [part.split("/") for part in text.split(",")]
        if any(len(part) > 2 for part in parts):
            raise ValueError
        return tuple(float(part[0]) / float(part[1] if part[1:] else 1) for part in parts)
    except (ValueError, ZeroDivisionError):
        raise argparse.ArgumentTypeError(f"{text!r} is no list of numbers") from None


def _share(text: str) -> float:
    return _number_in(text, 0, 1, "share; give one above 0 and up to 1, such as 0.1 or 1/10")


def _small(text: str) -> float:
    return _number_in(text, 0, 0.1, "epsilon; give one above 0 and up to 0.1, such as 1e-3")


def _number_in(text: str, low: float, high: float, what: str) -> float:
    numbers = _numbers(text)
    if len(numbers) != 1 or not low < numbers[0] <= high:
        raise argparse.ArgumentTypeError(f"{text!r} is no {what}")
    return numbers[0]


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no size; give 1 or more")
    return int(text)


IMPORT = Verb(_import, "turn another project's checkpoint into a ticket", _add_options, _HELP)
