"""A page as a document: whole in itself, well formed, names as text, charts as data."""

import base64
import hashlib
import json

import pytest

from rtickets.report.document import document, embedded
from tests.report.page.conftest import TABLE, Reader, cell, configured, finding, render, row, source

EVIL = '<script>alert("x")</script>&\'"'


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
