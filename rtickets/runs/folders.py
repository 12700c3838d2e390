"""Run folders: one per stage and configuration, finished exactly when `COMPLETE` is there.

WORKDIR/<stage>-<name>-<digest>/   config.json  metrics.jsonl  checkpoints/  result.json  COMPLETE
"""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from rtickets.data.fingerprint import asked_by_source, fingerprint
from rtickets.data.settings import DataConfig
from rtickets.errors import FailedBeforeError, InputError, NonFiniteLossError
from rtickets.platform import compiled, preemption, processes
from rtickets.platform.short_repr import with_short_repr
from rtickets.runs import environment, failures, run_identity
from rtickets.runs.begun import CONFIG, begun
from rtickets.runs.names import find_run, readable
from rtickets.settings import config_files
from rtickets.settings.config_files import parts_of
from rtickets.storage import guarded, locks, workdirs
from rtickets.storage.checkpoints import discard_checkpoints
from rtickets.storage.files import read_json, write_json, write_text
from rtickets.storage.run_files import COMPLETE
from rtickets.tickets import hub
from rtickets.tickets.ticket import read_description

Body = Callable[[Path], dict[str, Any]]


class StartingTicket(NamedTuple):
    """A ticket that a stage starts from.

    Attributes:
        ticket: its folder.
        digest: what identifies it: the digest of the stage that made it, or of its contents.
    """

    ticket: Path
    digest: str


@with_short_repr
class RunFolder(NamedTuple):
    """A stage's folder.

    Attributes:
        path: the folder.
        digest: its configuration's digest, which takes in those of its inputs.
        config: the configuration that the run is resolved to, as the dictionary that is stored,
            compared and passed on; empty of a folder that was found, not planned.
    """

    path: Path
    digest: str
    config: Mapping[str, Any] = {}

    @property
    def source(self) -> StartingTicket:
        """The ticket that the stage leaves, for the next stage."""
        return StartingTicket(self.path / "ticket", self.digest)

    @property
    def complete(self) -> bool:
        """Whether the stage is done."""
        return (self.path / COMPLETE).is_file()

    def result(self) -> dict[str, Any]:
        """Return what the stage measured; raise InputError if it is not done or this is damaged."""
        if not self.complete:
            state = "is not complete" if self.path.is_dir() else "does not exist"
            raise InputError(f"{self.path} {state}; run its stage first")
        try:
            return read_json(self.path / "result.json")
        except FileNotFoundError as error:
            raise InputError(
                f"{error.filename} is missing; restore it from a copy, or remove its folder and "
                "run the stage again"
            ) from None


def folder_of(
    workdir: Path, stage: str, name: str, config: Any, *inputs: StartingTicket
) -> RunFolder:
    """Return the folder of a stage; nothing is made.

    Its digest is made from the configuration, the digests of the inputs, and the contents of the
    data that is read from files.

    Args:
        stage: 'pretrain', 'draw', 'transfer', 'evaluate' or 'study'.
        name: a readable part of a new folder's name; it does not tell configurations apart. What a
            name of a folder should not have, such as a slash, becomes '_'.
        *inputs: the tickets it reads.
    """
    tickets = [source.digest for source in inputs]
    digest = run_identity.digest(config, *tickets, *_data_digests(config, inputs))
    # The digest alone identifies a run: one that had another readable name is the same.
    existing = sorted(workdir.glob(f"{stage}-*-{digest}"))
    if not existing:
        workdirs.list_runs(workdir)  # of other processes
        existing = sorted(workdir.glob(f"{stage}-*-{digest}"))
    path = existing[0] if existing else workdir / f"{stage}-{readable(name)}-{digest}"
    workdirs.refresh(path)
    return RunFolder(path, digest, config_files.to_dict(config))


def _data_digests(config: Any, inputs: Sequence[StartingTicket]) -> list[str]:
    """Return what identifies the data of a stage's tasks, its own or its input's."""
    tasks = list(parts_of(config, DataConfig))
    if not tasks and getattr(config, "reads_task", False):
        for source in inputs:
            meta = read_description(source.ticket).get("meta", {})
            tasks += [config_files.parse(DataConfig, meta["task"])] if "task" in meta else []
    found = [(task.source, fingerprint(task)) for task in tasks]
    asked = [f"{task.source} {what}" for task in tasks if (what := asked_by_source(task))]
    return [f"{source} {digest}" for source, digest in found if digest is not None] + asked


def run_once(folder: RunFolder, body: Body) -> RunFolder:
    """Run a stage unless it is done.

    Of several processes the primary decides whether it is done and writes the folder, and the
    others return when all is written.

    Args:
        folder: the stage's folder, of `folder_of`; its configuration is stored beside its result.
        body: does the work in the folder and returns its result, which JSON can hold. It may find
            what an interrupted run left there.

    Raises:
        InputError: if the folder was made with other defaults than today's, if its configuration is
            damaged, or if processes were given different configurations or inputs.
        InUseError: if another process is at work in the folder.
        NonFiniteLossError: if training failed, which the folder remembers.
        FailedBeforeError: if it did before, see `rtickets.runs.failures`.
        ChangedError: if it began, or was done, under settings that change results, see
            `rtickets.runs.environment`.
        Preempted: if the process was asked to stop.
    """
    folder, complete, failed = settled(folder)
    if complete:
        return folder
    if failed is not None:
        raise FailedBeforeError(folder.path, failed)
    with ExitStack() as stack:
        processes.on_primary(lambda: stack.enter_context(begun(folder.path, folder.config)))
        if not processes.on_primary(lambda: folder.complete):  # by another process, a moment ago
            compiled.make_room()
            run_body(folder, body)
    workdirs.refresh(folder.path)  # into the other processes
    return folder


def settled(folder: RunFolder) -> tuple[RunFolder, bool, str | None]:
    """Look at a stage before it is run, as `run_once` does.

    Returns:
        (the folder, whether the stage is done, what it failed with before or None).
    """
    preemption.check()
    name, complete, failed, changed = _state(folder)
    folder = folder._replace(path=folder.path.with_name(name))
    if complete:
        workdirs.refresh(folder.path)  # into all processes
    environment.settle(folder.path, changed, reused=complete)
    return folder, complete, failed


def run_body(folder: RunFolder, body: Body) -> None:
    """Do the work of a stage whose folder is held, and finish it; see `run_once`."""
    try:
        result = body(folder.path)
    except NonFiniteLossError as error:
        reason = str(error)
        processes.on_primary(lambda: failures.remember(folder.path, reason))
        raise
    processes.on_primary(lambda: _finish(folder, result))


def _state(folder: RunFolder) -> list[Any]:
    """Return the name, whether the stage is done or failed, and what differs from its settings."""

    def look() -> list[Any]:
        workdirs.refresh(folder.path)
        path, done = folder.path, _is_done(folder)
        if done:
            locks.remove_left(path)
        return [path.name, done, failures.reason_of(path), environment.compare(path, reused=done)]

    values = config_files.to_paths(folder.config)
    processes.check_agreement("the stage", {"digest": folder.digest, **values})
    return list(processes.on_primary(look))


def begin_run(folder: RunFolder, check: Callable[[], None] = lambda: None) -> bool:
    """Make the folder that several workers share and store its configuration there, unless it is.

    Args:
        folder: the stage's folder, of `folder_of`.
        check: called unless the stage is complete, before anything is made; may refuse it.

    Returns:
        Whether the stage is complete.

    Raises:
        InputError: if the folder was made with other defaults than today's, or if its configuration
            is damaged.
    """

    def make() -> bool:
        done = _is_done(folder)
        if not (folder.path / CONFIG).is_file():
            guarded.check_no_link(folder.path)
            folder.path.mkdir(parents=True, exist_ok=True)
            write_json(folder.path / CONFIG, folder.config)
        if not done:
            environment.record(folder.path)
        return done

    _, done, _, changed = _state(folder)
    environment.settle(folder.path, changed, reused=done)
    if not done:
        check()
    return bool(processes.on_primary(make))


def _is_done(folder: RunFolder) -> bool:
    """Whether the stage is complete, with the defaults of today."""
    stored = folder.path / CONFIG
    if stored.is_file():
        changed = run_identity.changed_fields(folder.config, read_json(stored))
        if changed:
            raise InputError(
                f"{folder.path} was made with other defaults ({'; '.join(changed)}); use another "
                "--workdir, or set these fields to their old values"
            )
    return folder.complete


def _finish(folder: RunFolder, result: dict[str, Any]) -> None:
    write_json(folder.path / "result.json", result)
    write_text(folder.path / COMPLETE, f"{folder.digest}\n")
    # Last: until `COMPLETE` is there, a killed run goes on from them.
    discard_checkpoints(folder.path / "checkpoints")


def bring_runs(study: RunFolder) -> None:
    """Get the runs that a study names from the bucket that it lies in; on a disk, do nothing."""
    if workdirs.address_of(study.path) is not None:
        workdirs.refresh_named(study.path.parent, json.dumps(study.result()))


def run_at(path: Path, stage: str) -> RunFolder:
    """Return the run of a folder; raise InputError unless it is one of the stage's."""
    if not path.exists():
        raise InputError(f"{path} does not exist; give WORKDIR/{stage}-NAME-DIGEST")
    if not path.name.startswith(f"{stage}-") or not (path / CONFIG).is_file():
        known = f"a run of {stage}" if stage != "study" else "a study"
        raise InputError(f"{path} is no folder of {known}; give WORKDIR/{stage}-NAME-DIGEST")
    return RunFolder(path, path.name.rpartition("-")[2])


def find_ticket(path: str | None, workdir: Path = Path("runs")) -> StartingTicket:
    """Return the ticket that a user points at, identified by its run's digest or else its contents.

    Args:
        path: a run folder or a ticket's own, as `find_run` reads it, or see `rtickets.tickets.hub`.
        workdir: where run folders lie.

    Raises:
        InputError: if there is none, or its run is not complete.
    """
    if path is None:
        raise InputError("config.ticket is missing: a run folder or ticket folder to start from")
    if hub.is_address(path):
        ticket = hub.fetch(path)
        return StartingTicket(ticket, run_identity.of_contents(read_description(ticket)))
    root = find_run(path, workdir)
    ticket = root / "ticket" if (root / "ticket").is_dir() else root
    description = read_description(ticket)
    of_run = ticket.name == "ticket"  # others in a run folder are the user's own
    if of_run and (ticket.parent / COMPLETE).is_file():
        return StartingTicket(ticket, run_identity.digest_in(ticket.parent / COMPLETE))
    if of_run and (ticket.parent / CONFIG).is_file():
        raise InputError(f"{ticket.parent} is not complete; run its stage to the end first")
    return StartingTicket(ticket, run_identity.of_contents(description))
