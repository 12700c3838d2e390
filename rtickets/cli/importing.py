"""The verb `rtickets import`."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rtickets.cli.verb import EXIT_HELP, Verb
from rtickets.errors import InputError
from rtickets.terminal import printable

_HELP = f"""
FILE is a state dict of torch.save (alone or in a training checkpoint: torchvision, timm, MadryLab,
Salman et al., Cohen et al., RobustBench), of safetensors, or an ONNX residual network (*.onnx).
Nothing in it is executed; there is no --config. DIR becomes a ticket that removes nothing: give it
to the other verbs as --config.ticket=DIR. DIR/import.json says where every tensor went.
{EXIT_HELP}"""


def _add_options(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("file", type=Path, metavar="FILE", help="the checkpoint")
    verb.add_argument("--arch", required=True, help="architecture, such as resnet50")
    verb.add_argument("--out", required=True, type=Path, metavar="DIR", help="the ticket to write")
    verb.add_argument("--key", help="where in the file the state dict lies (default: found)")
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
        "--classes", metavar="FILE|A,B,...", help="class names, from a file of one a line or here"
    )
    verb.add_argument(
        "--reference",
        type=Path,
        metavar="FILE.npz",
        help="images and logits of the original, to be compared with",
    )


def _import(options: argparse.Namespace, config_words: Sequence[str]) -> None:
    """Import a checkpoint, write the ticket and print what was done."""
    from rtickets import importers

    if config_words:
        raise InputError(f"{config_words[0]}: the verb import takes no configuration")
    if (options.mean is None) != (options.std is None):
        raise InputError("--mean and --std go together; give both")
    if options.out.exists():
        raise InputError(f"{options.out} exists; choose another --out")
    imported = importers.import_checkpoint(
        options.file,
        options.arch,
        importers.Options(
            key=options.key,
            statistics=None if options.mean is None else (options.mean, options.std),
            bgr=options.bgr,
            image_size=options.image_size,
            class_names=_class_names(options.classes),
            reference=importers.read_reference(options.reference) if options.reference else None,
        ),
    )
    importers.save(imported, options.out)
    for line in _lines(imported.report):
        print(printable(line))
    print(printable(f"done: {options.out}"))


def _lines(report: dict[str, Any]) -> list[str]:
    """Say in a few lines what was imported."""
    model, tensors, parity = report["model"], report["tensors"], report["parity"]
    pixels = report["normalization"]
    counts = {
        "copies": len(tensors.get("copies", ())),
        "never read": len(tensors["never_read"]),
        "pixel statistics": len(tensors.get("normalization", ())),
        "names outside": len(tensors["outside"]),
    }
    lines = [
        f"{model['arch']} of width {model['width']:g}, {report['parameters']:,} parameters, layout "
        f"{report['layout']} ({report['source']['format']})",
        f"tensors: {len(tensors['used'])} used; "
        + ", ".join(f"{count} {name}" for name, count in counts.items() if count),
        f"pixels: mean {_short(pixels['mean'])}, std {_short(pixels['std'])} ({pixels['from']})",
    ]
    if tensors.get("folded"):
        lines.append(
            "normalisation was folded into the weights: train it with "
            "--config.train.statistics=frozen"
        )
    if parity is None:
        lines.append("parity: no reference; see --reference")
    else:
        lines.append(
            f"parity: largest difference of logits {parity['max_difference']:.2g} of "
            f"{parity['largest_logit']:.3g} on {parity['images']} images ({parity['reference']})"
        )
    return [line.removesuffix("; ") for line in lines]


def _short(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.4g}" for value in values)


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


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no image size; give 1 or more")
    return int(text)


IMPORT = Verb(_import, "turn another project's checkpoint into a ticket", _add_options, _HELP)
