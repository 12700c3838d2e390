"""Short tables for notebooks, in which every text is text."""

import html
from collections.abc import Sequence

_MOST = 20  # rows


def short_table(title: str, head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a title and the first rows of a table as HTML, and how many more there are."""
    lines = [_line("th", head), *(_line("td", row) for row in rows[:_MOST])]
    more = f"<p>and {len(rows) - _MOST:,} more</p>" if len(rows) > _MOST else ""
    return f"<p>{html.escape(title)}</p><table>{''.join(lines)}</table>{more}"


def _line(tag: str, cells: Sequence[object]) -> str:
    texts = (f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in cells)
    return f"<tr>{''.join(f'<{tag}>{html.escape(text)}</{tag}>' for text in texts)}</tr>"
