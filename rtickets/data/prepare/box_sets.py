"""Preparing sets of images with boxes: archives unpacked, every annotation and image looked at."""

from pathlib import Path

from rtickets.data.archives import Say, check, download, unpack_once
from rtickets.data.duplicates import duplicated_files
from rtickets.data.images.pictures import size_in
from rtickets.data.images.streamed import check_size
from rtickets.data.sources.box_sets import BoxSet
from rtickets.data.sources.original.box_listing import BoxListing
from rtickets.errors import InputError
from rtickets.platform.terminal import show

_UNPACKED = "unpacked"
_PARTS = ("training", "train"), ("test", "test")


def prepare_boxes(
    box_set: BoxSet, folder: Path, manual: Path | None = None, say: Say = show
) -> BoxListing:
    """Unpack a set and check that it is complete and sound, or check a folder that is unpacked.

    What is done stays done: a second call downloads and unpacks nothing, and checks everything.

    Args:
        folder: where to.
        manual: a folder with the archives, or with the unpacked set; the latter is used where it
            lies, and is then named by `data.path`.
        say: is told what happens.

    Raises:
        InputError: for what cannot be had, is damaged, or is not as much as it should be, and for
            images of another size than their annotation says.
    """
    root = folder
    if manual is not None and not any((manual / each.name).is_file() for each in box_set.downloads):
        root = manual
    else:
        _unpack(box_set, folder, manual, say)
    listing = box_set.read(root)
    for split, expected in (("train", box_set.train), ("test", box_set.test)):
        found = listing.splits[split]
        if len(found) != expected:
            raise InputError(
                f"{root}: {box_set.name} has {len(found):,} {split} images; expected {expected:,}"
            )
        for each in found:
            check_size(each.path, size_in(each.path), each.size)
    counts = ", ".join(f"{len(images):,} {split}" for split, images in listing.splits.items())
    say(f"{box_set.name}: {counts} images in {root}")
    files = {part: [each.path for each in listing.splits[split]] for part, split in _PARTS}
    for note in (*listing.notes, *duplicated_files(files)):
        say(f"{box_set.name}: {note}")
    return listing


def _unpack(box_set: BoxSet, folder: Path, manual: Path | None, say: Say) -> None:
    """Bring every archive to a folder of its own name, from which the set is read."""
    folder.mkdir(parents=True, exist_ok=True)
    for each in box_set.downloads:
        if (folder / _UNPACKED / each.name).is_dir():
            continue
        archive = (manual or folder) / each.name
        if manual is None and each.url is not None:
            download(each.url, archive, each.md5, say)
        if not archive.is_file():
            raise InputError(f"{archive}: is missing; it is one of the archives of {box_set.name}")
        check(archive, each.md5)
        unpack_once(archive, folder / _UNPACKED, say)
