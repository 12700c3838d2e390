"""Results that pages are made of, and pages as elements."""

from html.parser import HTMLParser

from rtickets.config import StudyConfig, TransferConfig
from rtickets.report.page import render_page
from rtickets.settings import config_files


def row(objective, mean, gain=None, draw="omp", sparsity=0.9, metric="clean", **changes):
    return {
        "metric": metric,
        "title": "accuracy" if metric == "clean" else f"accuracy under {metric}",
        "unit": "share",
        "higher_is_better": True,
        "detail": False,
        "transfer": "finetune",
        "draw": draw,
        "sparsity": sparsity,
        "remaining": 1 - sparsity,
        "objective": objective,
        "mean": mean,
        "std": 0.01,
        "seeds": 3,
        "seeds_asked": 3,
        "gain": gain,
        "gain_std": None if gain is None else 0.005,
        "gain_seeds": None if gain is None else 3,
        "gain_low": None if gain is None else gain - 0.01,
        "gain_high": None if gain is None else gain + 0.01,
        "gain_over": None if gain is None else "seeds",
        "gain_p": None if gain is None else 0.01,
        "gain_p_holm": None if gain is None else 0.02,
    } | changes


def source(objective="natural", seed=0, **attacks):
    accuracy = {"value": 0.9, "low": 0.88, "high": 0.915}
    measured = {name: {"value": v, "low": v - 0.1, "high": v + 0.1} for name, v in attacks.items()}
    return {"objective": objective, "seed": seed, "clean": accuracy, "attacks": measured}


def finding(about="pgd", check="eps", passed=False, message="seen"):
    return {"about": about, "check": check, "passed": passed, "value": 0.5, "message": message}


def honesty(*findings):
    return {"passed": all(found["passed"] for found in findings), "findings": list(findings)}


def cell(*findings, **changes):
    names = {"transfer": "linear", "objective": "robust", "draw": "omp", "sparsity": 0.9, "seed": 1}
    found = {**source("robust", 1), "ticket": "draw-x", "honesty": honesty(*findings)}
    return {**found, **names, **changes}


def configured(title="study", baseline="natural", transfers=("finetune", "linear"), **changes):
    """Return a configuration as JSON holds it, with names that no checked one could have."""
    config = config_files.to_dict(StudyConfig(transfers={"finetune": TransferConfig()}))
    own = config["transfers"]["finetune"]
    config |= {"name": title, "baseline": baseline, "transfers": dict.fromkeys(transfers, own)}
    return {**config, **changes}


def render(
    table,
    sources=(),
    config=None,
    cells=(),
    tickets=None,
    further=(),
    **result,
):
    result = {"sources": sources or [source()], "cells": list(cells), **result}
    environments = [{"jax": "0", "commit": "c0ffee", "device": "abacus"}]
    settings, pictures = config or configured(), {"Tickets": tickets or {}}
    return render_page(table, result, settings, pictures, environments, "2026-01-02", further)


VOID = ("meta", "img", "br")


class Reader(HTMLParser):
    """Collects tags with their attributes, texts, and tables as rows of cells."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.texts, self.tables, self.open = [], [], [], []
        self.scripts = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("script", "style"):
            self.scripts.append(data)
            return
        self.texts.append(data)
        if "td" in self.open or "th" in self.open:
            self.tables[-1][-1][-1] += data


TABLE = [
    row("natural", 0.95, draw="dense", sparsity=0.0),
    row("natural", 0.80),
    row("robust", 0.93, -0.02, draw="dense", sparsity=0.0),
    row("robust", 0.85, 0.05),
]
