"""The mask of other tickets on the weights of a network, as of one pretraining on another's."""

from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic.dataclasses import dataclass

from rtickets import masks
from rtickets.errors import InputError
from rtickets.masks import Mask
from rtickets.masks.prunable import replace_leaves
from rtickets.platform import parallel
from rtickets.runs.folders import RunFolder, StartingTicket, find_ticket, folder_of, run_once
from rtickets.settings.kinds import STRICT
from rtickets.stages.draw_settings import DrawConfig
from rtickets.stages.soundness import check_of
from rtickets.stages.train import save_ticket
from rtickets.stages.ways.base import WayConfig
from rtickets.stages.ways.omp import with_statistics
from rtickets.tickets import provenance
from rtickets.tickets.ticket import Ticket

_TOLERANCE = 1e-3  # of small networks the number of survivors is that of the sparsity, rounded


@dataclass(frozen=True, config=STRICT)
class Given(WayConfig):
    """The mask of another ticket, or of several, on the weights of this network.

    The sparsity is that of the mask; `sparsity` must be it, to a thousandth. What is dead in the
    network stays dead.

    Attributes:
        mask: run folder or ticket folder of the ticket whose mask it is.
        masks: those of further tickets, such as of other tasks.
        join: of several masks, whether what lives in any of them does ('union') or what lives in
            all ('intersection').
        draw: in a study, in the place of `mask`: the label of the draw whose ticket it is, of the
            same seed and sparsity.
        pretraining: with it, the label of the pretraining that the ticket is drawn from.
    """

    name: Literal["given"] = "given"
    mask: str | None = None
    masks: tuple[str, ...] = ()
    join: Literal["union", "intersection"] = "union"
    draw: str | None = None
    pretraining: str | None = None
    unused = ("train", "scope", "group_norm")

    def run(
        self,
        config: DrawConfig,
        source: StartingTicket,
        workdir: Path,
        name: str,
        devices: parallel.Devices,
    ) -> RunFolder:
        """Put the mask on the weights."""
        check = check_of(config.check, devices)
        others = [find_ticket(each, workdir) for each in self._tickets()]

        def body(folder: Path) -> dict[str, Any]:
            network = Ticket.load(source.ticket)
            if check is not None:
                provenance.check_head(network.meta)
            own = [
                transplanted(Ticket.load(each.ticket).mask, network.mask, str(each.ticket))
                for each in others
            ]
            mask = (masks.union if self.join == "union" else masks.intersection)(*own)
            found = masks.sparsity(mask)
            if abs(found - config.sparsity) > _TOLERANCE:
                named = " and ".join(str(each.ticket) for each in others)
                raise InputError(
                    f"sparsity={config.sparsity:g}, and the mask of {named} leaves {found:.6g} "
                    "removed; set that"
                )
            meta = provenance.extend(network.meta, "draw", config)
            drawn = Ticket(mask, network.params, network.batch_stats, meta)
            return save_ticket(folder, with_statistics(config, drawn), check=check)

        return run_once(folder_of(workdir, "draw", name, config, source, *others), body)

    def _tickets(self) -> tuple[str, ...]:
        """Return those whose masks are taken."""
        if self.draw is not None or self.pretraining is not None:
            raise InputError(
                f"method.draw={self.draw!r} and method.pretraining={self.pretraining!r} name what "
                "a study has; elsewhere give the ticket as method.mask"
            )
        if self.mask is None:
            raise InputError("method.mask is missing: the ticket whose mask is to be taken")
        if self.join != "union" and not self.masks:
            raise InputError(
                f"method.join={self.join!r} joins several masks, and method.mask is one; give the "
                "others as method.masks"
            )
        return (self.mask, *self.masks)


def transplanted(given: Mask, own: Mask, where: str) -> Mask:
    """Return a mask as one of another network, without what is dead there.

    Leaves that are not prunable may differ, as heads do.

    Raises:
        InputError: if prunable leaves differ.
    """
    theirs, ours = masks.prunable_leaves(given), masks.leaf_paths(own)
    for path, keep in theirs.items():
        if path not in ours or (np.ndim(ours[path]) and ours[path].shape != keep.shape):
            raise InputError(
                f"the mask of {where} is of another network: it has {path} of shape {keep.shape}"
            )
    return replace_leaves(
        own, {path: keep & np.asarray(ours[path]) for path, keep in theirs.items()}
    )
