"""The report's page in a browser: no error, sorting, provenance, both themes, and no sideways scrolling."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from benchmarks.papers.tdam import PAPER
from benchmarks.report.report import Wanted, write_report
from tests.recorded import kept, recorded_all
from tests.sessions import make_session

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
WIDTHS = (390, 1440)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of made-up records, with the claims and three kinds of tables and figures."""
    root = tmp_path_factory.mktemp("page")
    session = make_session(root, "mini")
    store = kept(recorded_all(session), session.store)
    write_report(Wanted(PAPER, ("table1", "table4", "fig8", "claims")), store, root / "report")
    return root / "report" / "index.html"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # Without a sandbox, for CI runs as root in a container; it opens a local file only.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(params=WIDTHS)
def page(request: pytest.FixtureRequest, browser: Browser, report: Path) -> Iterator[Page]:
    """The page, offline; the test fails if the console had an error or anything was asked of the network."""
    context = browser.new_context(
        viewport={"width": request.param, "height": 900}, color_scheme="light", offline=True, reduced_motion="reduce"
    )
    page = context.new_page()
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda asked: wrong.append(asked.url) if not asked.url.startswith(("file:", "data:")) else None)
    page.goto(report.as_uri())
    yield page
    context.close()
    assert wrong == []


def test_page_never_scrolls_sideways(page: Page) -> None:
    for theme in ("light", "dark"):
        widths = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
        assert widths[0] <= widths[1], theme
        page.locator("#theme").click()


def test_every_figure_is_drawn_and_described(page: Page) -> None:
    images = page.locator("figure img")
    assert images.count() >= 3
    for index in range(images.count()):
        image = images.nth(index)
        assert image.get_attribute("alt")
        assert image.evaluate("one => one.complete && one.naturalWidth > 0")


def column(page: Page, table: str, index: int) -> list[float | None]:
    """Values of a column from top to bottom, None where a cell has no number."""
    cells = page.locator(f"#{table} tbody tr").evaluate_all(
        "(rows, index) => rows.map(row => row.cells[index].dataset.value ?? null)", index
    )
    return [None if cell is None else float(cell) for cell in cells]


@pytest.mark.parametrize(("table", "index"), [("table-claims", 0), ("table-table1", 2)])
def test_columns_sort_in_both_directions(page: Page, table: str, index: int) -> None:
    button = page.locator(f"#{table} thead th").nth(index).locator("button")
    head = page.locator(f"#{table} thead th").nth(index)
    for direction, reverse in (("ascending", False), ("descending", True)):
        button.click()
        expect(head).to_have_attribute("aria-sort", direction)
        values = column(page, table, index)
        numbers = [value for value in values if value is not None]
        assert len(numbers) >= 10
        assert numbers == sorted(numbers, reverse=reverse)
        assert values == numbers + [None] * (len(values) - len(numbers))


def test_a_number_tells_where_it_comes_from(page: Page) -> None:
    button = page.locator("#table-table1 button[data-records]:not([data-records=''])").first
    button.click()
    dialog = page.locator("#provenance")
    expect(dialog).to_be_visible()
    identity = button.get_attribute("data-records")
    assert identity is not None
    expect(dialog).to_contain_text(identity.split()[0])
    expect(dialog).to_contain_text("created")
    page.keyboard.press("Escape")
    expect(dialog).not_to_be_visible()


def test_a_claim_opens_its_tests(page: Page) -> None:
    details = page.locator("#table-claims details").first
    details.locator("summary").click()
    expect(details.locator("li").first).to_be_visible()


def luminance(color: str) -> float:
    """Relative luminance of ``rgb(r, g, b)`` (WCAG 2)."""
    levels = [int(level) / 255 for level in re.findall(r"\d+", color)[:3]]
    linear = [level / 12.92 if level <= 0.04045 else ((level + 0.055) / 1.055) ** 2.4 for level in levels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_both_themes_have_contrast(page: Page) -> None:
    backs = []
    for _ in range(2):
        back = page.evaluate("getComputedStyle(document.body).backgroundColor")
        backs.append(luminance(back))
        for selector in ("body", ".notes", "a", ".holds", ".fails", ".undecided"):
            text = page.locator(selector).first.evaluate("one => getComputedStyle(one).color")
            light, dark = sorted((luminance(text), backs[-1]), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, f"{selector} on {back}"
        page.locator("#theme").click()
    assert max(backs) > 0.8
    assert min(backs) < 0.05
