"""The verb that restores pictures, and the one that compares ways to do so."""

import argparse
import math
import shutil
import warnings
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
from rtickets.errors import InputError, printable
from rtickets.platform import memory, preemption


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
    if preemption.is_own_process():  # another program's memory is its own
        memory.keep_freed()
    from PIL import Image

    from rtickets.restoration import pictures
    from rtickets.runs import folders

    if options.mask is not None:
        options.mask = folders.find_ticket(options.mask).ticket
    seen = None if options.seen is None else pictures.read_picture(options.seen).pixels.max(-1) > 0
    if options.save_mask is not None and not config.sparsity:
        raise InputError("--save-mask saves what is learnt; with sparsity=0 nothing is")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # `open_image` has its own
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
    from rtickets.restoration.prepared import prepare

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

    picture, asked = _prepared(source, target, seen, config, options)
    for note in picture.notes:
        console.say(note)
    unfinished = target.with_name(f".{target.name}.unfinished")
    with ExitStack() as stack:
        found = finish(asked, _Bars(source.name, stack).show, unfinished)
    pictures.write_picture(target, picture._replace(pixels=found.picture))
    shutil.rmtree(unfinished, ignore_errors=True)
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


class _Bars:
    """Progress of one picture: a bar for every piece of work, one after the other."""

    def __init__(self, picture: str, stack: ExitStack) -> None:
        self._picture, self._stack = picture, stack
        self._name, self._done = "", 0
        self._bar: Any = None

    def show(self, name: str, done: int, total: int, loss: float) -> None:
        """Show where a piece of work is, see `rtickets.restoration.restore_tile.Say`."""
        from rtickets.platform import console
        from rtickets.tasks.image_quality import psnr_of

        if name != self._name:
            self._stack.close()  # what went on before is done
            task = console.task(f"{self._picture}: {name}", total, unit="steps")
            self._name, self._bar, self._done = name, self._stack.enter_context(task), 0
        first = math.isnan(loss)
        self._bar.note("compiling" if first else f"PSNR to the noisy {psnr_of(loss):.2f} dB")
        self._bar.advance(done - self._done)
        self._done = done


def _jobs(options: argparse.Namespace) -> list[tuple[Path, Path]]:
    """Return what is read and what is written, checked."""
    source, out = options.picture, options.out
    if source is None or out is None:
        raise InputError(
            "say what is restored and where it goes: rtickets restore a.png --out=b.png"
        )
    if not source.exists():
        raise InputError(f"{source}: there is no such file or folder; give a picture")
    jobs = _jobs_of_folder(options) if source.is_dir() else [(source, out)]
    if out.is_dir() and not source.is_dir():
        raise InputError(f"--out={out} is a folder; give the name of a file in it")
    if out.exists() and not out.is_dir() and source.is_dir():
        raise InputError(f"--out={out} is a file; {source} is a folder, and so must this be")
    check_folder(out if source.is_dir() else out.parent, "what is restored")
    if options.save_mask is not None:
        _check_save_mask(options)
    return _without_those_there(jobs, options)


def _jobs_of_folder(options: argparse.Namespace) -> list[tuple[Path, Path]]:
    from rtickets.data.images.pictures import is_image_name

    source = options.picture
    names = sorted(path.name for path in source.iterdir() if is_image_name(path))
    if not names:
        raise InputError(f"{source}: has no picture in it; give a folder of pictures, or a file")
    if options.save_mask is not None:
        raise InputError("--save-mask is for one picture; of a folder every one has its own mask")
    return [(source / name, options.out / name) for name in names]


def _without_those_there(
    jobs: list[tuple[Path, Path]], options: argparse.Namespace
) -> list[tuple[Path, Path]]:
    """Return the jobs whose pictures are not there, so that a folder that was interrupted goes on.

    Raises:
        InputError: if all are there.
    """
    from rtickets.platform import console

    for _, target in jobs:
        if target.is_dir():
            raise InputError(f"{target} is a folder; a picture would be written there")
    left = jobs if options.force else [job for job in jobs if not job[1].exists()]
    if not left:
        raise InputError(f"{jobs[0][1]} exists; give another --out, or --force to replace it")
    if len(left) < len(jobs):
        console.say(
            f"{len(jobs) - len(left)} of {len(jobs)} pictures are in {options.out} and stay as "
            "they are; --force makes them anew"
        )
    return left


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
    from rtickets.cli.start import when_free
    from rtickets.report.restoration import write_page
    from rtickets.restoration import run_study, tables

    _keep_compiled()
    folder = when_free(lambda: run_study(config, options.workdir))
    print(tables.write_tables(folder))
    print(f"page: {printable(write_page(folder))}")


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
