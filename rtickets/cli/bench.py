"""The verb that measures this machine."""

import argparse
import contextlib
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rtickets.cli.verb import EXIT_HELP, Verb, path_of, positive, refuse_config

if TYPE_CHECKING:
    from rtickets.platform.parallel import Devices

_EPILOG = f"""
Input is measured beside plain decoding of the same files in the same run; steps are whole training
steps of a network on images in memory, natural and with PGD. Compilation is left out.
{EXIT_HELP}"""


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--images", type=path_of, metavar="DIR", help="JPEG files (default: made up)"
    )
    parser.add_argument("--workers", type=positive, default=2, help="threads (default: 2)")
    parser.add_argument("--arch", default="resnet18", help="network (default: resnet18)")
    parser.add_argument("--width", type=float, default=1.0, help="of its layers (default: 1)")
    parser.add_argument("--image-size", type=positive, default=32, help="pixels (default: 32)")
    parser.add_argument("--batch-size", type=positive, default=64, help="examples (default: 64)")
    parser.add_argument("--num-steps", type=positive, default=3, help="of PGD (default: 3)")
    parser.add_argument("--seconds", type=positive, default=10, help="per kind of step")
    parser.add_argument("--bfloat16", action="store_true", help="compute precision")
    parser.add_argument("--cpu-devices", type=positive, default=2, metavar="N")
    parser.add_argument("--devices", type=positive, metavar="N")
    parser.add_argument("--json", action="store_true", help="print JSON")


def _bench(options: argparse.Namespace, config_words: Sequence[str]) -> None:
    refuse_config("bench", config_words)
    import jax

    from rtickets.attacks.pgd_settings import PgdSettings
    from rtickets.costs import bench
    from rtickets.models.settings import ModelConfig
    from rtickets.platform import parallel
    from rtickets.settings import config_files

    stem = "imagenet" if options.image_size > 96 else "small"
    precision = "bfloat16" if options.bfloat16 else "float32"
    values = {"arch": options.arch, "width": options.width, "stem": stem, "precision": precision}
    model = config_files.parse(ModelConfig, values)
    with contextlib.suppress(RuntimeError):  # a process that used JAX before keeps its devices
        jax.config.update("jax_num_cpu_devices", options.cpu_devices)
    devices = parallel.local_devices(options.devices)
    read = _measure_input(options, devices)
    if not options.json:
        print("\n".join(bench.as_lines(read, options.workers)), flush=True)
    attack = PgdSettings(num_steps=options.num_steps)
    steps = bench.measure_steps(
        model, options.image_size, options.batch_size, attack, devices, options.seconds
    )
    if options.json:
        found: dict[str, Any] = {"input": read._asdict(), "steps": steps._asdict()}
        print(json.dumps({"devices": str(devices[0].device_kind), **found}, indent=2))
        return
    kind = f"{len(devices)} devices ({devices[0].device_kind})"
    print(f"images/s in training steps of {options.arch} at {options.image_size} pixels on {kind}")
    print(f"  natural                            {steps.natural:8.1f}")
    print(f"  PGD-{options.num_steps:<3}                            {steps.pgd:8.1f}")


def _measure_input(options: argparse.Namespace, devices: "Devices") -> Any:
    from rtickets.costs import bench

    if options.images is not None:
        paths = bench.find_photographs(options.images)
        return bench.measure_input(paths, options.workers, devices)
    with tempfile.TemporaryDirectory() as folder:
        paths = bench.write_photographs(Path(folder))
        return bench.measure_input(paths, options.workers, devices)


BENCH = Verb(_bench, "measure how fast this machine reads images and trains", _add_options, _EPILOG)
