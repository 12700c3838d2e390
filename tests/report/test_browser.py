"""The results page in headless Chromium: what is drawn, sorted, filtered and read."""

import csv
import itertools
import os
import shutil
from pathlib import Path

import pytest

from rtickets.report import write_report

# `.ci/run` names a browser, so that nothing is skipped there.
CHROMIUM = os.environ.get("RTICKETS_CHROMIUM") or shutil.which("chromium")
if CHROMIUM is None:
    pytest.skip("needs Chromium: apt-get install chromium", allow_module_level=True)
if "RTICKETS_CHROMIUM" not in os.environ:
    pytest.importorskip("playwright")
EVIL = "<script>document.title = 'owned'</script></script><img src=x onerror=alert(1)>"


def with_radii(cells):
    """Return the cells of two transfers, under an attack at three radii, with doubts."""
    for transfer, cell in itertools.product(("finetune", "linear"), cells):
        attack = cell["attacks"]["pgd20"]
        curve = [{**attack, "eps": eps, "value": 0.4 - eps} for eps in (0.0, 0.1, 0.2)]
        finding = {"about": EVIL, "check": EVIL, "passed": False, "value": 0.5, "message": EVIL}
        honesty = {"passed": False, "findings": [finding]}
        attacks = {"pgd20": {**attack, "curve": curve}}
        yield {**cell, "transfer": transfer, "attacks": attacks, "honesty": honesty}


@pytest.fixture(scope="module")
def study(tmp_path_factory, study_maker):
    study_in, example_cells = study_maker
    failed = [{"seed": 1, "objective": "robust", "reason": EVIL}]
    found = study_in(tmp_path_factory.mktemp("page"), [*with_radii(example_cells())], failed=failed)
    write_report(found)
    return found.path


@pytest.fixture(scope="module")
def chromium():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def opened(chromium, study):
    """Open a page as a browser of some width and taste would; the test fails if it complains."""
    said, contexts = [], []

    def open_page(file=study / "report.html", width=1280, **options):
        contexts.append(chromium.new_context(viewport={"width": width, "height": 800}, **options))
        page = contexts[-1].new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("dialog", lambda dialog: said.append(dialog.message))
        page.on("request", lambda asked: said.append(asked.url) if asked.url != page.url else None)
        page.goto(f"file://{file}")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert [text for text in said if not text.endswith("/report.html")] == []


def lines_of(page):
    """Return the cells that the table shows, by column."""
    return page.evaluate("""() => {
        const table = document.querySelector("section.cells table");
        const names = [...table.tHead.rows[0].cells].map((cell) => cell.textContent);
        return [...table.tBodies[0].rows].filter((row) => !row.hidden).map((row) =>
            Object.fromEntries([...row.cells].map((cell, i) =>
                [names[i], cell.dataset.v ?? cell.textContent])));
    }""")


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


def test_cells_are_sorted_by_their_values_and_put_back(opened):
    page = opened()
    heading = page.locator("section.cells th", has_text="accuracy (%)").first
    before = lines_of(page)
    for way, reverse in (("ascending", False), ("descending", True)):
        heading.locator("button").press("Enter")
        assert heading.get_attribute("aria-sort") == way
        values = [float(line["accuracy (%)"]) for line in lines_of(page)]
        assert values == sorted(values, reverse=reverse)
        assert values[0] != values[-1]
    heading.locator("button").click()
    assert heading.get_attribute("aria-sort") is None
    assert lines_of(page) == before


def test_cells_are_filtered_by_what_they_are(opened):
    page = opened()
    section = page.locator("section.cells")
    assert section.locator("output").inner_text() == "16 of 16 cells"
    section.get_by_label("objective").select_option("robust")
    section.get_by_label("transfer", exact=True).select_option("linear")
    assert section.locator("output").inner_text() == "4 of 16 cells"
    assert {line["objective"] for line in lines_of(page)} == {"robust"}
    section.locator("input").fill("omp 10%")
    assert section.locator("output").inner_text() == "2 of 16 cells"
    column = section.locator("th", has_text="accuracy under pgd20")
    section.locator(".columns button", has_text="accuracy under pgd20").click()
    assert column.is_hidden()


@pytest.mark.parametrize("width", [320, 390, 768])
def test_no_width_makes_the_page_scroll_sideways(opened, width):
    page = opened(width=width, has_touch=True)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    page.locator("figure.chart").first.locator("g[data-series] .dot").first.tap(force=True)
    assert page.locator("figure.chart .tip").first.is_visible()
    page.locator("details summary").click()
    assert page.evaluate("document.documentElement.scrollWidth") == width


CONTRAST = """() => {
    const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const rgb = (colour) => {
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = colour;
        canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data];
    };
    const light = (colour) => {
        const [r, g, b] = rgb(colour).map((v) =>
            v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = (node) => {
        for (; node; node = node.parentElement) {
            const colour = getComputedStyle(node).backgroundColor;
            if (rgb(colour)[3] === 255) return colour;
        }
        return "white";
    };
    const found = [];
    const compare = (node, colour, what) => {
        const pair = [light(colour), light(behind(node))].sort((a, b) => b - a);
        found.push([(pair[0] + 0.05) / (pair[1] + 0.05), what, node.textContent.slice(0, 40)]);
    };
    const drawn = document.querySelector("figure.chart > svg");
    for (let k = 0; k < 6; k++) {
        const line = drawn.appendChild(document.createElementNS(drawn.namespaceURI, "path"));
        line.setAttribute("class", `line c${k}`);
        line.setAttribute("d", "M0 0H9");
    }
    for (const node of document.body.querySelectorAll("*")) {
        const own = [...node.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
        const style = getComputedStyle(node);
        if (!node.checkVisibility() || node.closest("button:disabled")) continue;
        if (node.matches(".line")) compare(node, style.stroke, "line");
        else if (own) compare(node, node.closest("svg") ? style.fill : style.color, "text");
    }
    return found;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everything_stands_out_in_light_and_dark(opened, scheme):
    page = opened(color_scheme=scheme)
    found = page.evaluate(CONTRAST)
    assert {what for _, what, _ in found} == {"text", "line"}
    least = {"text": 4.5, "line": 3}
    assert [each for each in found if each[0] < least[each[1]]] == []
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(255, 255, 255)") == (scheme == "light")


def test_the_reader_may_choose_light_or_dark(opened):
    page = opened(color_scheme="light")
    button = page.locator(".theme")
    shown = []
    for _ in range(3):
        button.click()
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        shown.append((button.inner_text(), background == "rgb(255, 255, 255)"))
    assert shown == [("light", True), ("dark", False), ("auto", True)]


def test_without_javascript_the_tables_are_there(opened):
    page = opened(java_script_enabled=False)
    assert page.locator("figure.chart").first.is_hidden()
    assert page.locator("noscript").first.is_visible()
    assert page.locator("td", has_text="87.0 ± 2.8").first.is_visible()


def test_it_is_printed_whole_and_on_white(opened):
    page = opened(color_scheme="dark")
    page.emulate_media(media="print")
    assert page.locator("nav").is_hidden()
    assert page.evaluate("getComputedStyle(document.querySelector('.tall')).maxHeight") == "none"
    assert page.pdf().startswith(b"%PDF")


def test_what_is_put_into_the_page_afterwards_is_not_run(chromium, study, tmp_path):
    text = (study / "report.html").read_text()
    file = tmp_path / "report.html"
    file.write_text(text.replace("</body>", "<script>document.title = 'owned'</script></body>"))
    page = chromium.new_page()
    page.goto(Path(file).as_uri())
    assert page.title() == "small"
    page.close()
