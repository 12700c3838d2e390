"""Domain gaps against gains, for people: a scatter a ticket, and the rank correlations."""

import html
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from rtickets.report.cells import html_table
from rtickets.report.charts import gap_chart
from rtickets.report.document import figure
from rtickets.report.facts import Facts
from rtickets.report.over_seeds import CLEAN
from rtickets.report.sections import Context, Section
from rtickets.report.style import COLORS, label_y, panels_of
from rtickets.stages.points import ticket_words
from rtickets.stages.results import headline_of
from rtickets.tasks.units import headed, scaled, shown

Reading = Mapping[str, Any]
_MEANING = (
    "A target is as far as the Frechet distance of its images from the source's says, in the dense "
    "network of the baseline, the mean over seeds. Of few images a distance is too large, the more "
    "so the fewer; its interval does not hold that. Bars are the 95% intervals of gains. "
    "Spearman's rank correlation with its 95% interval; p is exact up to eight targets, and with "
    "Holm adjusted for all tickets and objectives. Few targets tell little: of three no order is "
    "rare."
)


def draw_gaps(readings: Sequence[Reading], unit: str) -> Figure:
    """Draw gains over distances, a panel a ticket and mode, a colour an objective.

    Args:
        readings: of one metric.
        unit: of the gains.
    """
    titles = list(dict.fromkeys(map(_title, readings)))
    objectives = list(dict.fromkeys(each["objective"] for each in readings))
    drawn, panels = panels_of(titles)
    for each in readings:
        panel, place = panels[_title(each)], objectives.index(each["objective"])
        color = COLORS[(place + 1) % len(COLORS)]  # the first is the baseline's elsewhere
        for target in each["targets"]:
            x, y = target["distance"], scaled(target["gain"], unit)
            low, high = (target[f"gain_{end}"] for end in ("low", "high"))
            if low is not None and high is not None:
                panel.plot([x, x], [scaled(low, unit), scaled(high, unit)], color=color, lw=1)
            panel.plot([x], [y], "o", color=color, markersize=5)
            panel.annotate(target["transfer"], (x, y), (4, 4), textcoords="offset points", size=7)
        panel.axhline(0, color="#999999", linewidth=0.8)
        panel.grid(alpha=0.25)
        panel.spines[["top", "right"]].set_visible(False)
    drawn.supxlabel("Frechet distance of target and source", fontsize=10)
    label_y(drawn, panels, dict.fromkeys(titles, headed("gain", unit)))
    return drawn


def clean_readings(result: Mapping[str, Any]) -> list[Reading]:
    """Return the readings of the clean headline of a study, in the gap that comes first."""
    own = [each for each in result.get("gap_readings", ()) if each["metric"] == CLEAN]
    return [each for each in own if each["gap"] == own[0]["gap"]]


def gap_sections(about: Context) -> list[Section]:
    """Return the section of a page on gaps and gains, or none."""
    readings = about.result.get("gap_readings", ())
    if not readings or not about.result["cells"]:
        return []
    clean = clean_readings(about.result)
    unit = headline_of(about.result["cells"][0]).unit
    told = (_MEANING, *(f"{note}." for note in about.gap_notes))
    parts = [*(f'<p class="note">{html.escape(line)}</p>' for line in told), '<div class="panels">']
    for title in dict.fromkeys(map(_title, clean)):
        own = [each for each in clean if _title(each) == title]
        about.charts.append(gap_chart(title, own, unit))
        chart = figure(len(about.charts) - 1)
        parts.append(f"<div><h3>{html.escape(title)}</h3>{chart}{_folded(own, unit)}</div>")
    body = "\n".join([*parts, "</div>", gap_table(readings)])
    return [Section("Domain gap against gain", _facts(about, clean), body, short="Domain gap")]


def _facts(about: Context, readings: Sequence[Reading]) -> Facts:
    """Return what holds of gains and of distances, which may be of fewer examples."""
    told = []
    for name, text in about.facts():
        if name == "examples":
            gaps = dict.fromkeys(each["gap"] for each in readings)
            far = [dict(about.facts(gap))[name] for gap in gaps]
            told += [("examples, gains", text), ("examples, distances", "; ".join(far))]
        else:
            told.append((name, text))
    return told


def _folded(readings: Sequence[Reading], unit: str) -> str:
    """Return what a chart shows, as a table."""
    body = [
        [
            each["objective"], target["transfer"], f"{target['distance']:.4g}",
            shown(target["gain"], unit, sign=True),
            *("" if end is None else shown(end, unit, sign=True)
              for end in (target["gain_low"], target["gain_high"])),
        ]
        for each in readings
        for target in each["targets"]
    ]  # fmt: skip
    head = ["objective", "target", "distance", headed("gain", unit), "from", "to"]
    return f"<details><summary>as a table</summary>{html_table(head, body)}</details>"


def gap_table(readings: Sequence[Reading]) -> str:
    """Return the rank correlations of gap and gain as a table."""
    head = ["gap", "metric", "transfer", "ticket", "objective", "targets", "rank correlation",
            "p", "p (Holm)"]  # fmt: skip
    body = [
        [
            each["gap"], each["metric"], each["mode"], _ticket(each), each["objective"],
            str(len(each["targets"])), correlation(each), _p(each["p"]), _p(each["p_holm"]),
        ]
        for each in readings
    ]  # fmt: skip
    return html_table(head, body)


def gap_lines(result: Mapping[str, Any]) -> list[str]:
    """Return the rank correlations of the clean headline for a terminal, a line each."""
    return [
        f"{each['gap']} against the gain of {each['objective']}, {each['mode']}, {_ticket(each)}: "
        f"rank correlation {correlation(each)} over {len(each['targets'])} targets, "
        f"p {_p(each['p'])}"
        for each in clean_readings(result)
        if each["rho"] is not None
    ]


def correlation(reading: Reading) -> str:
    """Return the correlation of a reading with its interval, where there are any."""
    if reading["rho"] is None:
        return ""
    if reading["low"] is None or reading["high"] is None:
        return f"{reading['rho']:+.2f}"
    return f"{reading['rho']:+.2f} [{reading['low']:+.2f}, {reading['high']:+.2f}]"


def _p(value: float | None) -> str:
    return "" if value is None else f"{value:.2g}"


def _ticket(reading: Reading) -> str:
    return ticket_words(reading["draw"], reading["sparsity"])


def _title(reading: Reading) -> str:
    return f"{reading['mode']}: {_ticket(reading)}"
