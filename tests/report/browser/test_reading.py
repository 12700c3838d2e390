"""Reading the page: sorted, filtered, narrow, dark, printed, without scripts."""

import os
from pathlib import Path

import pytest

from tests.report.browser.conftest import CHROMIUM, lines_of

if CHROMIUM is None:
    pytest.skip("needs Chromium: apt-get install chromium", allow_module_level=True)
if "RTICKETS_CHROMIUM" not in os.environ:
    pytest.importorskip("playwright")


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
