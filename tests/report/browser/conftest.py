"""A study's page in a browser."""

import itertools
import os
import shutil

import pytest

from rtickets.report import write_report

# `.ci/run` names a browser, so that nothing is skipped there.
CHROMIUM = os.environ.get("RTICKETS_CHROMIUM") or shutil.which("chromium")
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
