"""The `rtickets` command.

Nothing heavy is imported before a verb needs it, so that `--help` answers at once.
"""

import argparse
import contextlib
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rtickets import import_command
from rtickets._version import __version__
from rtickets.errors import InputError, NonFiniteLossError

if TYPE_CHECKING:
    from rtickets.parallel import Devices

_CONFIG_HELP = """
options of the configuration:
  --config=FILE.py            a Python file with get_config(), see configs/
  --config.FIELD=VALUE        override any field, for instance
                              --config.train.objective.attack.eps=8/255

exit status: 0 done, 1 training failed, 2 bad input
"""

_TICKET_HELP = """
PATH is a ticket's folder or the run folder that holds one; there is no --config.

exit status: 0 done, 2 bad input
"""


def _pretrain(options: argparse.Namespace, config_arguments: Sequence[str]) -> None:
    from rtickets import config_files, stages
    from rtickets.config import PretrainConfig

    config = config_files.from_command_line(PretrainConfig, config_arguments)
    devices = _start(options)
    name = options.name or config.train.objective.name
    _report_stage(stages.pretrain(config, options.workdir, name, devices))


def _draw(options: argparse.Namespace, config_arguments: Sequence[str]) -> None:
    from rtickets import config_files, runs, stages
    from rtickets.config import DrawConfig

    config = config_files.from_command_line(DrawConfig, config_arguments, DrawConfig())
    source = runs.find_ticket(config.ticket)
    devices = _start(options)
    name = options.name or f"{config.control or config.method}{config.sparsity:.4g}"
    _report_stage(stages.draw(config, source, options.workdir, name, devices))


def _transfer(options: argparse.Namespace, config_arguments: Sequence[str]) -> None:
    from rtickets import config_files, runs, stages
    from rtickets.config import TransferConfig

    config = config_files.from_command_line(TransferConfig, config_arguments)
    source = runs.find_ticket(config.ticket)
    devices = _start(options)
    name = options.name or f"{config.data.source}-{config.mode}"
    _report_stage(stages.transfer(config, source, options.workdir, name, devices))


def _evaluate(options: argparse.Namespace, config_arguments: Sequence[str]) -> None:
    from rtickets import config_files, runs, stages
    from rtickets.config import EvaluateConfig

    config = config_files.from_command_line(EvaluateConfig, config_arguments, EvaluateConfig())
    source = runs.find_ticket(config.ticket)
    devices = _start(options)
    name = options.name or config.split
    _report_evaluation(stages.evaluate(config, source, options.workdir, name, devices))


def _study(options: argparse.Namespace, config_arguments: Sequence[str]) -> None:
    from rtickets import config_files
    from rtickets.config import StudyConfig

    _run_study(config_files.from_command_line(StudyConfig, config_arguments), options)


def _demo(options: argparse.Namespace, config_arguments: Sequence[str]) -> None:
    from rtickets import config_files
    from rtickets.config import StudyConfig
    from rtickets.demo import demo_study

    config = config_files.from_command_line(StudyConfig, config_arguments, demo_study())
    _run_study(config, options)


def _report(options: argparse.Namespace, config_arguments: Sequence[str]) -> None:
    from rtickets import config_files, report, runs
    from rtickets.config import StudyConfig
    from rtickets.demo import demo_study

    config = config_files.from_command_line(StudyConfig, config_arguments, demo_study())
    study = runs.folder_of(options.workdir, "study", config.name, config)
    page = report.write_report(study)
    report.show_report(study)
    print(f"report: {page}")


def _data(options: argparse.Namespace, config_arguments: Sequence[str]) -> None:
    from rtickets import config_files, data
    from rtickets.config import DataConfig

    if options.action == "list":
        for name, source in data.SOURCES.items():
            needs = f" (needs {source.needs})" if source.needs else ""
            print(f"{name:14} {source.description}{needs}")
        return
    config = config_files.from_command_line(DataConfig, config_arguments, DataConfig())
    task = data.load(config)
    print(f"{config.source}: images {task.train.images.shape[1:]}, {task.train.images.dtype}")
    for name in ("train", "validation", "test"):
        print(f"{name:14} {len(getattr(task, name)):,} images")
    print(f"{'classes':14} {len(task.class_names)}: {', '.join(task.class_names)}")
    print(f"{'mean, std':14} {task.mean}, {task.std}")


def _ticket(options: argparse.Namespace, config_arguments: Sequence[str]) -> None:
    import json

    from rtickets import runs
    from rtickets.draw import inspect

    if config_arguments:
        raise InputError(f"{config_arguments[0]}: the verb ticket takes no configuration")
    if options.action == "verify":
        return _verify_tickets(options.paths)
    tickets = [inspect.verify(runs.find_ticket(path).ticket) for path in options.paths]
    tables = (inspect.describe if options.action == "show" else inspect.compare)(*tickets)
    if options.pictures:
        from rtickets.report.ticket_pictures import write_pictures

        write_pictures(options.pictures, dict(zip(options.paths, tickets, strict=True)))
    print(json.dumps(tables, indent=2) if options.json else inspect.as_text(tables))


def _import(options: argparse.Namespace, config_arguments: Sequence[str]) -> None:
    import_command.run(options, config_arguments)


def _verify_tickets(paths: Sequence[str]) -> None:
    from rtickets import runs
    from rtickets.draw import inspect

    failures = []
    for path in paths:
        try:
            ticket = inspect.verify(runs.find_ticket(path).ticket)
            print(f"OK {path}: {inspect.verified(ticket)}")
        except InputError as error:
            failures.append(str(error))
    if failures:
        raise InputError("; ".join(failures))


def _run_study(config: Any, options: argparse.Namespace) -> None:
    from rtickets import report
    from rtickets.study import run_study

    study = run_study(config, options.workdir, _start(options))
    page = report.write_report(study)
    report.show_report(study)
    print(f"report: {page}")


def _report_stage(folder: Any) -> None:
    import json

    print(json.dumps(folder.result(), indent=2))
    print(f"done: {folder.path}")


def _report_evaluation(folder: Any) -> None:
    """Print the accuracies, and the findings about them as lines instead of JSON."""
    import json

    from rtickets.report.honesty import verdict_lines

    result = folder.result()
    honesty = result.pop("honesty", None)
    print(json.dumps(result, indent=2))
    for line in verdict_lines(honesty) if honesty else ():
        print(line)
    print(f"done: {folder.path}")


def _start(options: argparse.Namespace) -> "Devices":
    """Set JAX up and return the devices."""
    import jax

    from rtickets import parallel

    with contextlib.suppress(RuntimeError):  # a process that used JAX before keeps its devices
        jax.config.update("jax_num_cpu_devices", options.cpu_devices)
    cache = options.workdir / ".cache"
    jax.config.update("jax_compilation_cache_dir", str(cache.absolute()))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)
    return parallel.local_devices(options.devices)


_Verb = Callable[[argparse.Namespace, Sequence[str]], None]
_VERBS: dict[str, tuple[_Verb, str]] = {
    "demo": (_demo, "the whole story on embedded real data, minutes on a laptop"),
    "pretrain": (_pretrain, "train a dense network on the source task, naturally or robustly"),
    "draw": (_draw, "draw a ticket from a network"),
    "transfer": (_transfer, "train a ticket on a downstream task"),
    "evaluate": (_evaluate, "measure accuracy and robustness on a test split"),
    "study": (_study, "run a grid of all of these and report it"),
    "report": (_report, "write and print the report of a finished study again"),
    "import": (_import, "turn another project's checkpoint into a ticket"),
    "data": (_data, "list the data sources, or describe one"),
    "ticket": (_ticket, "describe a ticket, compare two, or verify any number"),
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="rtickets",
        description="Draw robust tickets, transfer them, and measure how good and robust they are.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"rtickets {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for name, (_, description) in _VERBS.items():
        verb = verbs.add_parser(
            name,
            help=description,
            description=description,
            epilog=_CONFIG_HELP,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        if name == "data":
            verb.add_argument("action", choices=["list", "info"])
            continue
        if name == "ticket":
            _add_ticket_actions(verb)
            continue
        if name == "import":
            import_command.add_arguments(verb)
            continue
        verb.add_argument(
            "--workdir",
            type=Path,
            default=Path("runs"),
            metavar="DIR",
            help="where run folders lie (default: runs)",
        )
        verb.add_argument(
            "--cpu-devices",
            type=_positive,
            default=2,
            metavar="N",
            help="devices to simulate when there is no accelerator (default: 2)",
        )
        verb.add_argument(
            "--devices",
            type=_positive,
            metavar="N",
            help="use only the first N devices of this host (default: all)",
        )
        if name in ("pretrain", "draw", "transfer", "evaluate"):
            verb.add_argument("--name", help="readable part of the run folder's name")
    return parser


def _add_ticket_actions(verb: argparse.ArgumentParser) -> None:
    verb.epilog = _TICKET_HELP
    actions = verb.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, count, description in (
        ("show", 1, "print a ticket's provenance and sparsity, and per layer what is pruned whole"),
        ("diff", 2, "print how two tickets of one network overlap and differ"),
        ("verify", "+", "check the files and the contents of tickets"),
    ):
        action = actions.add_parser(
            name, help=description, description=description, allow_abbrev=False
        )
        action.add_argument("paths", nargs=count, metavar="PATH")
        if name != "verify":
            action.add_argument("--json", action="store_true", help="print JSON")
            action.add_argument("--pictures", type=Path, metavar="DIR", help="write PNG pictures")


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of devices; give 1 or more")
    return int(text)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: words after the command's name; None takes them from the process.

    Returns:
        The exit status.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    ours, config_arguments = _split_config(words)
    options = _parser().parse_args(ours)
    try:
        _VERBS[options.verb][0](options, config_arguments)
    except (InputError, NonFiniteLossError) as error:
        print(f"rtickets: {error}", file=sys.stderr)
        return 2 if isinstance(error, InputError) else 1
    except KeyboardInterrupt:
        print("rtickets: interrupted; the same command goes on", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output went away, as with `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:  # a full disk, a folder that cannot be made
        print(f"rtickets: {error}", file=sys.stderr)
        return 2
    return 0


def _split_config(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Separate --config and --config.field words, with their values, from the others."""
    ours: list[str] = []
    config: list[str] = []
    rest = iter(words)
    for word in rest:
        if word == "--config" or word.startswith(("--config=", "--config.")):
            config.append(word)
            if "=" not in word and (value := next(rest, None)) is not None:
                config.append(value)
        else:
            ours.append(word)
    return ours, config


if __name__ == "__main__":
    sys.exit(main())
