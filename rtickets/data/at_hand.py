"""Data in a bucket: what a configuration names by an address becomes a path on this machine."""

import dataclasses

from rtickets.data.settings import DataConfig
from rtickets.data.sources.registry import source_of
from rtickets.storage.addresses import is_address
from rtickets.storage.fetched import here


def at_hand(config: DataConfig) -> DataConfig:
    """Return a configuration whose data lie on the disk, fetched there if its path is an address.

    Raises:
        NothingThereError: if there is nothing under the address.
        InputError: if the source takes no path, or what is there cannot be fetched.
        StorageError: for a bucket that cannot be had.
    """
    if not is_address(config.path):
        return config
    if within := source_of(config).within:
        return dataclasses.replace(config, path=str(here(f"{config.path}/{within}").parent))
    return dataclasses.replace(config, path=str(here(str(config.path))))
