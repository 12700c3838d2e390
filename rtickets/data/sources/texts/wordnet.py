"""Glosses of WordNet 3.0, from its data files, and a part of them that comes with the package.

Of nouns and verbs; a gloss that stands at several synsets counts once, for the first of them, in
the order of the files. Its class is the lexicographer's file that the synset is from.
"""

import lzma
from collections.abc import Iterable, Sequence
from importlib import resources
from pathlib import Path

from rtickets.data.arrays import Raw
from rtickets.data.settings import DataConfig
from rtickets.data.sources.array_files import existing
from rtickets.data.sources.texts.made import labelled_texts, raw_of, read_text
from rtickets.errors import InputError

NOUNS = (
    "tops", "act", "animal", "artifact", "attribute", "body", "cognition", "communication", "event",
    "feeling", "food", "group", "location", "motive", "object", "person", "phenomenon", "plant",
    "possession", "process", "quantity", "relation", "shape", "state", "substance", "time",
)  # fmt: skip
VERBS = (
    "body", "change", "cognition", "communication", "competition", "consumption", "contact",
    "creation", "emotion", "motion", "perception", "possession", "social", "stative", "weather",
)  # fmt: skip
FIRST = 3  # the number of the first of them in WordNet, after those of other parts of speech
CLASSES = (*(f"noun.{name}" for name in NOUNS), *(f"verb.{name}" for name in VERBS))
PARTS = ("noun", "verb")
_FILES = ("data.noun", "data.verb")
_BUNDLED = "files/glosses_mini.txt.xz"
Gloss = tuple[int, str]  # its class, and what it says


def read_glosses(folder: Path) -> list[Gloss]:
    """Return the different glosses of WordNet's data files of nouns and verbs."""
    found: dict[str, int] = {}
    for name in _FILES:
        path = folder / name
        if not path.is_file():
            raise InputError(f"{path} is missing; expected WordNet's {' and '.join(_FILES)}")
        for number, line in enumerate(read_text(path, "latin-1").splitlines(), 1):
            if not line.startswith("  "):  # as the licence in front does
                label, gloss = _gloss(line, f"{path}: line {number}")
                found.setdefault(gloss, label)
    return [(label, gloss) for gloss, label in found.items()]


def _gloss(line: str, place: str) -> Gloss:
    _, bar, gloss = line.partition("| ")
    number = line[9:11]
    if not bar or not number.isdecimal() or not 0 <= int(number) - FIRST < len(CLASSES):
        raise InputError(
            f"{place}: {line[:40]!r} is no synset of WordNet; expected its number, that of its "
            f"file ({FIRST} to {FIRST + len(CLASSES) - 1}) and a gloss after '| '"
        )
    return int(number) - FIRST, gloss.strip()


def bundled() -> list[Gloss]:
    """Return the glosses that come with the package."""
    packed = resources.files("rtickets.data").joinpath(_BUNDLED).read_bytes()
    lines = (line.split(" ", 1) for line in lzma.decompress(packed).decode().splitlines())
    return [(int(label), gloss) for label, gloss in lines]


def as_text(glosses: Iterable[Gloss]) -> str:
    """Return glosses as the bundled file has them, a line each."""
    return "".join(f"{label} {gloss}\n" for label, gloss in glosses)


def glosses_of(config: DataConfig) -> Raw:
    """Return all glosses, with 41 classes."""
    return _classes(config, read_glosses(_folder(config)))


def parts_of(config: DataConfig) -> Raw:
    """Return all glosses, of a noun or of a verb."""
    return _parts(config, read_glosses(_folder(config)))


def mini_of(config: DataConfig) -> Raw:
    """Return the bundled glosses, with 41 classes."""
    return _classes(config, bundled())


def mini_parts_of(config: DataConfig) -> Raw:
    """Return the bundled glosses, of a noun or of a verb."""
    return _parts(config, bundled())


def _folder(config: DataConfig) -> Path:
    hint = "WordNet's folder, such as /usr/share/wordnet of Debian's package wordnet-base"
    return existing(config.path, config.source, hint)


def _classes(config: DataConfig, glosses: Sequence[Gloss]) -> Raw:
    labels, texts = zip(*glosses, strict=True)
    return raw_of(config, labelled_texts(texts, labels), class_names=CLASSES)


def _parts(config: DataConfig, glosses: Sequence[Gloss]) -> Raw:
    labels, texts = zip(*glosses, strict=True)
    of_verbs = [int(label >= len(NOUNS)) for label in labels]
    return raw_of(config, labelled_texts(texts, of_verbs), class_names=PARTS)
