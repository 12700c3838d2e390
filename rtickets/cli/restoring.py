"""The verb that restores pictures, and the one that compares ways to do so."""

import argparse
import math
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rtickets.cli.verb import (
    CONFIG_HELP,
    Verb,
    add_workdir,
    check_folder,
    config_class,
    path_of,
    positive,
    read_config,
)
from rtickets.errors import InputError


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "picture",
        nargs="?",  # --config.help needs none
        type=path_of,
        metavar="PICTURE",
        help="a file, or a folder of files, of 8 or 16 bits, grey or coloured",
    )
    parser.add_argument(
        "--out", type=path_of, metavar="FILE", help="what is written; of a folder, a folder"
    )
    parser.add_argument(
        "--sigma", type=float, help="standard deviation of the noise, of 1 (default: estimated)"
    )
    parser.add_argument(
        "--seen",
        type=path_of,
        metavar="FILE",
        help="picture that is black where pixels are missing",
    )
    parser.add_argument("--mask", metavar="TICKET", help="take its mask")
    parser.add_argument(
        "--save-mask", type=path_of, metavar="DIR", help="where the learnt mask goes, as a ticket"
    )
    parser.add_argument("--seed", type=int, default=0, help="(default: 0)")
    parser.add_argument("--force", action="store_true", help="replace what is there")
    parser.add_argument(
        "--cpu-devices", type=positive, default=1, metavar="N", help=argparse.SUPPRESS
    )


def _restore(options: argparse.Namespace, config_words: Sequence[str]) -> None:
    jobs = _jobs(options)
    config = read_config(RESTORE, config_words)
    from rtickets.restoration import pictures
    from rtickets.runs import folders

    if options.mask is not None:
        options.mask = folders.find_ticket(options.mask).ticket
    seen = None if options.seen is None else pictures.read_picture(options.seen).pixels.max(-1) > 0
    if options.save_mask is not None and not config.sparsity:
        raise InputError("--save-mask saves what is learnt; with sparsity=0 nothing is")
    for source, target in jobs:  # all are checked before anything is computed
        _prepared(source, target, seen, config, options)
    _keep_compiled()
    jobs[0][1].parent.mkdir(parents=True, exist_ok=True)
    for source, target in jobs:
        _restore_one(source, target, seen, config, options)


def _prepared(
    source: Path, target: Path, seen: Any, config: Any, options: argparse.Namespace
) -> tuple[Any, Any]:
    """Return a picture as its file has it, and what restoring it needs."""
    from rtickets.restoration import pictures
    from rtickets.restoration.restore import prepare

    picture = pictures.read_picture(source)
    pictures.format_of(target, picture)
    try:
        return picture, prepare(
            picture.pixels, sigma=options.sigma, seen=seen, mask=options.mask, config=config,
            seed=options.seed,
        )  # fmt: skip
    except InputError as error:
        raise InputError(f"{source}: {error}") from None


def _restore_one(
    source: Path, target: Path, seen: Any, config: Any, options: argparse.Namespace
) -> None:
    from rtickets.platform import console
    from rtickets.restoration import first_weights, pictures, save_mask
    from rtickets.restoration.restore import finish
    from rtickets.tasks.image_quality import psnr_of

    picture, asked = _prepared(source, target, seen, config, options)
    for note in picture.notes:
        console.say(note)
    with ExitStack() as stack:
        current: dict[str, Any] = {}

        def say(name: str, done: int, total: int, loss: float) -> None:
            if name not in current:
                stack.close()  # what went on before is done
                bar = stack.enter_context(
                    console.task(f"{source.name}: {name}", total, unit="steps")
                )
                current.clear()
                current[name] = [bar, 0]
            bar, before = current[name]
            first = math.isnan(loss)
            bar.note("compiling" if first else f"PSNR to the noisy {psnr_of(loss):.2f} dB")
            bar.advance(done - before)
            current[name][1] = done

        found = finish(asked, say)
    pictures.write_picture(target, picture._replace(pixels=found.picture))
    if options.save_mask is not None and found.mask is not None:
        params = first_weights(config.generator, picture.pixels.shape[-1], options.seed)
        save_mask(options.save_mask, params, found.mask, config.generator, config.mask)
    for note in found.notes:
        console.say(f"{source}: {note}")
    known = "given" if options.sigma is not None else "estimated"
    print(
        f"{target}: noise {found.sigma:.4f} ({known}), {sum(found.steps)} steps, stopped by "
        f"{', '.join(dict.fromkeys(found.stopped))}, PSNR to the noisy {found.psnr_noisy:.2f} dB"
    )


def _jobs(options: argparse.Namespace) -> list[tuple[Path, Path]]:
    """Return what is read and what is written, checked."""
    from rtickets.data.images.pictures import is_image_name

    source, out = options.picture, options.out
    if source is None or out is None:
        raise InputError(
            "say what is restored and where it goes: rtickets restore a.png --out=b.png"
        )
    if not source.exists():
        raise InputError(f"{source}: there is no such file or folder; give a picture")
    jobs = [(source, out)]
    if source.is_dir():
        names = sorted(path.name for path in source.iterdir() if is_image_name(path))
        if not names:
            raise InputError(
                f"{source}: has no picture in it; give a folder of pictures, or a file"
            )
        jobs = [(source / name, out / name) for name in names]
        if options.save_mask is not None:
            raise InputError(
                "--save-mask is for one picture; of a folder every one has its own mask"
            )
    if out.is_dir() and not source.is_dir():
        raise InputError(f"--out={out} is a folder; give the name of a file in it")
    if out.exists() and not out.is_dir() and source.is_dir():
        raise InputError(f"--out={out} is a file; {source} is a folder, and so must this be")
    check_folder(out if source.is_dir() else out.parent, "what is restored")
    for _, target in jobs:
        if target.is_dir():
            raise InputError(f"{target} is a folder; a picture would be written there")
        if target.exists() and not options.force:
            raise InputError(f"{target} exists; give another --out, or --force to replace it")
    if options.save_mask is not None:
        _check_save_mask(options)
    return jobs


def _check_save_mask(options: argparse.Namespace) -> None:
    folder = options.save_mask
    check_folder(folder, "the mask")
    if options.mask is not None:
        raise InputError("--save-mask saves what is learnt; with --mask nothing is")
    if folder.exists() and not (options.force and (folder / "ticket.json").is_file()):
        raise InputError(f"{folder} exists; give another --save-mask, or --force for a ticket")


def _keep_compiled() -> None:
    """Keep what is compiled for the next picture."""
    from rtickets.cli.start import keep_programs
    from rtickets.platform import parallel

    keep_programs(parallel.all_devices(None, "pmap"))


def _add_study_options(parser: argparse.ArgumentParser) -> None:
    add_workdir(parser)
    parser.add_argument(
        "--dry-run",
        dest="costs_alone",
        action="store_true",
        help="say what would run: steps, operations and time",
    )


def _study(options: argparse.Namespace, config_words: Sequence[str]) -> None:
    config = read_config(RESTORE_STUDY, config_words)
    if options.costs_alone:
        _say_costs(config)
        return
    from rtickets.report.restoration import write_page
    from rtickets.restoration import run_study, tables

    _keep_compiled()
    folder = run_study(config, options.workdir)
    print(tables.write_tables(folder))
    print(f"page: {write_page(folder)}")


def _say_costs(config: Any) -> None:
    from rtickets.costs import as_text
    from rtickets.costs.network_costs import measured_rate
    from rtickets.costs.restoration import estimate_restorations
    from rtickets.platform import parallel

    devices = parallel.all_devices(None, "pmap")
    print(as_text(estimate_restorations(config), measured_rate(devices), 1))


RESTORE = Verb(
    _restore, "restore a noisy picture by a masked network, without a training set",
    _add_options, CONFIG_HELP, config_class("RestoreConfig", has_default=True),
)  # fmt: skip
RESTORE_STUDY = Verb(
    _study, "compare ways to restore pictures: masks that are learnt, drawn, transferred",
    _add_study_options, CONFIG_HELP, config_class("RestorationStudyConfig", has_default=True),
)  # fmt: skip
