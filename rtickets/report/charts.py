"""What the script of a page draws: charts as data that JSON can hold.

A chart is {title, x: {label, log, ticks, bounds}, y: {label, bounds}, series: [{name, color,
shape, flat, dashed, guide, loose, points: [{x, y, low, high, text}]}]}; `flat` is a level line,
`guide` a line that was not measured, `loose` has points without a line, `text` are lines for the
tooltip. Values are scaled as their axis says.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from rtickets.report.cells import gain_text, number, over_fewer
from rtickets.report.radii import CERTIFIED, Line, shown_lines
from rtickets.stages.points import DENSE, Spread, ticket_words
from rtickets.tasks import Headline, units

Row = Mapping[str, Any]
Chart = dict[str, Any]


def curve_chart(rows: Sequence[Row], split: str) -> Chart:
    """Return the curves of one metric and transfer over remaining weights."""
    unit = rows[0]["unit"]
    objectives = list(dict.fromkeys(row["objective"] for row in rows))
    draws = list(dict.fromkeys(row["draw"] for row in rows if row["draw"] != DENSE))
    series = []
    for color, objective in enumerate(objectives):
        own = [row for row in rows if row["objective"] == objective]
        for shape, draw in enumerate(draws):
            points = [_point(row) for row in own if row["draw"] == draw]
            name = objective if len(draws) == 1 else f"{objective}, {draw}"
            series.append(_series(name, color, sorted(points, key=lambda p: p["x"]), shape))
        for row in own:
            if row["draw"] == DENSE:
                series.append(_series(f"{objective}, {DENSE}", color, [_point(row)], flat=True))
    ticks = sorted({100 * row["remaining"] for row in rows if row["draw"] != DENSE})
    return {
        "title": f"{rows[0]['transfer']}, {rows[0]['title']}",
        "x": {"label": "remaining weights (%)", "log": True, "ticks": ticks},
        "y": _y_axis(f"{split} {rows[0]['title']}", unit),
        "series": [one for one in series if one["points"]],
    }


def radius_chart(lines: Mapping[Line, Mapping[float, Spread]], label: str, head: Headline) -> Chart:
    """Return one attack's or certificate's curves over the radius, of one transfer."""
    objectives = list(dict.fromkeys(line.objective for line in lines))
    draws = list(dict.fromkeys(line.draw for line in lines if line.draw != DENSE))
    called = f"certified {head.called}" if label == CERTIFIED else f"{head.called} under {label}"
    series = []
    for line in shown_lines(list(lines)):
        points = []
        for radius, spread in lines[line].items():
            std = spread.std if spread.seeds > 1 else None
            shown = _said(number(spread.mean, std, head.unit), head.unit)
            seeds = f"{spread.seeds} seed{'s' * (spread.seeds != 1)}"
            text = [f"radius {radius:.4g}", f"{shown}, {seeds}"]
            points.append(_around(radius, spread.mean, std, head.unit, text))
        color = objectives.index(line.objective)
        shape = 0 if line.draw == DENSE else 1 + draws.index(line.draw)
        ticket = ticket_words(line.draw, line.sparsity)
        own = _series(f"{line.objective}, {ticket}", color, points, shape)
        series.append({**own, "dashed": line.draw == DENSE})
    return {
        "title": called,
        "x": {"label": "radius (pixels in [0, 1])", "log": False},
        "y": _y_axis(called, head.unit),
        "series": series,
    }


def reliability_chart(title: str, curves: Mapping[str, Sequence[Mapping[str, float]]]) -> Chart:
    """Return how often networks are right against how sure they are, a curve a name, in %.

    Args:
        title: of the chart.
        curves: bins by name, see `rtickets.evaluation.measures.calibration`.
    """
    ends = [_around(100 * x, x, None, units.SHARE, ["as often right as sure"]) for x in (0.0, 1.0)]
    series = [{**_series("as often right as sure", 0, ends), "guide": True}]
    for color, (name, bins) in enumerate(curves.items()):
        points = []
        for each in sorted(bins, key=lambda one: one["confidence"]):
            confidence, right = each["confidence"], each["accuracy"]
            text = [f"{100 * confidence:.1f}% sure, {100 * right:.1f}% right"]
            text.append(f"{each['examples']:,.0f} examples")
            points.append(_around(100 * confidence, right, None, units.SHARE, text))
        series.append(_series(name, color, points))
    return {
        "title": title,
        "x": {"label": "confidence (%)", "log": False, "bounds": [0, 100]},
        "y": _y_axis("accuracy", units.SHARE),
        "series": series,
    }


def gap_chart(title: str, readings: Sequence[Row], unit: str) -> Chart:
    """Return gains over domain gaps of one ticket, a point a target, a series an objective.

    Args:
        title: of the chart.
        readings: see `rtickets.stages.gap_reading`.
        unit: of the gains.
    """
    targets = [(each["objective"], target) for each in readings for target in each["targets"]]
    far = [target["distance"] for _, target in targets]
    none = [_around(x, 0.0, None, unit, ["no gain"]) for x in (min(far), max(far))]
    series = [{**_series("no gain", 0, none), "guide": True}]
    for color, objective in enumerate(dict.fromkeys(name for name, _ in targets), start=1):
        own = [target for name, target in targets if name == objective]
        points = [_target(target, unit) for target in own]
        series.append({**_series(objective, color, points), "loose": True})
    return {
        "title": title,
        "x": {"label": "Frechet distance of target and source", "log": False},
        "y": {"label": units.headed("gain", unit)},
        "series": series,
    }


def _target(target: Row, unit: str) -> dict[str, Any]:
    gain = target["gain"]
    ends = target["gain_low"], target["gain_high"]
    known = None not in ends
    shown = units.shown(gain, unit, sign=True)
    if known:
        shown += " [{}, {}]".format(*(units.shown(end, unit, sign=True) for end in ends))
    text = [str(target["transfer"]), f"distance {target['distance']:.4g}"]
    text.append(f"gain {_said(shown, unit)}")
    point = _around(target["distance"], gain, None, unit, text)
    low, high = (units.scaled(end, unit) for end in (ends if known else (gain, gain)))
    return {**point, "low": low, "high": high}


def layers_chart(sparsities: Mapping[str, Mapping[str, float]], layers: Sequence[str]) -> Chart:
    """Return the sparsity of every layer, in %, a curve a ticket.

    Args:
        sparsities: by layer, by ticket.
        layers: in their order.
    """
    series = []
    for color, (ticket, own) in enumerate(sparsities.items()):
        points = [
            _around(place, own[layer], None, units.SHARE, [layer, f"{100 * own[layer]:.1f}%"])
            for place, layer in enumerate(layers, start=1)
            if layer in own
        ]
        series.append(_series(ticket, color, points, color))
    return {
        "title": "sparsity per layer",
        "x": {"label": "layer, in the order of names", "log": False},
        "y": _y_axis("sparsity", units.SHARE),
        "series": series,
    }


def _y_axis(name: str, unit: str) -> dict[str, Any]:
    bounds = {"bounds": [0, 100]} if unit == units.SHARE else {}
    return {"label": units.headed(name, unit), **bounds}


def _series(
    name: str, color: int, points: Sequence[Any], shape: int = 0, *, flat: bool = False
) -> dict[str, Any]:
    return {"name": name, "color": color, "shape": shape, "flat": flat, "points": list(points)}


def _point(row: Row) -> dict[str, Any]:
    unit = row["unit"]
    seeds = over_fewer(row).strip(" ()") or f"{row['seeds']} seed{'s' * (row['seeds'] != 1)}"
    text = [
        f"{100 * row['remaining']:g}% remaining",
        f"{_said(number(row['mean'], row['std'], unit), unit)}, {seeds}",
    ]
    if row["gain"] is not None:
        text.append(f"gain {_said(gain_text(row), unit)}{over_fewer(row, 'gain_seeds')}")
    return _around(100 * row["remaining"], row["mean"], row["std"], unit, text)


def _around(
    x: float, mean: float, std: float | None, unit: str, text: Sequence[str]
) -> dict[str, Any]:
    low, y, high = (units.scaled(mean + sign * (std or 0), unit) for sign in (-1, 0, 1))
    return {"x": x, "y": y, "low": low, "high": high, "text": list(text)}


def _said(text: str, unit: str) -> str:
    return f"{text}%" if unit == units.SHARE else f"{text} {unit}".rstrip()
