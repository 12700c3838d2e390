"""Public data sets that `rtickets data prepare` has prepared: a folder each.

FOLDER/prepared.json           written last: nothing else means that the set is complete
FOLDER/arrays.npz              small images, or
FOLDER/{train,test}-*.array_record, labels_{train,test}.npy    photographs, as they were encoded
"""

import os
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field, StringConstraints, TypeAdapter, ValidationError, model_validator
from pydantic.dataclasses import dataclass

from rtickets.data.archives import digest
from rtickets.data.arrays import Raw, labelled
from rtickets.data.images.records import Records
from rtickets.data.images.streamed import streamed
from rtickets.data.images.views import View
from rtickets.data.settings import DataConfig
from rtickets.data.sources.array_files import read_npz
from rtickets.data.sources.public import PublicSet
from rtickets.errors import InputError
from rtickets.platform.private import home
from rtickets.storage.files import read_json

FORMAT = 1
RECORD = "prepared.json"
ARRAYS = "arrays.npz"


_FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")]


@dataclass(frozen=True)
class _File:
    bytes: int
    sha256: str


@dataclass(frozen=True)
class _Split:
    examples: int
    files: list[_FileName]


@dataclass(frozen=True)
class _Splits:
    train: _Split
    test: _Split


@dataclass(frozen=True)
class _Record:
    """What prepared.json holds at least: arrays, or splits."""

    class_names: list[str]
    mean: list[float]
    std: list[float]
    files: dict[_FileName, _File]
    splits: _Splits | None = None
    notes: list[str] = Field(default_factory=list)

    @model_validator(mode="after")
    def _check(self) -> "_Record":
        if self.splits is None and ARRAYS not in self.files:
            raise ValueError(f"neither {ARRAYS} nor splits")
        return self


def data_root() -> Path:
    """Return where prepared sets lie: $RTICKETS_DATA, or rtickets-data in the home folder."""
    named = os.environ.get("RTICKETS_DATA")
    return Path(named) if named else home("set RTICKETS_DATA") / "rtickets-data"


def folder_of(name: str, path: str | None = None) -> Path:
    """Return the folder of a prepared set: its `data.path`, or its place in `data_root`."""
    return data_root() / name if path is None else Path(path)


def read_record(folder: Path, name: str) -> dict[str, Any]:
    """Return the contents of prepared.json: what is known about a prepared set.

    Raises:
        InputError: if it is not prepared, only in part, as another set, or misses files.
    """
    file = folder / RECORD
    how = f"run: rtickets data prepare {name} --data-dir={folder}"
    if not file.is_file():
        begun = folder.is_dir() and any(folder.iterdir())
        state = "is prepared only in part" if begun else "holds no prepared data set"
        raise InputError(f"{folder}: {state}; {how}")
    try:
        record = read_json(file)
        found, version = record.get("name"), record.get("format")
        if (found, version) == (name, FORMAT):
            TypeAdapter(_Record).validate_python(record)
    except (InputError, ValidationError) as error:
        reason = str(error) if isinstance(error, InputError) else _first(error)
        raise InputError(f"{file}: cannot be read: {reason}; remove it and {how}") from None
    if (found, version) != (name, FORMAT):
        raise InputError(
            f"{file}: describes {found!r} in format {version!r}; expected {name!r} in {FORMAT}"
        )
    # Sizes alone, as reading everything takes long: `verify` compares the checksums.
    for one, about in record["files"].items():
        size = (folder / one).stat().st_size if (folder / one).is_file() else None
        if size != about["bytes"]:
            raise InputError(
                f"{folder / one}: has {size} bytes, {about['bytes']} were written; remove {file} "
                f"and {how}"
            )
    return record


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


def load_prepared(public: PublicSet, config: DataConfig, view: View) -> Raw:
    """Load a prepared set; photographs stay encoded.

    Args:
        config: where it lies, and how many threads decode.
        view: how photographs become arrays.
    """
    folder = folder_of(public.name, config.path)
    record = read_record(folder, public.name)
    statistics = tuple(record["mean"]), tuple(record["std"])
    if ARRAYS in record["files"]:
        raw = read_npz(folder / ARRAYS)
        return raw._replace(mean=statistics[0], std=statistics[1])
    splits, names = {}, tuple(record["class_names"])
    for split, about in record["splits"].items():
        images = streamed(Records(folder / f for f in about["files"]), view, config.workers)
        labels = _read_labels(folder / f"labels_{split}.npy", len(images), len(names))
        splits[split] = labelled(images, labels)
    return Raw(
        splits["train"], splits["test"], names, None, *statistics,
        notes=tuple(record.get("notes", ())),
    )  # fmt: skip


def _read_labels(path: Path, count: int, classes: int) -> np.ndarray:
    try:
        with path.open("rb") as file:
            labels = np.asarray(np.load(file, allow_pickle=False))
    except Exception as error:  # damage surfaces as whatever the decoder trips over
        raise InputError(f"{path}: cannot be read: {error}") from None
    if labels.shape != (count,) or labels.dtype.kind != "i":
        raise InputError(
            f"{path}: holds {labels.dtype} of shape {labels.shape}; expected the labels of {count} "
            "images"
        )
    if labels.min() < 0 or labels.max() >= classes:
        raise InputError(
            f"{path}: labels lie in [{labels.min()}, {labels.max()}]; expected [0, {classes})"
        )
    return labels


def verify(folder: Path, name: str) -> dict[str, Any]:
    """Return prepared.json after comparing the files of a set with the checksums in it."""
    record = read_record(folder, name)
    for one, about in record["files"].items():
        if digest(folder / one) != about["sha256"]:
            raise InputError(
                f"{folder / one}: has changed since it was prepared; remove {folder} and prepare "
                "the set again"
            )
    return record
