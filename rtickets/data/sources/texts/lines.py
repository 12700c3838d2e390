"""Plain text files: every line that is not empty is a text."""

from pathlib import Path

from rtickets.data.arrays import Raw
from rtickets.data.settings import DataConfig
from rtickets.data.sources.array_files import existing
from rtickets.data.sources.texts.made import Texts, raw_of, read_text
from rtickets.errors import InputError

_ENDS = (".txt", ".txt.gz")
_SPLITS = {"train": ("train",), "test": ("test",), "validation": ("validation", "valid", "val")}


def lines_of(config: DataConfig) -> Raw:
    """Return the lines of a file, or of all in a folder; train, test and valid are splits."""
    hint = "a text file, or a folder of .txt or .txt.gz files, in UTF-8"
    root = existing(config.path, config.source, hint)
    if root.is_file():
        return raw_of(config, Texts(_lines([root])))
    files = sorted(path for path in root.rglob("*") if path.name.endswith(_ENDS))
    if not files:
        raise InputError(f"data.path={config.path!r} holds no file *.txt; expected {hint}")
    named = {
        split: [path for path in files if path.name.partition(".")[0] in names]
        for split, names in _SPLITS.items()
    }
    if not named["train"]:
        return raw_of(config, Texts(_lines(files)))
    parts = {split: Texts(_lines(paths)) if paths else None for split, paths in named.items()}
    train, test, validation = parts["train"], parts["test"], parts["validation"]
    assert train is not None
    return raw_of(config, train, test, validation)


def _lines(files: list[Path]) -> list[str]:
    found = [line for path in files for line in read_text(path).splitlines() if line.strip()]
    if not found:
        raise InputError(f"{files[0]}: holds no text")
    return found
