"""What was imported, in lines: also what was assumed, and what cannot be told apart."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rtickets.errors import printable

_SHOWN = 3  # words of a file
_MANY_ZEROS = 0.05  # of the prunable weights; a trained network has next to none


def describe(report: Mapping[str, Any]) -> list[str]:
    """Say in lines for a person what was imported, from the report of an `Imported`."""
    if "tokenizer" in report:
        return _of_text(report)
    model, tensors, pixels = report["model"], report["tensors"], report["normalization"]
    kinds = [model[name] for name in ("variant", "activation") if model[name]]
    lines = [
        f"{' '.join([model['arch'], *kinds])} of width {model['width']:g}, "
        f"{report['parameters']:,} parameters, layout {report['layout']} "
        f"({report['source']['format']})",
        *_which(report),
        *_weights(report["source"]),
        _counted(tensors),
        f"pixels: mean {_short(pixels['mean'])}, std {_short(pixels['std'])} ({pixels['from']})",
        _classes(report),
        *_pruned(report["pruned"]),
    ]
    if tensors.get("folded"):
        lines.append(
            "normalisation was folded into the weights: train it with "
            "--config.train.statistics=frozen"
        )
    return [*map(printable, lines), _parity(report["parity"])]


def _of_text(report: Mapping[str, Any]) -> list[str]:
    sizes, source, found = report["model"]["encoder"], report["source"], report["parity"]
    lines = [
        f"bert of {sizes['layers']} layers, {sizes['hidden']} features and {sizes['heads']} heads, "
        f"{report['parameters']:,} parameters ({source['format']})",
        f"tokenizer {report['tokenizer']['file']}, {report['tokenizer']['tokens']:,} tokens",
        f"head: {report['head'] or 'none'}",
        *report["notes"],
        *([f"pruned by {report['pruned']['by']}"] if report["pruned"]["by"] else []),
    ]
    if found is None:
        said = "nothing was compared: --reference=FILE.npz with tokens and hidden or logits does"
    else:
        said = (
            f"{found['of']} of {found['texts']} texts differ from {found['reference']} by at most "
            f"{found['max_difference']:.2g}, the largest is {found['largest']:.3g}"
        )
    return [*map(printable, lines), said]


def _which(report: Mapping[str, Any]) -> Iterator[str]:
    """Say which of several networks of the same names it was taken for, and why."""
    arch = report["model"]["arch"]
    if report["said_by"]:
        yield f"read as {arch}: the file has {report['said_by']}"
    elif report["said"]:
        yield f"read as {arch}, where the file has {'; '.join(report['said'][:_SHOWN])}"
    yield from report["left"]
    if report["alike"]:
        kinds = "; ".join(report["alike"])
        yield (
            f"read as {arch}: nothing in the file tells it from others with its names and shapes "
            f"({kinds}); --reference=FILE.npz with logits of the original does"
        )


def _weights(source: Mapping[str, Any]) -> Iterator[str]:
    others = source.get("other_weights", {})
    if source.get("weights") == "averaged":
        taken = "weights: an average over training" + (
            f" ({source['from']})" if source["from"] else ""
        )
        yield taken + (
            "; PyTorch's AveragedModel averages normalisation statistics only if it was told to: "
            "they may be those of its start, unless update_bn was called"
            if source["averaged_model"]
            else ""
        )
    elif others:
        yield f"weights: raw ({source['from'] or 'the state dict'})"
    for name, kind in others.items():
        option = "--weights=" + ("ema" if kind == "averaged" else "raw")
        alone = kind != source["weights"] and list(others.values()).count(kind) == 1
        yield f"  not taken: {name} ({kind}); {option if alone else '--key or --prefix'} takes it"


def _counted(tensors: Mapping[str, Any]) -> str:
    counts = {
        "copies": len(tensors.get("copies", ())),
        "never read": len(tensors["never_read"]),
        "pixel statistics": len(tensors.get("normalization", ())),
        "left out": len(tensors.get("left", ())),
        "names outside": len(tensors["outside"]),
    }
    rest = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    return f"tensors: {len(tensors['used'])} used" + (f"; {rest}" if rest else "")


def _classes(report: Mapping[str, Any]) -> str:
    count = report["classes"]
    if count is None:
        return "no head: it cannot be evaluated or scored on data before a transfer gives it one"
    return f"classes: {count:,} ({report['class_names_from']})"


def _pruned(pruned: Mapping[str, Any]) -> Iterator[str]:
    if pruned["by"]:
        yield f"pruned: {pruned['sparsity']:.4%} of the prunable weights (by {pruned['by']})"
    if pruned["zeros"] > _MANY_ZEROS:
        yield (
            f"{pruned['zeros']:.1%} of the prunable weights are exactly zero and count as alive; "
            "--zeros-are-pruned makes them a mask"
        )


def _parity(parity: Mapping[str, Any] | None) -> str:
    if parity is None:
        return "parity: not compared with the original; --reference=FILE.npz does"
    return (
        f"parity: largest difference of logits {parity['max_difference']:.2g} of "
        f"{parity['largest_logit']:.3g} on {parity['images']} images "
        f"({printable(parity['reference'])})"
    )


def _short(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.4g}" for value in values)
