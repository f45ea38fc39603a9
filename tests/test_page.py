"""The report's page in a browser: what a reader does with it, at two widths, in both themes, by mouse and by keys."""

import csv
import io
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from benchmarks.core.records import Record
from benchmarks.core.store import Store
from benchmarks.papers.tdam import PAPER
from benchmarks.papers.tdam.sources import SOURCES
from benchmarks.report import report as reports
from benchmarks.report.report import Wanted, write_report
from benchmarks.work.attention import ATTENTION, SHOWN
from tests.recorded import kept, recorded_all
from tests.sessions import make_session

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
NARROW, WIDE = 390, 1440
LARGEST = 1_000_000  # bytes
MAPS = Path(__file__).resolve().parents[1] / "results" / "reference" / "attention"
VIEWS = ("released", "last", "confident")

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Made-up records of all experiments, with the reference's maps: no made-up picture is as large as a real one."""
    session = make_session(tmp_path_factory.mktemp("page"), "mini", seeds=(0, 1))
    (session.store.folder / "attention").mkdir(parents=True)
    return kept((with_maps(record, session.store) for record in recorded_all(session)), session.store)


def with_maps(record: Record, store: Store) -> Record:
    """A record of attention with the maps of its network in the folder; others as they are."""
    if record.cell.kind != ATTENTION.name:
        return record
    path = next(MAPS.glob(f"{record.cell.model}-*.npz"))
    shutil.copy(path, store.folder / "attention")
    told = {"maps": path.name, "classes": [str(digit) for digit in range(10)], "labels": [0] * SHOWN}
    return replace(record, notes=record.notes | told)


def written(store: Store, names: tuple[str, ...], out: Path) -> Path:
    """The page of some experiments."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reports, "pdf", lambda out: [])  # is tested elsewhere
        write_report(Wanted(PAPER, names), store, out)
    return out / "index.html"


@pytest.fixture(scope="module")
def report(store: Store) -> Path:
    """The page of all of them, with the claims."""
    return written(store, PAPER.names, store.folder.parent / "report")


@pytest.fixture(scope="module")
def short(store: Store) -> Path:
    """The page of one table, with a figure and the claims."""
    return written(store, ("table4", "fig4", "claims"), store.folder.parent / "short")


@pytest.fixture(scope="module")
def sparse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of records of one table beside one of which nothing is measured."""
    session = make_session(tmp_path_factory.mktemp("sparse"), "mini", models=("resnet50", "resnet50-se"))
    records = kept(recorded_all(session, ["table4"]), session.store)
    return written(records, ("table4", "table7-tasks", "claims"), session.store.folder.parent / "report")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # Without a sandbox, for CI runs as root in a container; it opens a local file only.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def opened(browser: Browser, report: Path, width: int, link: str = "", **options: Any) -> Iterator[Page]:
    """The page, by a link into it, offline; fails if the console said or anything was asked of the network."""
    settings = {"color_scheme": "light", "offline": True, "reduced_motion": "reduce", **options}
    context = browser.new_context(viewport={"width": width, "height": 900}, **settings)
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda asked: said.append(asked.url) if not asked.url.startswith(("file:", "data:")) else None)
    page.goto(report.as_uri() + link)
    expect(page.locator("html")).to_have_attribute("data-ready", "yes", timeout=60_000)
    yield page
    context.close()
    assert said == []


@pytest.fixture
def page(browser: Browser, report: Path) -> Iterator[Page]:
    """On a wide screen."""
    yield from opened(browser, report, WIDE)


@pytest.fixture(params=(NARROW, WIDE))
def any_page(request: pytest.FixtureRequest, browser: Browser, report: Path) -> Iterator[Page]:
    """On either screen."""
    yield from opened(browser, report, request.param)


@pytest.fixture(params=(NARROW, WIDE))
def sparse_page(request: pytest.FixtureRequest, browser: Browser, sparse: Path) -> Iterator[Page]:
    """The page with a table of which nothing is measured, on either screen."""
    yield from opened(browser, sparse, request.param)


def rows(page: Page, table: str) -> Locator:
    """The rows of a table that are seen."""
    return page.locator(f"#table-{table} tbody tr[id]:visible")


def cell(page: Page, name: str) -> Locator:
    """A cell by its id."""
    return page.locator(f"[id='{name}']")


# ---------------------------------------------------------------- size and width


def test_the_page_is_one_small_file(report: Path) -> None:
    assert report.stat().st_size <= LARGEST


def test_nothing_is_wider_than_its_screen(any_page: Page) -> None:
    """Neither the page nor any of its tables, whichever way of counting is shown."""
    regions = "[document.documentElement, ...document.querySelectorAll('.scroll')]"
    for view in VIEWS:
        any_page.locator(f"input[name=view][value={view}]").check(force=True)
        wide = any_page.evaluate(
            f"{regions}.filter(one => one.scrollWidth > one.clientWidth).map(one => one.className)"
        )
        assert wide == [], view


def test_a_table_that_is_too_wide_scrolls_by_itself_and_keeps_its_first_column(page: Page) -> None:
    """All columns at once: the table's region scrolls, the page does not; heads stay above, methods at the left."""
    page.locator("section:has(#table-table1) .columns summary").click()
    for box in page.locator("section:has(#table-table1) .columns input").all():
        box.check()
    page.keyboard.press("Escape")
    region = page.locator(".scroll:has(#table-table1)")
    assert region.evaluate("one => one.scrollWidth > one.clientWidth")
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    first = page.locator("#table-table1 tbody tr[id] th").first
    before = first.bounding_box()
    region.evaluate("one => one.scrollTo(500, 300)")
    assert before is not None
    assert first.bounding_box()["x"] == before["x"]
    top = region.bounding_box()["y"]
    assert page.locator("#table-table1 thead").bounding_box()["y"] == pytest.approx(top, abs=1)


def test_heads_stay_below_the_tools(page: Page) -> None:
    """Both levels of a table's heads are in view where its rows are."""
    cell(page, "table1.resnet101").evaluate("one => one.scrollIntoView({block: 'center'})")
    tools = page.locator("#tools").bounding_box()
    for head in ("thead tr:first-child th", "thead tr:last-child th"):
        box = page.locator(f"#table-table1 {head}:visible").first.bounding_box()
        assert tools["height"] - 1 <= box["y"] < 300


def test_rows_are_cards_on_a_small_screen(browser: Browser, report: Path) -> None:
    """Each number stands beside its column's name; values stand below each other."""
    for page in opened(browser, report, NARROW):
        row = cell(page, "table1.resnet50-se")
        seen = row.locator("td:visible")
        labels = seen.evaluate_all("cells => cells.map(one => getComputedStyle(one, '::before').content)")
        assert labels[:2] == ['"Params [M]"', '"FLOPs [G]"']
        lefts = {round(one.bounding_box()["x"]) for one in seen.all()}
        assert len(lefts) == 1


def test_every_figure_is_drawn_and_described(any_page: Page) -> None:
    images = any_page.locator("figure img")
    assert images.count() >= 10
    for image in images.all():
        assert image.get_attribute("alt")
        assert image.evaluate("one => one.complete && one.naturalWidth > 0")
    assert any_page.locator("figure img[src^='data:image/webp']").count() == 2  # the two grids of figure 5


# ---------------------------------------------------------------- the answer


def test_the_first_screen_answers_by_scope(any_page: Page) -> None:
    cards = any_page.locator(".scopes article")
    assert cards.locator("h3").all_inner_texts() == ["Architecture", "Speed and memory", "Accuracy", "Accuracy"]
    for place in range(3):
        assert re.fullmatch(
            r"\d+ of \d+ claims hold(, \d+ not run)?", cards.nth(place).locator(".headline").inner_text()
        )
    assert cards.nth(3).locator(".headline").inner_text() == "not run"
    assert cards.nth(3).locator("code").inner_text().startswith("tdam-bench run --profile full")
    assert any_page.locator(".scopes article:has(code)").count() == 1
    counted = re.findall(r"of (\d+)|, (\d+) not run", " ".join(cards.locator(".headline").all_inner_texts()))
    assert (
        sum(int(number) for one in counted for number in one if number)
        == any_page.locator(".claim").count()
        == len(PAPER.claims())
    )


def test_verdicts_are_told_by_sign_and_word(page: Page) -> None:
    """Not by color alone, of claims and of numbers."""
    for text in page.locator(".claim > p .word").all_inner_texts():
        assert re.fullmatch(r"(✓ HOLDS|✗ FAILS|\? UNDECIDED|○ NOT RUN)", text)
    words = page.locator("td small b").all_inner_texts()
    assert len(words) > 100
    known = {"✓ reproduced", "≈ consistent", "✗ differs", "? undecided", "· not comparable", "○ not run", "+ new", ""}
    assert set(words) <= known


def test_what_was_not_run_comes_with_its_command(sparse_page: Page) -> None:
    cards = sparse_page.locator(
        ".scopes article", has=sparse_page.locator(".headline", has_text=re.compile("^not run$"))
    )
    commands = [" ".join(text.split()) for text in cards.locator("code").all_inner_texts()]
    assert len(commands) == cards.count() == 3
    assert commands[1] == "tdam-bench run efficiency --profile mini"


# ---------------------------------------------------------------- what is folded


def fold(page: Page, section: str) -> Locator:
    """The folded part of a section."""
    return page.locator(f"section:has(h2#{section}) > .fold")


def test_what_nothing_is_measured_of_is_folded(sparse_page: Page) -> None:
    """With a line that says so and names the command; what was measured stands open."""
    assert sparse_page.locator(".fold").count() == 2
    expect(sparse_page.locator("#table-table4")).to_be_visible()
    section = sparse_page.locator("section:has(h2#table7-tasks)")
    assert section.locator("> p code").inner_text().strip() == "tdam-bench run table7-tasks --profile mini"
    assert "othing of it is measured" in section.locator("> p").inner_text()
    for name, inner in (("table7-tasks", "#table-table7-tasks"), ("deviations", ".prose")):
        expect(fold(sparse_page, name).locator(inner)).to_be_hidden()
        fold(sparse_page, name).locator("> summary").focus()
        sparse_page.keyboard.press("Enter")
        expect(fold(sparse_page, name).locator(inner)).to_be_visible()
    wide = sparse_page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
    assert not wide


def test_links_open_what_is_folded(sparse_page: Page) -> None:
    """To a cell, and from the contents to a section."""
    target = sparse_page.locator("#table-table7-tasks td[id]").first
    name = str(target.get_attribute("id"))
    sparse_page.evaluate("name => { location.hash = name; }", name)
    expect(target).to_be_in_viewport()
    sparse_page.locator("nav a[href='#deviations']").click()
    expect(fold(sparse_page, "deviations").locator(".prose")).to_be_visible()


def test_a_search_opens_what_is_folded_and_closes_it_again(sparse_page: Page) -> None:
    """A table by its rows, the deviations by their words; what the reader opened stays open."""
    sparse_page.fill("#search", "table7-tasks")
    expect(sparse_page.locator("#table-table7-tasks")).to_be_visible()
    expect(sparse_page.locator("section:has(h2#deviations)")).to_be_hidden()
    sparse_page.fill("#search", "searchlight biases")
    expect(sparse_page.locator(".prose tbody tr:visible")).to_have_count(1)
    expect(sparse_page.locator("#found")).to_contain_text("1 place in the deviations")
    sparse_page.fill("#search", "")
    expect(sparse_page.locator(".fold[open]")).to_have_count(0)
    sparse_page.select_option("#verdict", "not-run")
    expect(sparse_page.locator("#table-table7-tasks")).to_be_visible()
    sparse_page.select_option("#verdict", "")
    expect(sparse_page.locator(".fold[open]")).to_have_count(0)
    fold(sparse_page, "deviations").locator("> summary").click()
    sparse_page.fill("#search", "searchlight biases")
    sparse_page.fill("#search", "")
    expect(sparse_page.locator(".prose")).to_be_visible()


def test_on_paper_nothing_is_folded(sparse_page: Page) -> None:
    sparse_page.evaluate("dispatchEvent(new Event('beforeprint'))")
    expect(sparse_page.locator(".fold[open]")).to_have_count(2)
    sparse_page.evaluate("dispatchEvent(new Event('afterprint'))")
    expect(sparse_page.locator(".fold[open]")).to_have_count(0)


# ---------------------------------------------------------------- search, verdicts, columns


def test_search_leaves_what_has_all_words(page: Page) -> None:
    before = rows(page, "table1").count()
    page.fill("#search", "table1 cbam")
    shown = rows(page, "table1").locator("th").all_inner_texts()
    assert 0 < len(shown) < before
    assert all("CBAM" in text for text in shown)
    expect(page.locator("#found")).to_contain_text(f"{len(shown)} rows")
    assert page.locator("#table-table4").is_hidden()
    page.fill("#search", "no such words")
    expect(page.locator("#found")).to_have_text("0 claims, 0 rows")
    page.fill("#search", "")
    assert rows(page, "table1").count() == before


def test_a_search_without_a_hit_says_so(any_page: Page) -> None:
    """In one line, with a button that takes it back."""
    line = any_page.locator("#nothing")
    expect(line).to_have_text("")
    any_page.fill("#search", "no such words")
    expect(line).to_have_text("Nothing has “no such words”; clear the search")
    any_page.select_option("#verdict", "fails")
    expect(line).to_have_text("Nothing has “no such words” and the verdict “fails”; clear the search and the verdict")
    line.locator("button").focus()
    any_page.keyboard.press("Enter")
    expect(line).to_have_text("")
    assert any_page.locator("#search").input_value() == any_page.locator("#verdict").input_value() == ""
    assert any_page.locator("tbody tr[id]:visible").count() > 0
    assert any_page.evaluate("document.activeElement.id") == "search"


@pytest.mark.parametrize(("word", "claims"), [("fails", True), ("differs", False), ("undecided", True)])
def test_a_verdict_leaves_what_has_it(page: Page, word: str, claims: bool) -> None:
    page.select_option("#verdict", word)
    assert (page.locator(".claim:visible").count() > 0) == claims
    for claim in page.locator(".claim:visible .word").all_inner_texts()[:1]:
        assert word in claim.lower()
    for row in page.locator("tbody tr[id]:visible").all():
        assert row.locator(f"td.{word}:visible").count() > 0
    assert page.locator(".claim:visible, tbody tr[id]:visible").count() > 0
    assert page.locator(f"td.dim:visible:not(.{word})").count() == page.locator("td.dim:visible").count()


def views_shown(page: Page, table: str) -> set[str]:
    return set(page.locator(f"#table-{table} thead .view:visible").all_inner_texts())


def test_one_toggle_takes_the_place_of_columns(page: Page) -> None:
    """Of each way of counting as many columns as there are; a table without it keeps its own, and says which."""
    every = page.locator("#table-table4 thead th[data-view]").count()
    assert every == 12
    for view in VIEWS:
        page.locator(f"input[name=view][value={view}]").check(force=True)
        assert views_shown(page, "table1") == views_shown(page, "table4") == {view}
        assert page.locator("#table-table4 thead th[data-view]:visible").count() == every / 3
    assert views_shown(page, "fig4") == {"last"}
    assert page.locator("#table-table1 tbody tr[id]").first.locator("td:visible").count() == (
        page.locator("#table-table1 thead tr:last-child th:visible").count() - 1
    )


def test_columns_can_be_hidden_and_shown(page: Page) -> None:
    menu = page.locator("section:has(#table-table1) .columns")
    menu.locator("summary").click()
    head = page.locator("#table-table1 thead th button", has_text="FLOPs, fvcore")
    expect(head).to_be_hidden()  # a detail
    menu.get_by_label("FLOPs, fvcore [G]").check()
    expect(head).to_be_visible()
    expect(cell(page, "table1.resnet50.fvcore_g")).to_be_visible()
    menu.get_by_label("Params [M]").uncheck()
    expect(cell(page, "table1.resnet50.params_m")).to_be_hidden()
    page.keyboard.press("Escape")
    expect(menu.locator("input").first).to_be_hidden()


def column(page: Page, table: str, place: int) -> list[list[float]]:
    """Values of a column from top to bottom, block by block."""
    texts = page.locator(f"#table-{table} tbody").evaluate_all(
        "(blocks, place) => blocks.map(one => [...one.rows].filter(row => row.id).map(row => row.cells[place]"
        ".querySelector('button:not([aria-label])')?.firstChild.textContent).filter(Boolean))",
        place,
    )
    return [[float(text) for text in block] for block in texts]


def test_columns_sort_in_both_directions_within_their_block(page: Page) -> None:
    button = page.locator("#table-table1 thead tr:last-child th").nth(1).locator("button")
    head = page.locator("#table-table1 thead tr:last-child th").nth(1)
    before = column(page, "table1", 1)
    for direction, reverse in (("ascending", False), ("descending", True)):
        button.click()
        expect(head).to_have_attribute("aria-sort", direction)
        blocks = column(page, "table1", 1)
        assert max(map(len, blocks)) >= 6
        assert blocks == [sorted(block, reverse=reverse) for block in blocks]
        assert [sorted(block) for block in blocks] == [sorted(block) for block in before]


def without_number(page: Page, table: str, place: int) -> list[list[bool]]:
    """Whether cells of a column are without a number, block by block; blocks in which all are alike are left out."""
    blocks: list[list[bool]] = page.locator(f"{table} tbody").evaluate_all(
        "(blocks, place) => blocks.map(one => [...one.rows].filter(row => row.id).map(row =>"
        " !row.cells[place]?.querySelector('button:not([aria-label])')))",
        place,
    )
    return [block for block in blocks if 0 < sum(block) < len(block)]


def test_cells_without_a_number_come_last_in_both_directions(page: Page) -> None:
    sorted_columns = 0
    for name in page.locator("table[id^='table-']").evaluate_all("tables => tables.map(one => one.id)"):
        heads = page.locator(f"#{name} thead tr:last-child th")
        for place in range(1, heads.count()):
            if heads.nth(place).is_visible() and without_number(page, f"#{name}", place):
                for _ in ("ascending", "descending"):
                    heads.nth(place).locator("button").click()
                    assert all(block == sorted(block) for block in without_number(page, f"#{name}", place))
                sorted_columns += 1
    assert sorted_columns


# ---------------------------------------------------------------- where a number comes from, and links


def test_a_number_tells_value_seeds_and_command_first(page: Page) -> None:
    """Hashes are folded."""
    button = cell(page, "table1.resnet50-se.v1_released_top1").locator("button")
    button.click()
    dialog = page.locator("#provenance")
    expect(dialog.locator("h2")).to_contain_text("SE")
    assert dialog.locator(".value").inner_text().startswith(button.inner_text().partition("±")[0])
    command = "tdam-bench run table1 --profile mini --models resnet50-se --seeds 2"
    shown = dialog.locator("dd").all_inner_texts()
    assert any(text.startswith(command) for text in shown)
    assert "0, 1" in shown
    hashes = dialog.locator(".records dd").first
    expect(hashes).to_be_hidden()
    dialog.locator(".records summary").click()
    expect(hashes).to_be_visible()
    expect(dialog).to_contain_text("created")
    page.keyboard.press("Escape")
    expect(dialog).not_to_be_visible()


def test_every_cell_has_a_link_of_its_own(page: Page) -> None:
    ids = page.locator("[id]").evaluate_all("all => all.map(one => one.id)")
    assert len(ids) == len(set(ids))
    assert page.locator("tbody tr[id] td:not([id])").count() == 0
    missing = page.locator("a[href^='#']").evaluate_all(
        "links => links.map(one => one.hash.slice(1)).filter(id => !document.getElementById(decodeURIComponent(id)))"
    )
    assert missing == []


@pytest.mark.parametrize(
    "name", ["table1.resnet50-cbam.v2_last_top1", "table1.resnet101.fvcore_g", "table4.resnet50-eca.r448_confident"]
)
def test_a_link_shows_its_cell_wherever_it_is_hidden(browser: Browser, report: Path, name: str) -> None:
    """In another view, as a detail, behind a search: it is in view, and marked."""
    for page in opened(browser, report, WIDE):
        target = cell(page, name)
        expect(target).to_be_hidden()
        page.fill("#search", "no such words")
        page.evaluate("name => { location.hash = name; }", name)
        expect(target).to_be_visible()
        expect(target).to_be_in_viewport()
        plain = (
            cell(page, name.rpartition(".")[0]).locator("th").evaluate("one => getComputedStyle(one).backgroundColor")
        )
        assert target.evaluate("one => getComputedStyle(one).backgroundColor") != plain


def test_a_page_opened_by_a_link_shows_and_marks_its_cell(browser: Browser, report: Path) -> None:
    """Cells get their ids from the script: the browser finds the one that it was sent to all the same."""
    for page in opened(browser, report, WIDE, "#table1.resnet101-se.params_m"):
        target, row = cell(page, "table1.resnet101-se.params_m"), cell(page, "table1.resnet101-se")
        expect(target).to_be_in_viewport()
        plain = row.locator("th").evaluate("one => getComputedStyle(one).backgroundColor")
        assert target.evaluate("one => getComputedStyle(one).backgroundColor") != plain


def test_a_number_is_linked_from_its_dialog(page: Page) -> None:
    cell(page, "table1.resnet50-se.params_m").locator("button").click()
    page.locator("#permalink").click()
    expect(page.locator("#provenance")).not_to_be_visible()
    assert page.url.endswith("#table1.resnet50-se.params_m")


def test_claims_link_to_their_numbers_and_back(page: Page) -> None:
    """Claim 1 is on parameters, the one on top-1 rests on the last step's: the links lead to just these."""
    claim = page.locator("#claim-1")
    claim.locator("summary").click()
    link = claim.locator("li a").first
    name = str(link.get_attribute("href")).removeprefix("#")
    assert name.startswith("table1.")
    assert name.endswith(".params_m")
    link.click()
    expect(cell(page, name)).to_be_in_viewport()
    cell(page, name).locator("button").click()
    page.locator("#provenance a", has_text=re.compile("^claim 1$")).click()
    expect(claim).to_be_in_viewport()
    expect(claim.locator("details")).to_have_attribute("open", "")


def test_every_claim_that_compares_networks_links_to_numbers(page: Page) -> None:
    """All but those on where blocks are, and on what no table shows."""
    linked = page.locator(".claim:has(li a[href*='.'])").evaluate_all("all => all.map(one => one.id)")
    assert len(linked) >= 0.8 * page.locator(".claim").count()


def test_rows_link_to_their_papers(page: Page) -> None:
    for model, part in {"resnet50": "resnet", "resnet50-se": "se", "resnet50-td-top-t2-m1": "feedback"}.items():
        link = cell(page, f"table1.{model}").locator("a.source")
        assert link.get_attribute("href") == SOURCES[part].url
        assert link.inner_text() == SOURCES[part].name


def test_controls_are_told_to_be_this_suite_s_own(page: Page) -> None:
    """They are in no paper, that of the networks that they control least of all."""
    row = cell(page, "table1.resnet50-td-joint-t2-m1-live")
    expect(row.locator(".source")).to_have_text("control, this suite's own")
    assert row.locator("a").count() == 0


# ---------------------------------------------------------------- copying


@pytest.fixture
def copied(browser: Browser, report: Path) -> Iterator[Page]:
    """The page, allowed to use the clipboard."""
    yield from opened(browser, report, WIDE, permissions=["clipboard-read", "clipboard-write"])


def copy(page: Page, table: str, style: str) -> str:
    button = page.locator(f"section:has(#table-{table}) [data-copy={style}]")
    button.click()
    expect(button).to_have_text("Copied")
    return str(page.evaluate("navigator.clipboard.readText()"))


def test_a_table_is_copied_as_it_is_shown(copied: Page) -> None:
    """CSV in full precision, LaTeX with its heads, BibTeX of its rows; of the rows that a search leaves."""
    copied.fill("#search", "table1 resnet50 se")
    shown = rows(copied, "table1").count()
    lines = list(csv.DictReader(io.StringIO(copy(copied, "table1", "CSV"))))
    assert len(lines) == shown > 0
    value = cell(copied, "table1.resnet50-se.params_m").locator("button").inner_text()
    se = next(line for line in lines if line["model"] == "resnet50-se")
    assert f"{float(se['Params [M]']):.2f}" == value != se["Params [M]"]
    assert se["Params [M] paper"] == "28.07"
    assert se["Params [M] verdict"] in ("differs", "consistent", "reproduced")

    latex = copy(copied, "table1", "LaTeX")
    assert latex.count(r"\\") >= shown + 3
    assert latex.count("{") == latex.count("}")
    columns = copied.locator("#table-table1 thead tr:last-child th:visible").count()
    assert f"\\begin{{tabular}}{{l{'r' * (columns - 1)}}}" in latex
    (line,) = (line for line in latex.splitlines() if line.startswith("SE &"))
    assert line.count("&") == columns - 1
    assert rf"{value} (\textit{{28.07}})" in line.replace(r"\textbf{", "").replace(f"{value}}}", value)

    assert copy(copied, "table1", "BibTeX") == SOURCES["se"].bibtex


def test_without_a_clipboard_the_text_is_shown(page: Page) -> None:
    page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error('none')); }")
    page.locator("section:has(#table-table1) [data-copy=BibTeX]").click()
    area = page.locator("#copied textarea")
    expect(area).to_be_visible()
    assert area.input_value().count("@inproceedings{") == 6  # ResNet, SE, CBAM, ECA, FCA, and the paper's own


# ---------------------------------------------------------------- image by image


def test_images_that_flip_are_counted_and_pictured(page: Page) -> None:
    out = page.locator("#flip-out")
    assert page.locator("#flip-a").input_value() == "resnet50-td-joint-t2-m1"
    assert page.locator("#flip-b").input_value() == "resnet50"
    numbers = [int(number) for number in re.findall(r"\d+", " ".join(out.locator("> p").all_inner_texts()))]
    numbers += [int(text.split()[0]) for text in out.locator("h3").all_inner_texts()]
    assert sum(numbers) == 400  # the images of made-up records
    pictures = out.locator(".picture")
    assert 0 < pictures.count() <= 40
    assert re.fullmatch(r"image val/\d{6}, class \d", str(pictures.first.get_attribute("aria-label")))
    listed = out.locator("details").first
    listed.locator("summary").click()
    assert len(listed.locator("p").inner_text().split(", ")) == numbers[2]
    page.select_option("#flip-a", "resnet50")
    assert [text.split()[0] for text in out.locator("h3").all_inner_texts()] == ["0", "0"]


# ---------------------------------------------------------------- themes, keys, accessibility


def luminance(color: str) -> float:
    """Relative luminance of ``rgb(r, g, b)`` (WCAG 2)."""
    levels = [int(level) / 255 for level in re.findall(r"\d+", color)[:3]]
    linear = [level / 12.92 if level <= 0.04045 else ((level + 0.055) / 1.055) ** 2.4 for level in levels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_both_themes_have_contrast(any_page: Page) -> None:
    backs = []
    for _ in range(2):
        back = any_page.evaluate("getComputedStyle(document.body).backgroundColor")
        backs.append(luminance(back))
        for selector in ("body", ".notes", "main a", ".fails", ".undecided", "td.differs b", "td.undecided b"):
            text = any_page.locator(selector).first.evaluate("one => getComputedStyle(one).color")
            light, dark = sorted((luminance(text), backs[-1]), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, f"{selector} on {back}"
        any_page.locator("#theme").click()
    assert max(backs) > 0.8
    assert min(backs) < 0.05


def test_the_system_s_theme_is_the_first(browser: Browser, report: Path) -> None:
    for page in opened(browser, report, WIDE, color_scheme="dark"):
        assert luminance(page.evaluate("getComputedStyle(document.body).backgroundColor")) < 0.05
        expect(page.locator("#theme")).to_have_text("Light theme")


def tab_to(page: Page, selector: str, most: int = 80) -> None:
    """Press Tab until an element has the focus, which must be seen."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            outline = page.evaluate(
                "getComputedStyle(document.activeElement.matches('[type=radio]') ? "
                "document.activeElement.nextElementSibling : document.activeElement).outlineStyle"
            )
            assert outline == "solid"
            return
    raise AssertionError(f"{selector} is not reached by Tab")


def test_all_of_it_works_by_keyboard(page: Page) -> None:
    """Theme, search, verdict, view, a claim's tests, columns, sorting, a number, its dialog, and back."""
    tab_to(page, "#theme")
    page.keyboard.press("Enter")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    tab_to(page, "#search")
    page.keyboard.type("table1 resnet50")
    tab_to(page, "#verdict")
    page.keyboard.press("ArrowDown")
    expect(page.locator("#verdict")).not_to_have_value("")
    page.keyboard.press("Home")
    tab_to(page, "input[name=view]")
    page.keyboard.press("ArrowRight")
    assert views_shown(page, "table1") == {"last"}
    tab_to(page, "section:has(#table-table1) .columns summary")
    page.keyboard.press("Enter")
    tab_to(page, "section:has(#table-table1) .columns input")
    page.keyboard.press("Space")
    expect(cell(page, "table1.resnet50.params_m")).to_be_hidden()
    page.keyboard.press("Escape")
    tab_to(page, "#table-table1 thead button")
    page.keyboard.press("Enter")
    assert page.locator("#table-table1 th[aria-sort]").count() == 1
    tab_to(page, "#table-table1 td button")
    page.keyboard.press("Enter")
    expect(page.locator("#provenance")).to_be_visible()
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.matches('#table-table1 td button')")


def test_a_claim_opens_by_keyboard(page: Page) -> None:
    tab_to(page, ".claim summary")
    page.keyboard.press("Enter")
    expect(page.locator(".claim details[open] li").first).to_be_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [NARROW, WIDE])
def test_axe_finds_nothing_serious(browser: Browser, short: Path, width: int, theme: str) -> None:
    """Of the page as it opens, with a claim's tests, with a menu of columns, and of a number's dialog."""
    for page in opened(browser, short, width, color_scheme=theme):
        page.locator(".claim summary").first.click()
        page.locator(".columns summary").first.click()
        assert serious(page) == []
        page.keyboard.press("Escape")
        page.locator("td button:visible").first.click()
        expect(page.locator("#provenance")).to_be_visible()
        assert serious(page) == []


def test_axe_finds_nothing_serious_in_what_is_folded(sparse_page: Page) -> None:
    """Closed, open, and where a search has no hit."""
    assert serious(sparse_page) == []
    for one in sparse_page.locator(".fold > summary").all():
        one.click()
    assert serious(sparse_page) == []
    sparse_page.fill("#search", "no such words")
    assert serious(sparse_page) == []


def test_axe_finds_what_is_wrong(browser: Browser, short: Path) -> None:
    for page in opened(browser, short, WIDE):
        page.evaluate("document.querySelector('h1').style.color = '#eee'")
        page.evaluate("document.querySelector('figure img').removeAttribute('alt')")
        assert {name for name, _ in serious(page)} == {"color-contrast", "image-alt"}


def serious(page: Page) -> list[tuple[str, list[str]]]:
    """What axe-core finds that is serious or critical: the rule, and where."""
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    bad = [one for one in found if one["impact"] in ("serious", "critical")]
    return [(one["id"], [str(node["target"]) for node in one["nodes"]]) for one in bad]
