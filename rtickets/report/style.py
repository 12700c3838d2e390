"""What all pictures of a report share."""

import io
import warnings
from collections.abc import Mapping, Sequence

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

COLORS = ("#4c566a", "#c8553d", "#2a7f9e", "#7a9e3a", "#8e5ea2", "#d39b2a")
MARKERS = ("o", "s", "^", "D", "v")


def panels_of(titles: Sequence[str]) -> tuple[Figure, dict[str, Axes]]:
    """Return a figure with a panel for each of some titles, three beside each other."""
    columns = min(len(titles), 3)
    rows = -(-len(titles) // columns)
    figure = Figure(figsize=(4.6 * columns, 3.6 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel, title in zip(panels, titles, strict=False):
        panel.set_title(title, fontsize=11)
    for panel in panels[len(titles) :]:
        panel.set_visible(False)
    return figure, dict(zip(titles, panels, strict=False))


def label_y(figure: Figure, panels: Mapping[str, Axes], labels: Mapping[str, str]) -> None:
    """Say what panels show, once where it is the same for all."""
    if len(set(labels.values())) == 1:
        figure.supylabel(next(iter(labels.values())), fontsize=10)
        return
    for title, panel in panels.items():
        panel.set_ylabel(labels[title], fontsize=9)


def png(figure: Figure) -> bytes:
    """Return a figure as a PNG picture, with its texts as they are."""
    return _saved(figure, "png", {"Software": None})


def pdf(figure: Figure) -> bytes:
    """Return a figure as a PDF of its own size, with fonts that publishers take and no date."""
    with rc_context({"pdf.fonttype": 42}):
        return _saved(figure, "pdf", {"CreationDate": None, "Creator": None, "Producer": None})


def _saved(figure: Figure, kind: str, metadata: Mapping[str, None]) -> bytes:
    """Save a figure.

    Names come from files: a dollar sign in one begins no formula, and a letter that the font lacks
    is drawn as a box without a word.
    """
    for text in figure.findobj(Text):
        text.set_parse_math(False)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure.savefig(buffer, format=kind, dpi=130, metadata=metadata)
    return buffer.getvalue()
