"""Numbers and charts of the page as a browser shows them."""

import csv
import os

import pytest

from tests.report.browser.conftest import CHROMIUM, lines_of

if CHROMIUM is None:
    pytest.skip("needs Chromium: apt-get install chromium", allow_module_level=True)
if "RTICKETS_CHROMIUM" not in os.environ:
    pytest.importorskip("playwright")


def test_numbers_on_the_page_are_those_of_the_csv(opened, study):
    lines = list(csv.DictReader((study / "results.csv").read_text().splitlines()))
    expected = {}
    for line in lines:
        left = f"{100 * (1 - float(line['sparsity'])):g}%"
        key = (line["transfer"], line["draw"], left, line["objective"], line["seed"])
        expected.setdefault(key, {})[line["metric"]] = float(line["value"])
    found = {}
    for line in lines_of(opened()):
        key = tuple(line[name] for name in ("transfer", "ticket", "remaining", "objective", "seed"))
        found[key] = {
            "clean": float(line["accuracy (%)"]),
            "pgd20": float(line["accuracy under pgd20 (%)"]),
        }
    assert len(found) == 16
    assert found == expected


def test_values_on_the_page_are_shown_in_percent_with_intervals(opened):
    shown = opened().locator("section.cells td[data-v='0.8']").first.inner_text()
    assert shown == "80.0 [80.0, 81.0]"


def test_charts_are_drawn_and_hover_shows_the_value_of_the_table(opened):
    page = opened()
    assert page.locator("figure.chart").count() == 6
    chart = page.locator("figure.chart").first
    assert chart.locator("g[data-series]").count() == 4
    chart.locator("g[data-series='2'] .dot").first.hover()
    tip = chart.locator(".tip")
    text = tip.inner_text()
    assert text.splitlines()[0] == "robust"
    assert "10% remaining" in text
    assert "87.0 ± 2.8%, 2 seeds" in text
    assert page.locator("td", has_text="87.0 ± 2.8").count() >= 1
    page.mouse.move(5, 5)
    assert tip.is_hidden()


def test_series_are_switched_off_and_on_and_shown_alone(opened):
    chart = opened().locator("figure.chart").first
    drawn = chart.locator("g[data-series]")
    button = chart.locator(".legend button").first
    button.click()
    assert button.get_attribute("aria-pressed") == "false"
    assert drawn.count() == 3
    button.click()
    assert (button.get_attribute("aria-pressed"), drawn.count()) == ("true", 4)
    button.dblclick()
    assert drawn.count() == 1
    button.dblclick()
    assert drawn.count() == 4


def test_dense_networks_are_dashed_over_weights_and_radii(opened):
    page = opened()
    for place in (0, 4):
        chart = page.locator("figure.chart").nth(place)
        button = chart.locator(".legend button", has_text="natural, dense")
        assert button.locator("path.flat").count() == 1
        assert chart.locator("path.line.flat").count() > chart.locator(".legend path.flat").count()


def places(chart):
    dots = chart.locator("g[data-series] .dot")
    return dots.evaluate_all("(all) => all.map((dot) => dot.getAttribute('transform'))")


def test_axes_become_logarithmic_and_back(opened):
    chart = opened().locator("figure.chart").nth(4)  # over the radius: 0 has no logarithm
    buttons = chart.locator(".tools button").all_inner_texts()
    assert buttons == ["log y", "+", "\N{MINUS SIGN}", "all"]
    before = places(chart)
    button = chart.locator(".tools button").first
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    assert places(chart) != before
    button.click()
    assert places(chart) == before


def ticks(chart):
    return [
        float(text) for text in chart.locator(".axes text[text-anchor=end]").all_text_contents()
    ]


def test_a_drag_zooms_and_a_double_click_shows_all(opened):
    page = opened()
    chart = page.locator("figure.chart").nth(4)
    chart.scroll_into_view_if_needed()
    before, low, high = places(chart), *(ticks(chart)[i] for i in (0, -1))
    box = chart.locator("> svg").bounding_box()
    page.mouse.move(box["x"] + 120, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 260, box["y"] + 140, steps=3)
    page.mouse.up()
    assert places(chart) != before
    assert ticks(chart)[-1] - ticks(chart)[0] < high - low
    assert chart.locator(".tools button", has_text="all").is_enabled()
    chart.locator("> svg").dblclick(position={"x": 300, "y": 200})
    assert places(chart) == before


def test_charts_are_read_with_the_keyboard(opened):
    page = opened()
    chart = page.locator("figure.chart").first
    chart.locator("> svg").focus()
    tip, before = chart.locator(".tip"), places(chart)
    page.keyboard.press("ArrowRight")
    assert tip.inner_text().splitlines()[0] == "natural"
    page.keyboard.press("ArrowDown")
    assert tip.inner_text().splitlines()[0] == "natural, dense"
    page.keyboard.press("+")
    assert places(chart) != before
    page.keyboard.press("0")
    assert places(chart) == before
    page.keyboard.press("Escape")
    assert tip.is_hidden()
