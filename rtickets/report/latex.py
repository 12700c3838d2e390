"""Tables of a study for papers, in LaTeX with the package booktabs."""

from collections.abc import Mapping, Sequence
from typing import Any

from rtickets.report.cells import over_fewer
from rtickets.report.facts import Facts
from rtickets.stages.comparison import is_clear, is_clear_with_others
from rtickets.tasks import units

Row = Mapping[str, Any]
Kind = tuple[str, str]  # metric and transfer
_SPECIAL = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    **{mark: f"\\{mark}" for mark in "&%$#_{}"}, "<": "$<$", ">": "$>$", "|": "$|$",
    '"': "''", "\N{INFINITY}": r"$\infty$",
}  # fmt: skip
_COMPUTED = ("commit", "device", "date")  # for a remark, not for readers of a paper
_HEAD = "% Needs \\usepackage{booktabs}. Written by `rtickets report --latex`.\n"


def latex_tables(table: Sequence[Row], baseline: str, facts: Mapping[Kind, Facts]) -> str:
    """Return a table for every metric and transfer.

    Args:
        table: what `rows` returned.
        baseline: the objective that gains are over.
        facts: what holds of the numbers of a metric and transfer, for its caption.
    """
    kinds = dict.fromkeys((row["metric"], row["transfer"]) for row in table)
    parts = [_HEAD]
    for metric, transfer in kinds:
        own = [row for row in table if (row["metric"], row["transfer"]) == (metric, transfer)]
        parts.append(_table(own, baseline, facts[metric, transfer]))
    return "\n".join(parts)


def escaped(text: object) -> str:
    """Return a text as LaTeX prints it, commands in it included."""
    plain = "".join(letter if letter.isprintable() else " " for letter in str(text))
    return "".join(_SPECIAL.get(letter, letter) for letter in plain)


def _table(rows: Sequence[Row], baseline: str, facts: Facts) -> str:
    objectives = list(dict.fromkeys(row["objective"] for row in rows))
    others = [objective for objective in objectives if objective != baseline]
    heads = ["ticket", r"remaining (\%)", *map(escaped, objectives)]
    heads += [f"gain of {escaped(other)}" for other in others]
    found = {(row["draw"], row["sparsity"], row["objective"]): row for row in rows}
    lines = []
    for draw, sparsity in dict.fromkeys((row["draw"], row["sparsity"]) for row in rows):
        point = [found.get((draw, sparsity, objective)) for objective in objectives]
        gains = [found.get((draw, sparsity, other)) for other in others]
        cells = [
            escaped(draw),
            f"{100 * (1 - sparsity):g}",
            *map(_value, point),
            *map(_gain, gains),
        ]
        lines.append(" & ".join(cells) + r" \\")
    columns = "l" + "r" * (len(heads) - 1)
    computed = [each for each in facts if each[0] in _COMPUTED]
    frame = [
        f"% {_told(computed)}", r"\begin{table}", r"\centering",
        rf"\caption{{{_caption(rows, baseline, facts)}}}", rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule", " & ".join(heads) + r" \\", r"\midrule", *lines, r"\bottomrule",
        r"\end{tabular}", r"\end{table}", "",
    ]  # fmt: skip
    return "\n".join(frame)


def _caption(rows: Sequence[Row], baseline: str, facts: Facts) -> str:
    first = rows[0]
    seeds = first["seeds_asked"]
    fewer = ", of which some failed where a cell says so" * any(map(over_fewer, rows))
    told = _told([each for each in facts if each[0] not in _COMPUTED])
    called = escaped(units.headed(first["title"], first["unit"]))
    return (
        f"{escaped(first['transfer'])}: {called}, mean $\\pm$ standard deviation over {seeds} "
        f"seed{'s' * (seeds != 1)}{fewer}; gains over {escaped(baseline)} of the same seed with "
        "95\\% intervals, bold where the interval does not hold 0, starred where that is so also "
        f"when adjusted for all gains of the table's measure (Holm). {told}."
    )


def _told(facts: Facts) -> str:
    return "; ".join(f"{escaped(name)}: {escaped(text)}" for name, text in facts if text)


def _value(row: Row | None) -> str:
    if row is None:
        return ""
    std = "" if row["std"] is None else rf" \pm {_number(units.shown(row['std'], row['unit']))}"
    return f"${_number(units.shown(row['mean'], row['unit']))}{std}${over_fewer(row)}"


def _gain(row: Row | None) -> str:
    if row is None or row["gain"] is None:
        return ""
    shown, fewer = units.shown(row["gain"], row["unit"], sign=True), over_fewer(row, "gain_seeds")
    if row["gain_low"] is None or row["gain_high"] is None:
        return f"${_number(shown)}${fewer}"
    ends = (units.shown(row[f"gain_{end}"], row["unit"], sign=True) for end in ("low", "high"))
    interval = ", ".join(map(_number, ends))
    if not is_clear(row):
        return f"${_number(shown)}$ $[{interval}]${fewer}"
    star = "*" * is_clear_with_others(row)
    return rf"$\mathbf{{{_number(shown)}}}${star} $[{interval}]${fewer}"


def _number(text: str) -> str:
    """Return a number as LaTeX's mathematics has it."""
    mantissa, e, power = text.partition("e")
    return rf"{mantissa} \cdot 10^{{{int(power)}}}" if e else text
