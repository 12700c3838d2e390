"""Masks of networks that paint as tickets: folders that say which network they are for."""

from pathlib import Path
from typing import Any

import jax
import numpy as np

from rtickets.errors import InputError
from rtickets.masks import Mask, Params, leaf_paths
from rtickets.restoration.generators import GeneratorConfig
from rtickets.restoration.mask_settings import MaskConfig
from rtickets.settings import config_files
from rtickets.tickets.ticket import Ticket

_META = "restoration"


def save_mask(
    folder: Path, params: Params, mask: Mask, generator: GeneratorConfig, settings: MaskConfig
) -> None:
    """Write a mask and the weights that it was learnt on as a ticket."""
    meta = {
        _META: {
            "generator": config_files.to_dict(generator),
            "mask": config_files.to_dict(settings),
        }
    }
    Ticket(mask, jax.device_get(params), {}, meta).save(folder, overwrite=True)


def load_mask(folder: Path, params: Params) -> Mask:
    """Return a ticket's mask for the weights of a network, whatever their values.

    Raises:
        InputError: if the folder holds no ticket, or one of another network.
    """
    mask = Ticket.load(folder).mask
    found, expected = leaf_paths(mask), leaf_paths(params)
    shapes = {path: np.shape(leaf) for path, leaf in found.items() if np.ndim(leaf)}
    if set(found) != set(expected) or any(
        np.shape(expected[path]) != shape for path, shape in shapes.items()
    ):
        raise InputError(
            f"{folder}: the ticket is of another network than the one that paints; take the "
            "generator, and pictures of as many channels, that its mask was learnt with"
        )
    return mask


def generator_of(folder: Path) -> GeneratorConfig:
    """Return the network that a ticket's mask was learnt with.

    Raises:
        InputError: if the ticket is not of a generator.
    """
    meta: Any = Ticket.load(folder).meta.get(_META)
    if not isinstance(meta, dict) or "generator" not in meta:
        raise InputError(
            f"{folder}: the ticket is not of a network that paints pictures; give one that "
            "rtickets restore --save-mask, or a study of restoration, left"
        )
    return config_files.parse(GeneratorConfig, meta["generator"])
