"""Learnable mask pruning: scores of frozen weights are trained, and the mask is read off them."""

from dataclasses import field
from functools import partial
from pathlib import Path
from typing import Any, Literal

import jax
import numpy as np
from pydantic.dataclasses import dataclass

from rtickets.draw.criteria.groups import check_finite
from rtickets.draw.ranking import Kept, Ranking
from rtickets.draw.ties import check_scores_tell
from rtickets.masks import Params
from rtickets.masks.gates import (
    SCORES,
    GateConfig,
    LearnedMask,
    initial_scores,
    living_groups,
    mask_of,
    ranked_scores,
)
from rtickets.masks.patterns import parse_pattern
from rtickets.platform import parallel
from rtickets.runs.folders import RunFolder, StartingTicket, folder_of, run_once
from rtickets.settings.kinds import STRICT
from rtickets.stages.draw_settings import DrawConfig
from rtickets.stages.soundness import check_of
from rtickets.stages.train import prepare, save_ticket, train_network, training_result
from rtickets.stages.upstream import check_dense
from rtickets.stages.ways.base import WayConfig
from rtickets.tickets import provenance
from rtickets.tickets.ticket import Ticket
from rtickets.training import Trainable


@dataclass(frozen=True, config=STRICT)
class Lmp(WayConfig):
    """Learnable mask pruning: scores of the frozen weights are trained.

    Attributes:
        gate: how scores become a mask.
    """

    name: Literal["lmp"] = "lmp"
    gate: GateConfig = field(default_factory=GateConfig)
    trains = True
    scopes = ("global", "uniform")
    unused = ("recalibrate", "group_norm")

    def run(
        self,
        config: DrawConfig,
        source: StartingTicket,
        workdir: Path,
        name: str,
        devices: parallel.Devices,
    ) -> RunFolder:
        """Learn the mask, see `learn`."""
        return learn(self.gate, config, source, workdir, name, devices)


def learn(
    gate: GateConfig,
    config: DrawConfig,
    source: StartingTicket,
    workdir: Path,
    name: str,
    devices: parallel.Devices,
) -> RunFolder:
    """Learn a mask over the frozen weights of a dense network.

    Normalisation statistics adapt unless `train.statistics` freezes them; all other weights stay as
    they were, but for a head that is fresh or trained.

    Raises:
        InputError: if the network is pruned already, or the scores that were learnt are broken or
            all alike.
    """
    check_dense(source, "learnable mask pruning scores all weights")

    def body(folder: Path) -> dict[str, Any]:
        ticket = Ticket.load(source.ticket)
        train = config.train
        assert train is not None  # the configuration is checked for it
        task = config.data or provenance.last_task(ticket.meta)[0]
        ready = prepare(ticket, task, train.seed, keep_head=True)
        meta = provenance.name_layouts(
            ready.meta, ready.params, config.prunable, config.exclude, config.layouts
        )
        named = tuple(meta.get("layouts", {}).items())
        settings = LearnedMask(
            config.sparsity, config.pattern, "global" if config.scope == "global" else "uniform",
            gate, config.prunable, config.exclude, named,
        )  # fmt: skip
        key = jax.random.fold_in(jax.random.key(train.seed), 1)  # the head has the key itself
        scores = initial_scores(settings, ready.params, key)
        params = {**ready.params, SCORES: scores}
        # Scores are trained as parameters are, so they have a mask, too: one that prunes nothing.
        mask = {**ready.mask, SCORES: jax.tree.map(lambda _: np.ones((), bool), scores)}
        run = ready.run(train, folder, devices)
        trainable: Trainable = "scores and head" if gate.train_head else "scores"
        weights = (params, ready.batch_stats)
        outcome = train_network(run, weights, mask, trainable=trainable, learned_mask=settings)
        trained = dict(outcome.params)
        final = trained.pop(SCORES)
        notes = _what_scores_leave_open(settings, ready.params, final)
        # By the same function that the step masks with, ties included.
        learned = jax.device_get(jax.jit(partial(mask_of, settings))(ready.params, final))
        meta = provenance.extend(meta, "draw", config, task, train.seed)
        drawn = Ticket(learned, trained, outcome.batch_stats, meta)
        result = save_ticket(folder, drawn, notes, check_of(config.check, devices))
        return {**result, "training": training_result(folder, outcome)}

    return run_once(folder_of(workdir, "draw", name, config, source), body)


def _what_scores_leave_open(settings: LearnedMask, params: Params, scores: Any) -> list[str]:
    """Return what `check_scores_tell` says of learned scores."""
    ranked = jax.device_get(ranked_scores(settings, params, scores))
    check_finite(ranked)
    keep = jax.device_get(jax.jit(partial(living_groups, settings))(params, scores))
    flat = {
        path: (score.reshape(1, -1), keep[path].reshape(1, -1)) for path, score in ranked.items()
    }
    rankings = [Ranking(path, *each) for path, each in flat.items()]
    if settings.scope == "global":
        together = [np.concatenate(parts, 1) for parts in zip(*flat.values(), strict=True)]
        rankings = [Ranking("", *together)]
    notes: list[str] = []
    kept = Kept({}, keep, ranked, rankings)
    check_scores_tell(kept, parse_pattern(settings.pattern), notes.append)
    return notes
