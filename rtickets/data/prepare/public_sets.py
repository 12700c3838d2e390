"""Preparing public data sets: get their files, check them, pack them, say what was packed.

Everything can be interrupted and goes on: downloads from where they stopped, unpacked archives and
packed files are kept as they are finished, and `prepared.json` is written last.
"""

import contextlib
import hashlib
import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from rtickets.data.archives import Say, check, digest, download, is_archive, unpack_once
from rtickets.data.arrays import Raw
from rtickets.data.duplicates import Digests, describe_duplicates
from rtickets.data.duplicates import digest as digest_of
from rtickets.data.images.pictures import open_image
from rtickets.data.images.records import Records, write_records
from rtickets.data.images.statistics import pixel_statistics
from rtickets.data.images.views import View, decode
from rtickets.data.sources.original.listing import Blob, Listing, SplitListing
from rtickets.data.sources.prepared_sets import ARRAYS, FORMAT, RECORD, verify
from rtickets.data.sources.public import PublicSet
from rtickets.errors import InputError
from rtickets.platform.terminal import show
from rtickets.storage.files import read_json, write_bytes, write_json

_PROGRESS = "progress.json"
_PER_FILE = 8192  # images in a packed file
_SAMPLE = 1000  # photographs that pixel statistics are estimated from


def prepare(
    public: PublicSet, folder: Path, manual: Path | None = None, say: Say = show
) -> dict[str, Any]:
    """Prepare a public set, or verify it if that is done.

    Args:
        folder: where to; downloads and unpacked files lie there meanwhile.
        manual: a folder with the set's files, packed or unpacked, in place of downloads.
        say: is told what happens.

    Returns:
        What is known about it, as prepared.json holds.

    Raises:
        InputError: if files cannot be had, are broken, or fewer or more than they should be.
    """
    if (folder / RECORD).is_file():
        record = verify(folder, public.name)
        say(f"{public.name}: prepared and unchanged in {folder}")
        return record
    folder.mkdir(parents=True, exist_ok=True)
    root, sources = _originals(public, folder, manual, say)
    found = _read(public, root)
    _check_counts(public, found)
    written = _write_arrays(found, folder) if isinstance(found, Raw) else _write(found, folder, say)
    record = {
        "format": FORMAT,
        "name": public.name,
        "class_names": list(found.class_names),
        **written,
        "sources": sources,
    }
    write_json(folder / RECORD, record)
    (folder / _PROGRESS).unlink(missing_ok=True)
    shutil.rmtree(folder / "unpacked", ignore_errors=True)
    say(f"{public.name}: {public.train:,} training and {public.test:,} test images in {folder}")
    return record


def _read(public: PublicSet, root: Path) -> Raw | Listing:
    """Read the files of the authors, or others' in their place."""
    try:
        return public.read(root)
    except InputError:
        raise
    except (OSError, MemoryError):
        raise
    except Exception as error:  # a number that is none, or a list where one was expected
        raise InputError(
            f"{root}: cannot be read as {public.name}: {type(error).__name__}: {error}; get its "
            "files again"
        ) from None


def _originals(
    public: PublicSet, folder: Path, manual: Path | None, say: Say
) -> tuple[Path, dict[str, Any]]:
    """Return the folder with the unpacked files, and checksums of the files they come from."""
    if manual is not None:
        if not manual.is_dir():
            raise InputError(f"--manual={manual}: is not a folder")
        present = [file for file in public.downloads if (manual / file.name).is_file()]
        if not present:
            return manual, {}  # unpacked already, as far as we can see
        # An unpacked copy has none of them; with some but not all a download is incomplete.
        missing = [file.name for file in public.downloads if file not in present]
        if missing:
            raise InputError(f"{manual}: has {present[0].name}, but no {', '.join(missing)}")
    elif public.manual:
        raise InputError(
            f"{public.name}: {', '.join(public.manual)} cannot be downloaded from here; get them "
            "from their authors, and give their folder with --manual"
        )
    store = manual or folder / "downloads"
    store.mkdir(exist_ok=True)
    for file in public.downloads:
        if manual is None and file.url is not None:
            download(file.url, store / file.name, file.md5, say)
        else:
            say(f"checking {file.name}")
            check(store / file.name, file.md5)
    paths = [store / file.name for file in public.downloads]
    sources = {
        path.name: {"bytes": path.stat().st_size, "md5": file.md5 or digest(path, "md5")}
        for path, file in zip(paths, public.downloads, strict=True)
    }
    if not public.unpack:
        return store, sources
    unpacked = folder / "unpacked"
    unpacked.mkdir(exist_ok=True)
    for path in paths:
        if is_archive(path):
            unpack_once(path, unpacked, say)
        else:
            shutil.copyfile(path, unpacked / path.name)
    return unpacked, sources


def _check_counts(public: PublicSet, found: Raw | Listing) -> None:
    if isinstance(found, Raw):
        counts = {"train": len(found.train), "test": len(found.test) if found.test else 0}
    else:
        counts = {name: len(split.images) for name, split in found.splits.items()}
    seen = (len(found.class_names), counts["train"], counts["test"])
    expected = (public.classes, public.train, public.test)
    if seen != expected:
        raise InputError(
            f"{public.name}: the files hold {seen[0]} classes, {seen[1]:,} training and "
            f"{seen[2]:,} test images; expected {expected[0]}, {expected[1]:,} and "
            f"{expected[2]:,}: something is missing or broken"
        )


def _write_arrays(raw: Raw, folder: Path) -> dict[str, Any]:
    assert raw.test is not None  # counted before
    images = np.asarray(raw.train.images)
    buffer = io.BytesIO()
    np.savez(
        buffer, x_train=images, y_train=raw.train.labels, x_test=np.asarray(raw.test.images),
        y_test=raw.test.labels, class_names=np.array(raw.class_names),
    )  # fmt: skip
    write_bytes(folder / ARRAYS, buffer.getvalue())
    mean, std = pixel_statistics(images)
    return {"mean": mean, "std": std, "files": {ARRAYS: _about(folder / ARRAYS)}}


def _write(listing: Listing, folder: Path, say: Say) -> dict[str, Any]:
    """Pack photographs, leaving out the files that an interrupted run has packed."""
    progress = _Progress(folder / _PROGRESS, _fingerprint(listing))
    splits: dict[str, Any] = {}
    digests: dict[str, Digests] = {}
    for split, found in listing.splits.items():
        names, images = _pack(split, found, folder, progress, say)
        labels = io.BytesIO()
        np.save(labels, found.labels)
        write_bytes(folder / f"labels_{split}.npy", labels.getvalue())
        progress.add(folder / f"labels_{split}.npy")
        splits[split] = {"examples": len(found.images), "files": names}
        digests["training" if split == "train" else split] = Digests(images, found.labels)
    notes = describe_duplicates(digests)
    for note in notes:
        say(note)
    mean, std = pixel_statistics(_seen(listing.splits["train"]))
    return {"mean": mean, "std": std, "splits": splits, "files": progress.files, "notes": notes}


def _pack(
    split: str, found: SplitListing, folder: Path, progress: "_Progress", say: Say
) -> tuple[list[str], list[bytes]]:
    """Pack the images of a split, and return the names of the files and a digest per image."""
    digests: list[bytes] = []
    count = -(-len(found.images) // _PER_FILE)
    names = [f"{split}-{i:05d}-of-{count:05d}.array_record" for i in range(count)]
    for index, name in enumerate(names):
        part = found.images[index * _PER_FILE : (index + 1) * _PER_FILE]
        if progress.has(folder / name):
            packed = Records([folder / name])
            digests += (digest_of(packed.read(i)) for i in range(len(packed)))
            continue
        write_records(folder / name, _checked(part, digests))
        progress.add(folder / name)
        say(f"{name}: {len(part):,} images")
    return names, digests


class _Progress:
    """Which files are written, kept in a file of its own until all are."""

    def __init__(self, path: Path, fingerprint: str) -> None:
        self._path, self._fingerprint = path, fingerprint
        self.files: dict[str, Any] = {}
        with contextlib.suppress(InputError, OSError):  # none, or damaged
            stored = read_json(path)
            files = stored.get("files") if stored.get("of") == fingerprint else None
            if isinstance(files, dict):
                self.files = {n: a for n, a in files.items() if isinstance(a, dict)}

    def has(self, path: Path) -> bool:
        about = self.files.get(path.name)
        return about is not None and path.is_file() and path.stat().st_size == about.get("bytes")

    def add(self, path: Path) -> None:
        self.files[path.name] = _about(path)
        write_json(self._path, {"of": self._fingerprint, "files": self.files})


def _about(path: Path) -> dict[str, Any]:
    return {"bytes": path.stat().st_size, "sha256": digest(path)}


def _fingerprint(listing: Listing) -> str:
    """Return what tells one listing from another, wherever its images lie."""
    found = hashlib.sha256(json.dumps(listing.class_names).encode())
    for split, part in listing.splits.items():
        found.update(split.encode() + part.labels.tobytes())
        for blob in part.images:
            found.update(
                f"{blob.path.name} {blob.offset} {blob.size}\n".encode(errors="surrogateescape")
            )
    return found.hexdigest()


def _checked(blobs: tuple[Blob, ...], digests: list[bytes]) -> Iterator[bytes]:
    """Read images, each with a header that can be read, so that broken files show here.

    A digest of each is added to `digests`.
    """
    for blob in blobs:
        data = blob.read()
        open_image(data, blob.path).close()
        digests.append(digest_of(data))
        yield data


def _seen(split: SplitListing) -> np.ndarray:
    """Return some photographs as they are evaluated, spread evenly over the split."""
    view = View((224, 224), 256)
    some = split.images[:: -(-len(split.images) // _SAMPLE)]
    return np.stack([view.evaluation(decode(blob.read(), str(blob.path))) for blob in some])
