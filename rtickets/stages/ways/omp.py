"""One-shot pruning: a mask by a criterion, the weights as they are."""

import dataclasses
from pathlib import Path
from typing import Any, Literal

from pydantic.dataclasses import dataclass

from rtickets import data
from rtickets.draw import draw_omp, draw_scheduled
from rtickets.platform import parallel
from rtickets.runs.folders import RunFolder, StartingTicket, folder_of, run_once
from rtickets.settings.kinds import STRICT
from rtickets.stages.draw_settings import DrawConfig
from rtickets.stages.recalibrate import network_of, recalibrate
from rtickets.stages.scoring import make_score_fn
from rtickets.stages.soundness import check_of
from rtickets.stages.train import save_ticket
from rtickets.stages.ways.base import WayConfig
from rtickets.tasks import task_of
from rtickets.tickets import provenance
from rtickets.tickets.compaction import linked_channels
from rtickets.tickets.ticket import Ticket


@dataclass(frozen=True, config=STRICT)
class Omp(WayConfig):
    """One-shot pruning, by any criterion."""

    name: Literal["omp"] = "omp"
    by_criterion = True
    unused = ("train",)

    def run(
        self,
        config: DrawConfig,
        source: StartingTicket,
        workdir: Path,
        name: str,
        devices: parallel.Devices,
    ) -> RunFolder:
        """Draw the mask, in rounds where the criterion has some."""
        check = check_of(config.check, devices)

        def body(folder: Path) -> dict[str, Any]:
            network = Ticket.load(source.ticket)
            if check is not None:
                provenance.check_head(network.meta)
            params, sparsity = network.params, config.sparsity
            notes: list[str] = []
            meta = provenance.name_layouts(
                network.meta, params, config.prunable, config.exclude, config.layouts
            )
            own = {"start": network.mask, "layouts": meta.get("layouts"), "say": notes.append}
            options: dict[str, Any] = {**config.omp_options(), **own}
            if config.pattern == "channel_linked":
                options["linked"] = linked_channels(network)
            if config.how.make is None:
                criterion: Any = config.criterion
                mask = draw_omp(params, sparsity, criterion=criterion, seed=config.seed, **options)
            else:
                score_fn, rounds = make_score_fn(config, network), config.num_rounds
                mask = draw_scheduled(
                    params, sparsity, score_fn, rounds, config.schedule, **options
                )
            meta = provenance.extend(meta, "draw", config)
            drawn = Ticket(mask, params, network.batch_stats, meta)
            return save_ticket(folder, with_statistics(config, drawn), notes, check)

        return run_once(folder_of(workdir, "draw", name, config, source), body)


def with_statistics(config: DrawConfig, ticket: Ticket) -> Ticket:
    """Return a ticket with the normalisation statistics that its draw asks for."""
    if config.recalibrate is None:
        return ticket
    asked = (config.data, config.seed) if config.data else provenance.last_task(ticket.meta)
    dataset = data.load(*asked)
    network = network_of(ticket)
    transform = provenance.fitting_transform(asked[0], ticket.meta).left_to_do(dataset)
    stats = recalibrate(config.recalibrate, network, task_of(asked[0]), dataset, transform)
    return dataclasses.replace(ticket, batch_stats=stats)
