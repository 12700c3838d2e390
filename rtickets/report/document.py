"""The frame of every page: one HTML file that needs nothing beside it and runs nothing but ours.

Style and script stand in the page, and its content security policy names them by their digests: no
browser executes what a name of somebody's run folder may hold, and nothing is fetched.
"""

import base64
import hashlib
import html
import json
from collections.abc import Sequence
from importlib import resources
from typing import Any

_SCRIPTS = ("chart.js", "table.js", "start.js")
_UNSAFE = str.maketrans({mark: f"\\u{ord(mark):04x}" for mark in "<>&\u2028\u2029"})


def document(title: str, body: str, charts: Sequence[Any] = ()) -> str:
    """Return a page.

    Args:
        title: a text.
        body: HTML.
        charts: what `<figure data-chart=NUMBER>` in the body shows, see `rtickets.report.charts`.
    """
    style = _file("page.css")
    script = '(() => {\n"use strict";\n' + "\n".join(map(_file, _SCRIPTS)) + "})();\n"
    policy = (
        f"default-src 'none'; img-src data:; style-src '{_digest(style)}'; "
        f"script-src '{_digest(script)}'"
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>{style}</style></head>\n"
        f"<body>\n{body}\n"
        f'<script type="application/json" id="charts">{embedded(list(charts))}</script>\n'
        f"<script>{script}</script>\n</body></html>\n"
    )


def embedded(values: Any) -> str:
    """Return JSON that can stand in a script element, whatever texts it holds."""
    return json.dumps(values, allow_nan=False, separators=(",", ":")).translate(_UNSAFE)


def figure(number: int) -> str:
    """Return where a chart is drawn, nothing without JavaScript."""
    return f'<figure class="chart" data-chart="{number}"><svg></svg></figure>'


def picture(name: str, png: bytes, kind: str = "picture") -> str:
    """Return a PNG picture; of the kind 'pixels' it is small, and grows to the page's width."""
    data = base64.b64encode(png).decode()
    image = f'<img alt="{html.escape(name)}" src="data:image/png;base64,{data}">'
    return f'<figure class="{kind}">{image}</figure>'


def _file(name: str) -> str:
    return (resources.files("rtickets.report") / "files" / name).read_text("utf-8")


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
