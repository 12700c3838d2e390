"""Plain text files: every line that is not empty is a text."""

from pathlib import Path

from rtickets.data.arrays import Raw
from rtickets.data.settings import DataConfig
from rtickets.data.sources.array_files import existing
from rtickets.data.sources.texts.made import Texts, lines_in, raw_of, read_text
from rtickets.data.sources.texts.splits import NAMES, split_of
from rtickets.errors import InputError

_ENDS = (".txt", ".txt.gz")
_HINT = "a text file, or a folder of .txt or .txt.gz files, in UTF-8"
_SHOWN = 3


def lines_of(config: DataConfig) -> Raw:
    """Return the lines of a file, or of all in a folder.

    Where one of them is called train, the others are parts of the set too, see `splits.NAMES`.
    """
    root = existing(config.path, config.source, _HINT)
    if root.is_file():
        return raw_of(config, Texts(_lines([root])))
    files = _under(root)
    named = {split: [path for path in files if split_of(path) == split] for split in NAMES}
    if not named["train"]:
        return raw_of(config, Texts(_lines(files)))
    if others := [path.name for path in files if split_of(path) is None]:
        raise InputError(
            f"{root}: beside train there are {len(others)} files that are no part of a set: "
            f"{', '.join(others[:_SHOWN])}; call them {', '.join(NAMES)}, or move them away"
        )
    parts = {split: Texts(_lines(paths)) if paths else None for split, paths in named.items()}
    train, test, validation = parts["train"], parts["test"], parts["validation"]
    assert train is not None
    return raw_of(config, train, test, validation)


def read_lines(path: Path) -> list[str]:
    """Return the lines of a file, or of all in a folder, whatever they are called."""
    if not path.exists():
        raise InputError(f"{path} does not exist; expected {_HINT}")
    return _lines([path] if path.is_file() else _under(path))


def _under(folder: Path) -> list[Path]:
    files = sorted(path for path in folder.rglob("*") if path.name.endswith(_ENDS))
    if not files:
        raise InputError(f"{folder} holds no file *.txt; expected {_HINT}")
    return files


def _lines(files: list[Path]) -> list[str]:
    found = [
        line for path in files for _, line in lines_in(read_text(path, "utf-8-sig")) if line.strip()
    ]
    if not found:
        raise InputError(f"{files[0]}: holds no text")
    return found
