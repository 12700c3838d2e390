"""The sources of texts by name."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from rtickets.data.arrays import Raw
from rtickets.data.images.views import View
from rtickets.data.settings import DataConfig
from rtickets.data.sources.source import Source
from rtickets.data.sources.texts.fortunes import fortunes_of
from rtickets.data.sources.texts.glue import GLUE, glue_files, glue_of
from rtickets.data.sources.texts.lines import lines_of
from rtickets.data.sources.texts.squad import squad_of
from rtickets.data.sources.texts.tables import table_of
from rtickets.data.sources.texts.tagged import tagged_of
from rtickets.data.sources.texts.wordnet import glosses_of, mini_of, mini_parts_of, parts_of
from rtickets.data.task_settings import TaskConfig
from rtickets.data.text.asked import TextClasses, TextSpans, TextTags, TokensAlone

_EXTRA = "rtickets[text]"


def text_source(
    read: Callable[[DataConfig], Raw],
    description: str,
    *,
    path: bool = True,
    task: TaskConfig | None = None,
) -> Source:
    """Return a source of texts.

    Args:
        read: what it holds, tokenised.
        description: one line.
        path: whether it is read from `data.path`.
        task: what its texts ask; None is to classify them.
    """

    def load(config: DataConfig, view: View) -> Raw:
        del view  # images alone are looked at through it
        return read(config)

    needs = f"data.path, {_EXTRA}" if path else _EXTRA
    asks = task or TextClasses()
    return Source(load, description, needs, files=_path if path else None, task=asks, text=True)


def _path(config: DataConfig) -> Path | None:
    return None if config.path is None else Path(config.path)


TEXT_SOURCES = {
    "glosses_mini": text_source(
        mini_of, "5,874 glosses of WordNet, up to 150 of each of 41 classes", path=False
    ),
    "glosses_mini_parts": text_source(
        mini_parts_of, "the same, of a noun or of a verb", path=False
    ),
    "wordnet": text_source(glosses_of, "95,277 glosses of WordNet 3.0, 41 classes"),
    "wordnet_parts": text_source(parts_of, "the same, of a noun or of a verb"),
    "fortunes": text_source(fortunes_of, "fortunes, with their topics as classes"),
    "table": text_source(table_of, "a table of texts, CSV, TSV or JSON lines, with columns"),
    "lines": text_source(lines_of, "plain text files, every line a text", task=TokensAlone()),
    "tagged": text_source(
        tagged_of, "words with tags, files of columns as CoNLL's or JSON lines", task=TextTags()
    ),
    "squad": text_source(
        squad_of, "questions with answers in a text, SQuAD 1.1's JSON", task=TextSpans()
    ),
}
TEXT_SOURCES |= {
    name: text_source(partial(glue_of, glue), f"{glue.folder} of GLUE, {glue.test}.tsv for testing",
                      task=glue.task)._replace(files=partial(glue_files, glue))
    for name, glue in GLUE.items()
}  # fmt: skip
