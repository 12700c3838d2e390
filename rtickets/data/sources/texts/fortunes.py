"""Fortunes: what Debian's packages fortunes and fortunes-min say, with the topic as the class."""

from pathlib import Path

from rtickets.data.arrays import Raw
from rtickets.data.settings import DataConfig
from rtickets.data.sources.array_files import existing
from rtickets.data.sources.texts.made import labelled_texts, raw_of, read_text
from rtickets.errors import InputError

LEFT_OUT = ("drugs", "ethnic", "men-women")
LEAST = 200  # different entries of a topic


def fortunes_of(config: DataConfig) -> Raw:
    """Return the entries of all large topics; what stands in two counts for the first."""
    hint = "the folder of topics, such as /usr/share/games/fortunes of Debian's package fortunes"
    folder = existing(config.path, config.source, hint)
    topics = {path.name: entries(path) for path in sorted(folder.iterdir()) if _is_topic(path)}
    large = {name: each for name, each in topics.items() if len(each) >= LEAST}
    if len(large) < 2:
        raise InputError(
            f"{folder}: {len(large)} topics with at least {LEAST} entries; expected {hint}"
        )
    found: dict[str, int] = {}
    for number, each in enumerate(large.values()):
        for entry in each:
            found.setdefault(entry, number)
    texts = labelled_texts(list(found), list(found.values()))
    return raw_of(config, texts, class_names=tuple(large))


def _is_topic(path: Path) -> bool:
    return path.is_file() and not path.suffix and path.name not in LEFT_OUT


def entries(path: Path) -> list[str]:
    """Return the different entries of a topic, which lines of '%' part."""
    parts = f"\n{read_text(path)}\n".split("\n%\n")
    return list(dict.fromkeys(text for part in parts if (text := " ".join(part.split()))))
