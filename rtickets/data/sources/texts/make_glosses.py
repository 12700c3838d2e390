"""Make the bundled glosses and their vocabulary from WordNet's data files.

    python -m rtickets.data.sources.texts.make_glosses WORDNET_FOLDER OUTPUT_FOLDER

Of every class 150 glosses drawn at random, or all of a smaller one, in the order of the files; and
4,096 word pieces of all glosses. The glosses are the same on every run.
"""

import lzma
import sys
from pathlib import Path

import numpy as np

from rtickets.data.sources.texts.wordnet import CLASSES, Gloss, as_text, read_glosses
from rtickets.data.text.tokenizers import train

EACH, WORD_PIECES = 150, 4_096


def some_of_every_class(glosses: list[Gloss]) -> list[Gloss]:
    """Return a class-balanced part of glosses, as far as there are enough."""
    labels = np.array([label for label, _ in glosses])
    generator = np.random.default_rng(0)
    chosen = [
        generator.permutation(np.flatnonzero(labels == number))[:EACH]
        for number in range(len(CLASSES))
    ]
    return [glosses[index] for index in np.sort(np.concatenate(chosen))]


def main(folder: str, output: str) -> None:
    """Write both files."""
    glosses = read_glosses(Path(folder))
    words = "\n".join(train((gloss for _, gloss in glosses), WORD_PIECES))
    texts = {
        "glosses_mini.txt.xz": as_text(some_of_every_class(glosses)),
        "glosses_vocabulary.txt.xz": words,
    }
    for name, text in texts.items():
        packed = lzma.compress(text.encode(), preset=9 | lzma.PRESET_EXTREME)
        (Path(output) / name).write_bytes(packed)


if __name__ == "__main__":
    main(*sys.argv[1:])
