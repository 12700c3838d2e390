"""What every heading of a page says about its numbers: on what, against what, how and when."""

import html
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rtickets.data.settings import DataConfig
from rtickets.evaluation.recalibration import RecalibrateConfig
from rtickets.report.examples import attack_on, examples_words, measure_of
from rtickets.report.over_seeds import CLEAN
from rtickets.report.radii import CERTIFIED
from rtickets.settings import config_files

Facts = list[tuple[str, str]]
_NORMS = {"linf": "L\N{INFINITY}", "l2": "L2", "l1": "L1"}
_PART = ("train_fraction", "train_per_class", "train_choice")  # of the training examples
_MODES = {"batch": "adapt", "frozen": "frozen"}


def study_facts(
    config: Mapping[str, Any],
    result: Mapping[str, Any],
    environments: Sequence[Mapping[str, Any]],
    date: str,
    metric: str | None = None,
    transfer: str | None = None,
) -> Facts:
    """Return name and text of what all numbers below a heading share, '' where that is unknown.

    Args:
        config: the study's, as JSON holds it.
        result: the study's.
        environments: what it was computed with.
        date: when it ended.
        metric: 'clean', 'certified', an attack's label, a further measure, or None for what is of
            all but further measures.
        transfer: the numbers are of this one alone; None is all.
    """
    evaluate = config["evaluate"]
    cells = [cell for cell in result["cells"] if transfer in (None, cell["transfer"])]
    transfers = config["transfers"]
    transfers = {transfer: transfers[transfer]} if transfer in transfers else transfers
    measure = measure_of(evaluate, metric) if metric else None
    return [
        ("data", _each(transfers, lambda one: data_words(evaluate["data"] or one["data"]))),
        ("split", str(evaluate["split"])),
        ("examples", examples_words(cells, metric, measure)),
        (
            "threat",
            "; ".join(threat_words(evaluate, each) for each in _under(evaluate, cells, metric)),
        ),
        ("how", measure.how if measure else ""),
        ("statistics", "; ".join(_statistics(config, transfers))),
        ("seeds", ", ".join(map(str, config["seeds"]))),
        *computed_facts(environments, date),
    ]


def evaluation_facts(
    config: Mapping[str, Any], environments: Sequence[Mapping[str, Any]], date: str
) -> Facts:
    """Return the same of one evaluation, whose tables say on how many examples."""
    data, threats = config.get("data"), [CLEAN, *config.get("attacks", {})]
    estimated = config.get("recalibrate")
    return [
        ("data", data_words(data) if data else "what the network was last trained on"),
        ("split", str(config.get("split"))),
        ("threat", "; ".join(threat_words(config, each) for each in threats)),
        ("statistics", "recalibrated for evaluation" if estimated else "the network's own"),
        ("seed", str(config.get("seed"))),
        *computed_facts(environments, date),
    ]


def ended(run: Path) -> str:
    """Return the day on which the result of a run was written, as its file says."""
    seconds = (run / "result.json").stat().st_mtime
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d}"


def computed_facts(environments: Sequence[Mapping[str, Any]], date: str) -> Facts:
    """Return commit, device and date."""
    return [
        ("commit", _distinct(one.get("commit", "unknown") for one in environments)),
        ("device", _distinct(one.get("device", "unknown") for one in environments)),
        ("date", date),
    ]


def threat_words(evaluate: Mapping[str, Any], metric: str) -> str:
    """Say what images are attacked with: method, norm, radius in pixel units, steps."""
    if metric == CERTIFIED:
        smoothing = evaluate["smoothing"] or {}
        return f"certified, L2, Gaussian noise of sigma {smoothing.get('sigma', 'unknown')}"
    if metric == CLEAN:
        return "no attack"
    attack = evaluate["attacks"].get(metric)
    if attack is None:
        return f"{metric}, of unknown settings"
    parts = [str(attack["name"])]
    parts += [_NORMS.get(attack["norm"], str(attack["norm"]))] if "norm" in attack else []
    parts += [f"eps {radius_words(attack['eps'])}"] if "eps" in attack else []
    parts += [f"{attack['num_steps']} steps"] if attack.get("num_steps") else []
    parts += [f"{attack['restarts']} restarts"] if attack.get("restarts", 1) > 1 else []
    return ", ".join(parts)


def radius_words(radius: float) -> str:
    """Return a radius in pixel units, as a fraction of 255 where it is a whole number of them."""
    levels = 255 * radius
    whole = abs(levels - round(levels)) < 1e-4 and round(levels) > 0
    return f"{round(levels)}/255" if whole and levels < 64 else f"{radius:.4g}"


def statistics_words(transfer: Mapping[str, Any]) -> str:
    """Return the mode of normalisation statistics of a transfer: frozen, adapt, recalibrate."""
    if (how := transfer.get("recalibrate")) is not None:
        return f"recalibrate on the {how['on']}"
    statistics = transfer["train"]["statistics"]
    return _MODES.get(statistics, str(statistics))


def data_words(data: Mapping[str, Any]) -> str:
    """Return a data set, and of how many of its images the training was, where not of all."""
    count = data.get("train_examples")
    part = {name: data[name] for name in _PART if name in data}
    limit = config_files.parse(DataConfig, part).limit
    much = f"{count:,} training examples" if count else limit
    return f"{data['source']}" + (f" ({much})" if much else "")


def facts_list(facts: Facts) -> str:
    """Return facts as a list on few lines."""
    items = "".join(
        f"<div><dt>{html.escape(name)}</dt><dd>{html.escape(text)}</dd></div>"
        for name, text in facts
        if text
    )
    return f'<dl class="facts">{items}</dl>'


def _under(evaluate: Mapping[str, Any], cells: Sequence[Any], metric: str | None) -> list[str]:
    """Return the labels of attacks that a metric is under, or 'clean' or 'certified'."""
    if metric is None:
        return [CLEAN, *evaluate["attacks"]]
    if metric in (CLEAN, CERTIFIED, *evaluate["attacks"]):
        return [metric]
    return [attack_on(cells, metric)]


def without(facts: Facts, *names: str) -> Facts:
    """Return the facts but those of some names."""
    return [each for each in facts if each[0] not in names]


def _statistics(config: Mapping[str, Any], transfers: Mapping[str, Any]) -> Iterator[str]:
    """Yield what becomes of normalisation statistics in every stage that moves them."""
    for label, draw in config["draws"].items():
        if (how := draw.get("recalibrate")) is not None:
            words = config_files.parse(RecalibrateConfig, how).words
            on = draw["data"]["source"] if draw.get("data") else "the network's own task"
            yield f"tickets of {label} recalibrated when drawn ({words}, of {on})"
    yield _each(transfers, statistics_words)
    if config["evaluate"].get("recalibrate"):
        yield "recalibrated for evaluation"


def _each(transfers: Mapping[str, Any], words: Any) -> str:
    """Return what is said of every transfer, once where it is the same of all."""
    said = {label: words(one) for label, one in transfers.items()}
    if len(set(said.values())) == 1:
        return next(iter(said.values()))
    return "; ".join(f"{label}: {text}" for label, text in said.items())


def _distinct(texts: Iterable[Any]) -> str:
    return ", ".join(dict.fromkeys(map(str, texts)))
