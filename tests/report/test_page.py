import base64
import hashlib
import json
from html.parser import HTMLParser

import pytest

from rtickets.config import StudyConfig, TransferConfig
from rtickets.report.document import document, embedded
from rtickets.report.page import render_page
from rtickets.settings import config_files

EVIL = '<script>alert("x")</script>&\'"'


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


def test_the_table_has_a_line_a_ticket_and_columns_for_gains():
    accuracy, _ = Reader(render(TABLE)).tables
    assert accuracy == [
        ["ticket", "remaining", "natural", "robust", "gain of robust"],
        ["dense", "100", "95.0 ± 1.0", "93.0 ± 1.0", "-2.0 [-3.0, -1.0]"],
        ["omp", "10", "80.0 ± 1.0", "85.0 ± 1.0", "+5.0 [+4.0, +6.0]"],
    ]


def test_gains_and_losses_have_their_colours():
    page = render(TABLE)
    assert '<span class="gain"><b>+5.0 [+4.0, +6.0]</b></span>' in page
    assert '<span class="loss"><b>-2.0 [-3.0, -1.0]</b></span>' in page


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({}, '<span class="gain"><b>+5.0 [+4.0, +6.0]</b></span>'),
        ({"gain_p_holm": 0.06}, '<span class="gain">+5.0 [+4.0, +6.0]</span>'),
        ({"gain_low": -0.01}, "<span>+5.0 [-1.0, +6.0]</span>"),
        ({"gain_low": 0.0}, "<span>+5.0 [+0.0, +6.0]</span>"),
        ({"gain_low": None, "gain_high": None, "gain_p": None}, "<span>+5.0</span>"),
        ({"higher_is_better": False}, '<span class="loss"><b>+5.0 [+4.0, +6.0]</b></span>'),
        ({"higher_is_better": None}, "<span>+5.0 [+4.0, +6.0]</span>"),
    ],
)
def test_a_gain_has_a_colour_where_its_interval_leaves_0_out_and_is_bold_after_holm(changes, shown):
    page = render([row("natural", 0.80), row("robust", 0.85, 0.05, **changes)])
    assert f"<td>{shown}</td>" in page


def test_the_page_says_what_gains_are_and_how_many_are_clear():
    page = render(TABLE)
    assert "difference to natural of the same seed" in page
    assert "2 gains with 95% intervals over seeds; 2 exclude 0, 2 also when adjusted" in page


def test_points_that_were_not_measured_are_left_blank():
    table = [row("natural", 0.8), row("robust", 0.7, sparsity=0.5)]
    accuracy, _ = Reader(render(table)).tables
    assert accuracy[1:] == [
        ["omp", "10", "80.0 ± 1.0", "", ""],
        ["omp", "50", "", "70.0 ± 1.0", ""],
    ]


def test_gains_are_measured_from_the_baseline_that_is_asked_for():
    accuracy, _ = Reader(render(TABLE, config=configured(baseline="robust"))).tables
    assert accuracy[0] == ["ticket", "remaining", "natural", "robust", "gain of natural"]


def test_every_metric_and_transfer_has_a_table_of_its_own():
    table = [
        row("natural", mean, metric=metric, transfer=transfer)
        for metric, transfer, mean in [
            ("clean", "a", 0.1), ("clean", "b", 0.2), ("pgd", "a", 0.3), ("pgd", "b", 0.4),
        ]
    ]  # fmt: skip
    reader = Reader(render(table))
    assert [table[1][2] for table in reader.tables[:4]] == [
        "10.0 ± 1.0",
        "20.0 ± 1.0",
        "30.0 ± 1.0",
        "40.0 ± 1.0",
    ]
    assert {"Clean accuracy", "Accuracy under pgd"} <= set(reader.texts)


def test_source_networks_have_intervals_and_blanks_for_what_was_not_measured():
    sources = [source(), source("robust", 1, pgd=0.5)]
    assert Reader(render(TABLE, sources)).tables[-1] == [
        ["objective", "seed", "clean (%)", "pgd (%)"],
        ["natural", "0", "90.0 [88.0, 91.5]", ""],
        ["robust", "1", "90.0 [88.0, 91.5]", "50.0 [40.0, 60.0]"],
    ]


def test_values_and_gains_over_fewer_seeds_than_the_studys_say_so():
    table = [row("natural", 0.80, seeds=2), row("robust", 0.85, 0.05, gain_seeds=2)]
    page = render(table)
    accuracy, _ = Reader(page).tables
    assert accuracy[1][2:] == [
        "80.0 ± 1.0 (2 of 3 seeds)", "85.0 ± 1.0", "+5.0 [+4.0, +6.0] (2 of 3 seeds)",
    ]  # fmt: skip
    assert "fewer where a value says so" in page
    natural, robust = json.loads(Reader(page).scripts[1])[0]["series"]
    assert natural["points"][0]["text"][1] == "80.0 ± 1.0%, 2 of 3 seeds"
    assert robust["points"][0]["text"][2].endswith("(2 of 3 seeds)")
    assert "fewer where" not in render(TABLE)


def further_row(objective, gain=None, metric="cal.ece", transfer="finetune", **changes):
    about = {"title": metric, "transfer": transfer, "higher_is_better": False, **changes}
    return row(objective, 0.25, gain, metric=metric, **about)


def test_further_measures_have_gains_colours_intervals_and_the_line_on_holm():
    further = [
        further_row("natural"), further_row("robust", -0.05),
        further_row("robust", -0.05, draw="snip", gain_low=-0.2, gain_high=0.1),
        further_row("natural", metric="each.class_0", detail=True),
    ]  # fmt: skip
    page = render(TABLE, further=further)
    section = page.split("<h2>Further measures</h2>")[1].split("</section>")[0]
    assert "<h3>cal.ece (%), lower is better</h3>" in section
    assert "class_0" not in section
    assert '<td><span class="gain"><b>-5.0 [-6.0, -4.0]</b></span></td>' in section
    assert "<td><span>-5.0 [-20.0, +10.0]</span></td>" in section
    assert "cal.ece: 2 gains with 95% intervals over seeds; 1 exclude 0" in section
    assert "Holm" in section
    assert Reader(section).tables[0][0] == [
        "ticket", "remaining", "natural", "robust", "gain of robust",
    ]  # fmt: skip


def test_a_further_measure_of_several_transfers_is_one_table():
    further = [further_row("natural", transfer=name) for name in ("finetune", "linear")]
    section = render(TABLE, further=further).split("<h2>Further measures</h2>")[1]
    (table,) = Reader(section.split("</section>")[0]).tables
    assert [line[0] for line in table] == ["transfer", "finetune", "linear"]


@pytest.mark.parametrize(
    ("mode", "statistics", "said", "unsaid"),
    [
        ("linear", "batch", ["head alone of all weights", "re-estimated on the target"], []),
        ("linear", "frozen", ["head alone of all weights", "stay the ticket"], ["re-estimated"]),
        ("finetune", "batch", ["every surviving weight", "re-estimated on the target"], ["head"]),
    ],
)
def test_what_a_transfer_moves_is_told_above_its_table(mode, statistics, said, unsaid):
    config = configured()
    finetune = config["transfers"]["finetune"]
    train = {**finetune["train"], "statistics": statistics}
    config["transfers"] = {"finetune": {**finetune, "mode": mode, "train": train}}
    page = render(TABLE, config=config)
    told = page.split("<h3>finetune</h3>")[1].split("<table>")[0]
    assert all(words in told for words in said)
    assert not any(words in told for words in unsaid)


@pytest.mark.parametrize(("seeds", "text"), [(1, "over 1 seed."), (3, "over 3 seeds.")])
def test_the_number_of_seeds_is_told(seeds, text):
    assert text in render([row("natural", 0.5, seeds=seeds, seeds_asked=seeds)])


def test_the_page_needs_nothing_beside_it():
    page = render(TABLE, cells=[cell()], tickets={"Overlap": b"picture"})
    for tag, attributes in Reader(page).tags:
        assert tag not in ("link", "iframe", "object", "base")
        assert tag == "img" or "src" not in attributes
        assert attributes.get("src", "data:").startswith("data:")
        where = attributes.get("href", "#")  # links to what lies beside it in its run folder
        assert where.startswith(("#", "../draw-x/")) or "/" not in where
    assert "http:" not in page
    assert "https:" not in page
    assert "@import" not in page


def test_the_page_says_what_it_may_run_and_fetch():
    reader = Reader(render(TABLE))
    (policy,) = (
        attributes["content"] for _, attributes in reader.tags if "http-equiv" in attributes
    )
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    for name, text in (("style-src", reader.scripts[0]), ("script-src", reader.scripts[-1])):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert rules[name] == f"'sha256-{digest}'"


def test_data_for_the_script_cannot_end_its_element():
    values = [{"name": "</script><!--\u2028&amp;"}]
    text = embedded(values)
    assert not set(text) & set("<>&\u2028")
    assert json.loads(text) == values
    with pytest.raises(ValueError, match="JSON"):
        embedded([float("nan")])


def test_charts_are_data_with_the_numbers_of_the_tables():
    charts = json.loads(Reader(render(TABLE)).scripts[1])
    assert [chart["title"] for chart in charts] == ["finetune, accuracy"]
    named = {series["name"]: series["points"] for series in charts[0]["series"]}
    assert list(named) == ["natural", "natural, dense", "robust", "robust, dense"]
    (point,) = named["robust"]
    assert [point[key] for key in ("x", "y", "low", "high")] == pytest.approx([10, 85, 84, 86])
    assert point["text"][1] == "85.0 ± 1.0%, 3 seeds"
    assert "+5.0" in point["text"][2]
    assert charts[0]["y"]["label"] == "test accuracy (%)"


def test_pictures_are_inside():
    reader = Reader(render(TABLE, tickets={"Overlap": b"picture"}))
    (image,) = (attributes for tag, attributes in reader.tags if tag == "img")
    assert image["alt"] == "Overlap"
    assert base64.b64decode(image["src"].removeprefix("data:image/png;base64,")) == b"picture"


def facts_under(page, heading):
    after = page.split(f"<h2>{heading}</h2>")[1]
    texts = Reader(f"<p>{after.split('</dl>')[0]}</dl></p>").texts
    return dict(zip(texts[1::2], texts[2::2], strict=False))


def test_every_heading_says_what_its_numbers_are_of():
    evaluate = configured()["evaluate"]
    attack = {"name": "pgd", "norm": "linf", "eps": 8 / 255, "num_steps": 5, "restarts": 1}
    config = configured(seeds=[0, 4], evaluate={**evaluate, "attacks": {"pgd": attack}})
    table = [row("natural", 0.5), row("natural", 0.25, metric="pgd")]
    measured = cell(clean={"value": 0.5, "low": 0.4, "high": 0.6, "examples": 1000})
    page = render(table, config=config, cells=[measured])
    assert facts_under(page, "Clean accuracy") == {
        "data": "mnist5k", "split": "test", "examples": "1,000", "threat": "no attack",
        "statistics": "adapt", "seeds": "0, 4", "commit": "c0ffee", "device": "abacus",
        "date": "2026-01-02",
    }  # fmt: skip
    under = facts_under(page, "Accuracy under pgd")
    assert under["threat"] == "pgd, L\N{INFINITY}, eps 8/255, 5 steps"
    every = ("All cells", "Source networks", "Can values under attack be trusted?")
    for heading in every:
        known = facts_under(page, heading)
        assert {
            "data",
            "split",
            "threat",
            "statistics",
            "seeds",
            "commit",
            "device",
            "date",
        } <= set(known)


def test_all_cells_are_in_a_table_with_all_digits_and_links():
    page = render(TABLE, cells=[cell(finding(passed=True))])
    head, line = Reader(page).tables[1]
    assert head == [
        "transfer",
        "ticket",
        "remaining",
        "objective",
        "seed",
        "accuracy (%)",
        "folders",
    ]
    assert line[:6] == ["linear", "omp", "10%", "robust", "1", "90.0 [88.0, 91.5]"]
    assert 'data-v="0.9"' in page
    assert 'href="../draw-x/ticket/ticket.json"' in page


def test_rates_that_were_chosen_stand_beside_the_cells_and_ends_of_ladders_are_told_first():
    chosen = {"learning_rate": 0.5, "weight_decay": 0.0005}
    at_end = {**chosen, "ladder_ends": ["learning_rate 0.5 is the largest"]}
    page = render(TABLE, cells=[cell(chosen=chosen), cell(chosen=at_end)])
    tables = [table for table in Reader(page).tables if table[0][:2] == ["transfer", "ticket"]]
    rates = [line[tables[0][0].index("learning rate")] for line in tables[0][1:]]
    assert rates == ["0.5", "0.5*"]
    assert "learning_rate 0.5 is the largest" in page[: page.index("<section")]


def test_what_a_reader_must_know_comes_first():
    failed = [{"seed": 0, "objective": "natural", "reason": "loss is nan"}]
    page = render(TABLE, cells=[cell(finding())], failed=failed)
    first = page[: page.index("<section")]
    assert "1 network(s) could not be measured" in first
    assert "1 of 1 evaluations under attack" in first


def test_nothing_is_said_about_trust_where_nothing_was_checked():
    assert "trusted" not in render(TABLE)


def test_a_study_without_doubts_says_so_in_one_sentence():
    reader = Reader(render(TABLE, cells=[cell(finding(passed=True)), cell()]))
    assert "2 of 2 evaluations passed every check." in reader.texts
    assert len(reader.tables) == 3


def test_doubts_are_listed_with_what_was_found_and_about_which_attack():
    failed = cell(finding(), finding(passed=True), finding("model, l2", "steps", message="more"))
    network = {**source("natural", 3), "honesty": honesty(finding(message="1 < 2"))}
    page = render(TABLE, [network, source()], cells=[cell(finding(passed=True)), failed])
    reader = Reader(page)
    assert "1 of 3 evaluations passed every check." in reader.texts
    assert reader.tables[-1] == [
        ["transfer", "objective", "ticket", "sparsity", "seed", "found"],
        ["source network", "natural", "", "", "3", "pgd: eps: 1 < 2"],
        ["linear", "robust", "omp", "0.9", "1", "pgd: eps: seen; model, l2: steps: more"],
    ]
    assert page.index("<h2>Source networks") < page.index("<h2>Can values under attack")


def test_the_page_says_how_strong_the_attacks_are():
    strength = finding(check="weak attack", passed=True, message="6 < 7 evaluations")
    reader = Reader(render(TABLE, cells=[cell(strength)]))
    assert "pgd: 6 < 7 evaluations." in reader.texts


def test_the_page_is_well_formed():
    page = render(TABLE, cells=[cell(finding())])
    assert page.startswith("<!doctype html>")
    assert Reader(page).open == []


def test_names_are_text_and_never_markup():
    table = [
        row("natural", 0.5, metric=EVIL, transfer=EVIL, draw=EVIL),
        row(EVIL, 0.5, 0.1, metric=EVIL, transfer=EVIL, draw=EVIL),
    ]
    sources = [source(EVIL, 0, **{EVIL: 0.5})]
    doubtful = cell(finding(EVIL, EVIL, message=EVIL), transfer=EVIL, draw=EVIL, objective=EVIL)
    doubtful |= {"ticket": EVIL, "attacks": {EVIL: {"value": 0.5, "low": 0.4, "high": 0.6}}}
    config = configured(EVIL, EVIL, transfers=[EVIL])
    page = render(table, sources, config, [doubtful], {EVIL: b""})
    reader = Reader(page)
    assert [tag for tag, _ in reader.tags].count("script") == 2  # ours
    assert page.count("<script") == page.count("</script") == 2
    known = {"lang", "charset", "class", "alt", "src", "href", "id", "name", "content", "scope"}
    known |= {"http-equiv", "type", "aria-label", "data-v", "data-chart"}
    known |= {"data-filter", "data-measure", "data-plain"}
    assert {name for _, attributes in reader.tags for name in attributes} <= known
    assert reader.texts.count(EVIL) >= 7
    assert EVIL in [attributes.get("alt") for _, attributes in reader.tags]
    assert not [a for _, a in reader.tags if a.get("href", "").startswith(("javascript", "//"))]


def test_the_configuration_is_printed_at_the_end():
    page = render(TABLE, config=configured("a < b"))
    (text,) = (text for text in Reader(page).texts if '"name": "a < b"' in text)
    assert json.loads(text)["baseline"] == "natural"
    assert page.index("<h2>Configuration</h2>") > page.rindex("</table>")


def test_a_page_of_anything_has_a_title_and_no_charts():
    reader = Reader(document("a < b", "<p>text</p>"))
    assert {"a < b", "text"} <= set(reader.texts)
    assert json.loads(reader.scripts[1]) == []
