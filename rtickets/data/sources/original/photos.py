"""Downstream sets of photographs: folders of images with lists of their splits.

Official training and validation images are one training split, as the published transfer results
have it; validation is carved from it like everywhere.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from rtickets.data.limits import size_of
from rtickets.data.sources.original.listing import (
    Listing,
    examples,
    index_of,
    inside,
    locate,
    read_lines,
    read_mat,
)
from rtickets.errors import InputError


def read_caltech101(root: Path) -> Listing:
    """Read Caltech-101 (Fei-Fei et al. 2004): 30 training images a class, the rest for testing.

    Args:
        root: holds 101_ObjectCategories with a folder per class, of which the first 30 images by
            name are for training; its folder BACKGROUND_Google, which is no class, is left out.
    """
    folder = locate(root, "101_ObjectCategories") / "101_ObjectCategories"
    names = [p.name for p in folder.iterdir() if p.is_dir() and p.name != "BACKGROUND_Google"]
    names.sort()
    parts: dict[str, list[tuple[Path, int]]] = {"train": [], "test": []}
    for label, name in enumerate(names):
        images = sorted((folder / name).glob("*.jpg"))
        if len(images) <= 30:
            raise InputError(f"{folder / name}: has {len(images)} images; expected more than 30")
        parts["train"] += [(path, label) for path in images[:30]]
        parts["test"] += [(path, label) for path in images[30:]]
    return _listing(names, parts, folder)


def read_flowers102(root: Path) -> Listing:
    """Read Oxford Flowers-102 (Nilsback & Zisserman 2008), whose files have no names of classes.

    Args:
        root: holds jpg/, imagelabels.mat and setid.mat.
    """
    folder, images = locate(root, "setid.mat"), locate(root, "jpg") / "jpg"
    (labels,) = read_mat(folder / "imagelabels.mat", "labels")
    sets = read_mat(folder / "setid.mat", "trnid", "valid", "tstid")
    parts: dict[str, list[tuple[Path, int]]] = {}
    for name, numbers in (("train", np.concatenate(sets[:2])), ("test", sets[2])):
        if numbers.min() < 1 or numbers.max() > len(labels):
            raise InputError(
                f"{folder / 'setid.mat'}: has image {numbers.max()}, but imagelabels.mat only "
                f"{len(labels)} labels"
            )
        parts[name] = [
            (images / f"image_{number:05d}.jpg", int(labels[number - 1]) - 1)
            for number in sorted(numbers.tolist())
        ]
    return _listing([str(number) for number in range(1, 103)], parts, folder / "imagelabels.mat")


def read_dtd(root: Path) -> Listing:
    """Read the Describable Textures (Cimpoi et al. 2014), the first of their ten partitions.

    Args:
        root: holds images/ and labels/{train,val,test}1.txt.
    """
    folder = locate(root, "labels/train1.txt")
    lists = {"train": ("train1.txt", "val1.txt"), "test": ("test1.txt",)}
    lines = {
        name: [line for file in files for line in read_lines(folder / "labels" / file)]
        for name, files in lists.items()
    }
    names = sorted({line.split("/")[0] for part in lines.values() for line in part})
    parts = {
        name: [
            (inside(folder / "images", line, folder / "labels"), names.index(line.split("/")[0]))
            for line in part
        ]
        for name, part in lines.items()
    }
    return _listing(names, parts, folder / "labels")


def read_pets(root: Path) -> Listing:
    """Read the Oxford-IIIT Pets (Parkhi et al. 2012) and their 37 breeds.

    Args:
        root: holds images/ and annotations/{trainval,test}.txt.
    """
    folder, images = locate(root, "annotations/trainval.txt"), locate(root, "images") / "images"
    found: dict[str, list[tuple[Path, int]]] = {}
    names: dict[int, str] = {}
    for part, file in (("train", "trainval.txt"), ("test", "test.txt")):
        path = folder / "annotations" / file
        found[part] = []
        for line in read_lines(path):
            words = line.split()
            if len(words) != 4 or not words[1].isascii() or not words[1].isdecimal():
                raise InputError(
                    f"{path}: has the line {line!r}; expected NAME CLASS SPECIES BREED"
                )
            names[int(words[1])] = words[0].rsplit("_", 1)[0]
            found[part].append((inside(images, f"{words[0]}.jpg", path), int(words[1]) - 1))
    return _listing([names[number] for number in sorted(names)], found, folder / "annotations")


def read_sun397(root: Path) -> Listing:
    """Read SUN397 (Xiao et al. 2010), the first of its ten partitions, 50 + 50 images a class.

    Args:
        root: holds the classes' folders a/, b/, ..., and Partitions/ or its files ClassName.txt,
            Training_01.txt and Testing_01.txt.
    """
    lists = locate(root, "Training_01.txt")
    images = locate(root, "a/abbey")
    class_file = next((p for p in (lists, images) if (p / "ClassName.txt").is_file()), lists)
    names = [line.strip("/") for line in read_lines(class_file / "ClassName.txt")]
    parts = {}
    for part, file in (("train", "Training_01.txt"), ("test", "Testing_01.txt")):
        lines = [line.strip("/") for line in read_lines(lists / file)]
        parts[part] = [
            (
                inside(images, line, lists / file),
                index_of(line.rsplit("/", 1)[0], names, lists / file),
            )
            for line in lines
        ]
    return _listing(names, parts, lists)


def read_cars196(root: Path) -> Listing:
    """Read Stanford Cars (Krause et al. 2013).

    Args:
        root: holds cars_train/, cars_test/, devkit/ with cars_meta.mat and cars_train_annos.mat,
            and cars_test_annos_withlabels.mat there or beside it.
    """
    folder = locate(root, "devkit/cars_meta.mat")
    devkit = folder / "devkit"
    (names,) = read_mat(devkit / "cars_meta.mat", "class_names")
    labelled = "cars_test_annos_withlabels.mat"
    tests = devkit if (devkit / labelled).is_file() else locate(root, labelled)
    parts = {}
    for part, file in (("train", devkit / "cars_train_annos.mat"), ("test", tests / labelled)):
        (rows,) = read_mat(file, "annotations")
        if rows.dtype.names is None or not {"class", "fname"} <= set(rows.dtype.names):
            raise InputError(f"{file}: annotations lack the fields class and fname")
        images = locate(root, f"cars_{part}") / f"cars_{part}"
        parts[part] = [
            (inside(images, str(row["fname"]), file), int(row["class"]) - 1) for row in rows
        ]
    return _listing([str(name) for name in names], parts, devkit)


def read_food101(root: Path) -> Listing:
    """Read Food-101 (Bossard et al. 2014).

    Args:
        root: holds images/ and meta/ with {train,test}.json or {train,test}.txt.
    """
    folder = locate(root, "meta/classes.txt")
    names = sorted(read_lines(folder / "meta" / "classes.txt"))
    parts = {}
    for part in ("train", "test"):
        path = folder / "meta" / f"{part}.json"
        if path.is_file():
            lines = [line for lines in _read_json(path).values() for line in lines]
        else:
            path = path.with_suffix(".txt")
            lines = read_lines(path)
        parts[part] = [
            (
                inside(folder / "images", f"{line}.jpg", path),
                index_of(line.split("/")[0], names, path),
            )
            for line in lines
        ]
    return _listing(names, parts, folder / "meta")


def read_aircraft(root: Path) -> Listing:
    """Read FGVC-Aircraft (Maji et al. 2013), its 100 variants.

    Args:
        root: holds data/ with images/, variants.txt and images_variant_{trainval,test}.txt, or the
            contents of data/.
    """
    folder = locate(root, "images_variant_trainval.txt")
    names = read_lines(folder / "variants.txt")
    parts = {}
    for part, file in (
        ("train", "images_variant_trainval.txt"),
        ("test", "images_variant_test.txt"),
    ):
        path = folder / file
        pairs = [line.partition(" ")[::2] for line in read_lines(path)]
        parts[part] = [
            (inside(folder / "images", f"{number}.jpg", path), index_of(variant, names, path))
            for number, variant in pairs
        ]
    return _listing(names, parts, folder)


def _listing(names: list[str], parts: dict[str, list[tuple[Path, int]]], source: Path) -> Listing:
    splits = {part: examples(files, len(names), source) for part, files in parts.items()}
    return Listing(tuple(names), splits)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        size_of(path)
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from None
    if not isinstance(found, dict):
        raise InputError(f"{path}: holds a {type(found).__name__}, expected lists by class")
    for name, rows in found.items():
        if not isinstance(rows, list) or not all(isinstance(row, str) for row in rows):
            raise InputError(f"{path}: {name!r} is no list of names in quotes; get it again")
    return found
