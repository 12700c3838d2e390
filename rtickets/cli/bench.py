"""The verb that measures this machine."""

import argparse
import contextlib
import json
import math
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rtickets.cli.verb import EXIT_HELP, Verb, path_of, positive, refuse_config
from rtickets.errors import InputError

_EPILOG = f"""
The table of this machine: input beside plain decoding of the same files, whole training steps of a
network on images in memory, natural and with PGD, drawing, two tickets at once, features and heads
of linear evaluation, attacks, checkpoints, and a compacted ticket. Compilation is left out. With
its defaults it takes some two minutes on two CPU cores, most of it compilation; the rates of a
network worth training need --width=1 --seconds=10. What --json prints, stored, is what --against
compares with.
{EXIT_HELP}"""
_PARTS = (
    "input", "steps", "draw", "together", "features", "heads", "attacks", "checkpoints",
    "compact",
)  # fmt: skip


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--images", type=path_of, metavar="DIR", help="JPEG files (default: made up)"
    )
    parser.add_argument("--workers", type=positive, default=2, help="threads (default: 2)")
    parser.add_argument("--arch", default="resnet18", help="network (default: resnet18)")
    parser.add_argument("--width", type=float, default=0.125, help="of its layers (default: 1/8)")
    parser.add_argument("--image-size", type=positive, default=32, help="pixels (default: 32)")
    parser.add_argument("--batch-size", type=positive, default=64, help="examples (default: 64)")
    parser.add_argument("--num-steps", type=positive, default=3, help="of PGD (default: 3)")
    parser.add_argument("--seconds", type=positive, default=2, help="per kind of step (default: 2)")
    parser.add_argument("--bfloat16", action="store_true", help="compute precision")
    parser.add_argument("--cpu-devices", type=positive, default=2, metavar="N")
    parser.add_argument("--devices", type=positive, metavar="N")
    parser.add_argument("--only", metavar="PARTS", help=f"some of {', '.join(_PARTS)}")
    parser.add_argument(
        "--against", type=path_of, metavar="FILE", help="a table that --json printed before"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def _bench(options: argparse.Namespace, config_words: Sequence[str]) -> None:
    refuse_config("bench", config_words)
    import jax

    from rtickets.attacks.pgd_settings import PgdSettings
    from rtickets.costs import rows, table
    from rtickets.models.settings import ModelConfig
    from rtickets.platform import parallel
    from rtickets.settings import config_files

    parts = _parts(options.only)
    stem = "imagenet" if options.image_size > 96 else "small"
    precision = "bfloat16" if options.bfloat16 else "float32"
    values = {"arch": options.arch, "width": options.width, "stem": stem, "precision": precision}
    model = config_files.parse(ModelConfig, values)
    with contextlib.suppress(RuntimeError):  # a process that used JAX before keeps its devices
        jax.config.update("jax_num_cpu_devices", options.cpu_devices)
    devices = parallel.local_devices(options.devices)
    parallel.check_batch_size(options.batch_size, devices)
    about = _about(options, values, devices)
    stored = _stored(options.against, about)
    attack = PgdSettings(num_steps=options.num_steps)
    with _photographs(options.images if "input" in parts else None, "input" in parts) as paths:
        setting = rows.Setting(
            model, options.image_size, options.batch_size, attack, devices, options.seconds,
            paths, options.workers,
        )  # fmt: skip
        if not options.json:
            size, kind = options.image_size, about["devices"]
            print(f"{options.arch} of width {options.width:g} at {size} pixels, batch "
                  f"{options.batch_size}, on {len(devices)} devices ({kind})")  # fmt: skip
        measured = []
        for part in parts:
            found = [*table.PARTS[part](setting)]
            measured += found
            if not options.json:
                print("\n".join(rows.as_lines(found, stored)), flush=True)
    if options.json:
        print(json.dumps({"about": about, "rows": _with_stored(measured, stored)}, indent=2))


def _about(
    options: argparse.Namespace, network: dict[str, Any], devices: Sequence[Any]
) -> dict[str, Any]:
    """Return the settings that numbers are of."""
    return {
        "devices": str(devices[0].device_kind), "count": len(devices), **network,
        "image_size": options.image_size, "batch_size": options.batch_size,
        "num_steps": options.num_steps, "workers": options.workers, "seconds": options.seconds,
        "images": None if options.images is None else str(options.images),
    }  # fmt: skip


def _with_stored(measured: Sequence[Any], stored: dict[str, float]) -> list[dict[str, Any]]:
    """Return rows with what a stored table has of them."""
    then = [{"then": stored[row.name]} if row.name in stored else {} for row in measured]
    return [row._asdict() | each for row, each in zip(measured, then, strict=True)]


def _parts(only: str | None) -> list[str]:
    """Return which parts are asked for, in the table's order."""
    asked = _PARTS if only is None else tuple(only.split(","))
    for part in asked:
        if part not in _PARTS:
            raise InputError(f"--only={only}: {part!r} is no part; choose of {', '.join(_PARTS)}")
    return [part for part in _PARTS if part in asked]


def _stored(path: Path | None, about: dict[str, Any]) -> dict[str, float]:
    """Return the numbers of a stored table by name; one of other settings is refused."""
    if path is None:
        return {}
    try:
        table = json.loads(path.read_text())
        before = dict(table["about"])
        rows: dict[str, float] = {}
        for row in table["rows"]:
            rows[row["name"]] = float(row["value"])
            if not math.isfinite(rows[row["name"]]):
                raise ValueError(f"{row['name']} is {row['value']}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"--against={path} is no table that --json printed ({error})") from error
    for name, value in about.items():
        if name != "devices" and before.get(name) != value:
            raise InputError(
                f"--against={path} is of {name}={before.get(name)!r}, this is {value!r}; "
                "give the options that it was measured with"
            )
    return rows


@contextlib.contextmanager
def _photographs(folder: Path | None, needed: bool) -> Iterator[list[Path]]:
    from rtickets.costs import bench

    if folder is not None:
        yield bench.find_photographs(folder)
    elif not needed:
        yield []
    else:
        with tempfile.TemporaryDirectory() as temporary:
            yield bench.write_photographs(Path(temporary))


BENCH = Verb(_bench, "measure how fast this machine reads images and trains", _add_options, _EPILOG)
