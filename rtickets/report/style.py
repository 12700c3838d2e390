"""What all pictures of a report share."""

import io
import warnings

from matplotlib.figure import Figure
from matplotlib.text import Text

COLORS = ("#4c566a", "#c8553d", "#2a7f9e", "#7a9e3a", "#8e5ea2", "#d39b2a")
MARKERS = ("o", "s", "^", "D", "v")
DENSE = "dense"


def png(figure: Figure) -> bytes:
    """Return a figure as a PNG picture, with its texts as they are.

    Names come from files: a dollar sign in one begins no formula, and a letter that the font lacks
    is drawn as a box without a word.
    """
    for text in figure.findobj(Text):
        text.set_parse_math(False)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure.savefig(buffer, format="png", dpi=130, metadata={"Software": None})
    return buffer.getvalue()
