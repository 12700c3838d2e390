"""Which tickets match the dense network, for people and as a file."""

import csv
import html
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rtickets.report.cells import html_table
from rtickets.report.sections import Context, Section
from rtickets.stages.points import CLEAN

Line = Mapping[str, Any]
_COLUMNS = ("kind", "objective", "draw", "metric", "transfers", "against", "criterion", "selected",
            "sparsity", "winning")  # fmt: skip
_MEANING = (
    "The highest sparsity (%) at which the mean over seeds is at least that of the dense network "
    "(strict), and after the stroke of which it is at most one standard deviation of the dense "
    "network's seeds below it; '-' where no ticket of the ladder is, '?' where that is not known: "
    "one seed has no deviation, and after a failure means are of other seeds. Tickets with the "
    "weights of the pretrained network (*) are winning tickets there. Against own: the best ticket "
    "of the same sparsity that was drawn on the task itself."
)


def matching_sections(about: Context) -> list[Section]:
    """Return the section of a page on matching tickets, or none."""
    found = about.result.get("matching")
    if not found:
        return []
    parts = [f'<p class="note">{html.escape(_MEANING)}</p>', '<div class="panels">']
    for metric in dict.fromkeys(line["metric"] for line in found["highest"]):
        own = [line for line in found["highest"] if line["metric"] == metric]
        parts.append(_panel(f"Highest matching sparsity, {_said(metric)}", _by_transfer(own)))
    if found["universal"]:
        parts.append(_panel("Universal for several transfers", _universal(found["universal"])))
    if found["double_wins"]:
        parts.append(_panel("Double-win", _double_wins(found["double_wins"])))
    return [Section("Matching tickets", about.facts(), "\n".join([*parts, "</div>"]))]


def matching_lines(result: Mapping[str, Any]) -> list[str]:
    """Return what tickets win twice or universally, for a terminal, a line each."""
    found = result.get("matching", {})
    doubles = _pairs(found.get("double_wins", ()), "natural", "robust", "attack", "selected")
    universal = [line for line in found.get("universal", ()) if line["against"] == "dense"]
    return [
        *(
            f"double-win tickets, {ticket}, {natural} and {robust} under {attack} ({selected}): "
            f"highest sparsity {_words(both)}"
            for (ticket, natural, robust, attack, selected), both in doubles.items()
        ),
        *(
            f"universal tickets, {ticket}, {_said(metric)} of {', '.join(transfers)}: "
            f"highest sparsity {_words(both)}"
            for (ticket, metric, transfers), both in _pairs(
                universal, "metric", "transfers"
            ).items()
        ),
    ]


def matching_csv(result: Mapping[str, Any]) -> str:
    """Return the highest matching sparsities as text, a line each, nothing where none matches."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, _COLUMNS, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    for kind, lines in result.get("matching", {}).items():
        if kind != "tickets":
            writer.writerows({**_as_row(line), "kind": kind} for line in lines)
    return buffer.getvalue()


def _as_row(line: Line) -> dict[str, Any]:
    transfers = line.get("transfers") or [line[n] for n in ("transfer", "natural", "robust")
                                          if n in line]  # fmt: skip
    return {
        **line,
        "transfers": " ".join(transfers),
        "metric": line.get("metric", line.get("attack")),
    }


def _panel(heading: str, table: str) -> str:
    return f"<div><h3>{html.escape(heading)}</h3>{table}</div>"


def _said(metric: str) -> str:
    return "clean" if metric == CLEAN else f"under {metric}"


def _ticket(line: Line) -> str:
    return f"{line['objective']}, {line['draw']}" + "*" * line["winning"]


def _pairs(lines: Iterable[Line], *names: str) -> dict[tuple[Any, ...], dict[str, Line]]:
    """Return the lines of both criteria together, by ticket and what else they are of."""
    found: dict[tuple[Any, ...], dict[str, Line]] = {}
    for line in lines:
        values = (tuple(v) if isinstance(v := line[name], list) else v for name in names)
        found.setdefault((_ticket(line), *values), {})[line["criterion"]] = line
    return found


def _both(lines: Mapping[str, Line], field: str = "sparsity") -> str:
    """Return the strict sparsity and that within one deviation."""
    return " / ".join(_one(lines.get(name), field) for name in ("strict", "within_std"))


def _one(line: Line | None, field: str = "sparsity") -> str:
    if line is None:
        return "?"
    return "-" if line[field] is None else f"{100 * line[field]:.4g}"


def _words(lines: Mapping[str, Line]) -> str:
    strict, within = (_one(lines.get(name)) for name in ("strict", "within_std"))
    return f"{strict}% strictly, {within}% within one deviation".replace("-%", "none")


def _by_transfer(lines: Sequence[Line]) -> str:
    """Return a table of tickets by transfers."""
    pairs = _pairs(lines, "against", "transfer")
    transfers = list(dict.fromkeys(line["transfer"] for line in lines))
    rows = list(dict.fromkeys((ticket, against) for ticket, against, _ in pairs))
    body = [
        [*row, *(_both(pairs[*row, t]) if (*row, t) in pairs else "" for t in transfers)]
        for row in rows
    ]
    return html_table(["ticket", "against", *transfers], body)


def _universal(lines: Sequence[Line]) -> str:
    pairs = _pairs(lines, "metric", "transfers", "against")
    body = [
        [ticket, _said(metric), ", ".join(transfers), against, _both(both)]
        for (ticket, metric, transfers, against), both in pairs.items()
    ]
    return html_table(["ticket", "score", "transfers", "against", "sparsity"], body)


def _double_wins(lines: Sequence[Line]) -> str:
    pairs = _pairs(lines, "natural", "robust", "attack", "selected")
    parts = ("sa_sparsity", "robust_sa_sparsity", "ra_sparsity", "sparsity")
    body = [[*key, *(_both(both, part) for part in parts)] for key, both in pairs.items()]
    head = ["ticket", "trained naturally", "adversarially", "RA under", "weights chosen",
            "SA, natural", "SA, adversarial", "RA, adversarial", "double-win"]  # fmt: skip
    return html_table(head, body)
