"""Preparing VOC 2012 segmentation: its archive unpacked, its lists and masks checked."""

import shutil
from pathlib import Path

from rtickets.data.archives import Say, check, download, unpack_once
from rtickets.data.duplicates import duplicated_files
from rtickets.data.sources.original.voc import SegmentationSplit, read_voc2012
from rtickets.data.sources.public import VOC2012
from rtickets.errors import InputError
from rtickets.platform.terminal import show

_COUNTS = {"train": 1464, "val": 1449}


def prepare_voc(
    folder: Path,
    manual: Path | None = None,
    say: Say = show,
    counts: dict[str, int] = _COUNTS,
    md5: str | None = VOC2012.md5,
) -> dict[str, SegmentationSplit]:
    """Unpack VOC 2012 and check its lists and masks, or check a folder that is unpacked.

    Args:
        manual: a folder with the archive or with VOCdevkit; the latter is used where it lies.
        say: is told what happens.
        counts: number of images by split.
        md5: the archive's checksum.
    """
    root = folder
    if manual is not None and not (manual / VOC2012.name).is_file():
        root = manual
    elif not (folder / "VOCdevkit").is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        archive = (manual or folder) / VOC2012.name
        if manual is None and VOC2012.url is not None:
            download(VOC2012.url, archive, md5, say)
        check(archive, md5)
        unpacked = unpack_once(archive, folder / "unpacked", say)
        (unpacked / "VOCdevkit").rename(folder / "VOCdevkit")
        shutil.rmtree(folder / "unpacked")
    splits = read_voc2012(root)
    for split, expected in counts.items():
        if len(splits[split]) != expected:
            raise InputError(
                f"{root}: the list {split}.txt has {len(splits[split])} images; expected {expected}"
            )
    say("checking masks")
    for found in splits.values():
        for index in range(len(found)):
            found.read_mask(index)
    say(f"voc2012: {', '.join(f'{len(s):,} {n}' for n, s in splits.items())} images in {root}")
    for split in sorted(splits.keys() - {"val"}):
        for note in duplicated_files(
            {"training": splits[split].images, "test": splits["val"].images}
        ):
            say(f"{split}.txt and val.txt: {note}")
    return splits
