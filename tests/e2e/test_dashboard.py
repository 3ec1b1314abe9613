"""The dashboard in Chromium: edits by click, live updates, hostile names, and accessibility."""

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from proxy.control.history.entries import version_of
from tests.support.browser import complaints_of
from tests.support.dashboard_site import HOSTILE, TABLE, Site, site
from tests.support.waiting import until

TOKEN = sha256(b"the dashboard").hexdigest()
WIDTHS = (390, 768, 1280, 1600)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A facade whose table each test leaves as it was."""
    with site(tmp_path_factory.mktemp("dashboard")) as made:
        yield made


@pytest.fixture
def dashboard(running: Site) -> Iterator[Site]:
    text = running.routes.read_text()
    yield running
    running.routes.write_text(text)
    version = version_of(text.encode())
    until(lambda: running.facade.admin_json("/routes")["table_version"] == version)


@contextmanager
def page_of(browser: Browser, dashboard: Site, **options: object) -> Iterator[Page]:
    """The dashboard in a context of its own. Fails on any complaint of the browser, and on a request elsewhere."""
    context = browser.new_context(**options)  # type: ignore[arg-type]
    page = context.new_page()
    complaints, elsewhere = complaints_of(page), []
    own = urlsplit(dashboard.url).netloc
    page.on(
        "request",
        lambda request: (
            elsewhere.append(request.url) if urlsplit(request.url).netloc != own else None
        ),
    )
    try:
        page.goto(dashboard.url)
        yield page
        # A page that is left ends its event stream.
        assert [each for each in complaints if "/events" not in each] == []
        assert elsewhere == []
    finally:
        context.close()


def fill_why(page: Page, form: str, reason: str = "the canary is fine") -> None:
    """Fill in name and reason of a form, and show the change."""
    section = page.get_by_role("form", name=form)
    section.get_by_label("Your name").fill("ada")
    section.get_by_label("Reason").fill(reason)
    section.get_by_role("button", name="Show the change").click()


def test_a_shift_by_click_is_in_effect_and_in_the_file(browser: Browser, dashboard: Site) -> None:
    with page_of(browser, dashboard) as page:
        page.get_by_role("link", name="Change flights").click()
        page.get_by_role("form", name="Shift traffic").get_by_label("Per cent for newcomer").fill(
            "100"
        )
        fill_why(page, "Shift traffic")
        expect(page.get_by_text("flights: canary 20 % -> live 100 %")).to_be_visible()
        assert "{monolith: 80, newcomer: 20}" in dashboard.routes.read_text()
        page.get_by_role("button", name="Make this change").click()
        expect(page.get_by_role("heading", name="Migration")).to_be_visible()
        expect(page.locator("#history")).to_contain_text("the canary is fine")
        expect(page.locator("#history")).to_contain_text("ada (dashboard, 127.0.0.1)")
    assert "{monolith: 0, newcomer: 100}" in dashboard.routes.read_text()
    table = {row["name"]: row for row in dashboard.facade.admin_json("/routes")["table"]}
    assert table["flights"]["backends"] == {"monolith": 0.0, "newcomer": 100.0}


def test_two_browsers_see_each_others_change(browser: Browser, dashboard: Site) -> None:
    with page_of(browser, dashboard) as one, page_of(browser, dashboard) as other:
        one.get_by_role("link", name="Change profile").click()
        one.get_by_role("form", name="Shift traffic").get_by_label("Per cent for newcomer").fill(
            "5"
        )
        fill_why(one, "Shift traffic")
        one.get_by_role("button", name="Make this change").click()
        expect(other.locator("#history")).to_contain_text("profile: shadow 0 % -> canary 5 %")
        card = other.get_by_role("listitem").filter(
            has=other.get_by_role("heading", name="profile")
        )
        expect(card.get_by_text("canary", exact=True)).to_be_visible()
        expect(other.locator("#workers").get_by_text("not the newest")).to_have_count(0)


def test_the_kill_switch_is_set_and_ended_by_click(browser: Browser, dashboard: Site) -> None:
    with page_of(browser, dashboard) as page:
        page.get_by_role("link", name="Kill switch").click()
        fill_why(page, "Set the kill switch")
        page.get_by_role("button", name="Make this change").click()
        expect(page.get_by_text("Kill switch is on")).to_be_visible()
        page.get_by_role("link", name="End the kill switch").click()
        fill_why(page, "End the kill switch")
        page.get_by_role("button", name="Make this change").click()
        expect(page.get_by_text("Kill switch is on")).to_have_count(0)


def test_a_broken_edit_shows_and_goes_when_it_is_mended(browser: Browser, dashboard: Site) -> None:
    with page_of(browser, dashboard) as page:
        good = dashboard.routes.read_text()
        dashboard.replace("stage: canary", "stage: best")
        expect(page.get_by_role("status").get_by_text("The newest edit is refused")).to_be_visible()
        expect(page.get_by_label("Errors of the table")).to_contain_text("routes.yaml:7:")
        dashboard.routes.write_text(good)
        expect(page.get_by_text("The newest edit is refused")).to_have_count(0)


def test_hostile_paths_reasons_and_edits_are_text(browser: Browser, tmp_path: Path) -> None:
    """Names of the table are letters and digits; paths, reasons, searches and refused edits may have any text."""
    table = TABLE.replace("prefix: /flights", f'prefix: "/{HOSTILE}"')
    with site(tmp_path, table=table) as hostile, page_of(browser, hostile) as page:
        page.on("dialog", lambda _: pytest.fail("a script of the table ran"))
        expect(page.get_by_text(f"path prefix /{HOSTILE}")).to_be_visible()
        unknown = page.context.new_page()
        unknown.goto(f"{hostile.url}/change?route={quote(HOSTILE)}")
        expect(unknown.get_by_text(f"The table has no route {HOSTILE}.")).to_be_visible()
        page.goto(f"{hostile.url}/?search={quote(HOSTILE)}")
        expect(page.get_by_text(f"“{HOSTILE}”")).to_be_visible()
        page.goto(f"{hostile.url}/change?route=profile")
        page.get_by_role("form", name="Shift traffic").get_by_label("Per cent").fill("3")
        fill_why(page, "Shift traffic", HOSTILE)
        expect(page.get_by_text(f"Reason: {HOSTILE}")).to_be_visible()
        page.get_by_role("button", name="Make this change").click()
        expect(page.locator("#history")).to_contain_text(HOSTILE)
        hostile.replace("name: hotels", f'name: "{HOSTILE}"')
        expect(page.get_by_label("Errors of the table")).to_contain_text(f"`{HOSTILE}` is no name")
        assert page.locator("img[src=x]").count() == 0


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_page_has_a_violation_of_accessibility(
    browser: Browser, dashboard: Site, theme: str
) -> None:
    with page_of(browser, dashboard, color_scheme=theme) as page:
        pages = {"dashboard": violations(page)}
        dashboard.replace("stage: canary", "stage: best")
        expect(page.get_by_text("The newest edit is refused")).to_be_visible()
        pages["broken edit"] = violations(page)
        dashboard.replace("stage: best", "stage: canary")
        for path in ("/change?route=flights", "/change", "/change?route=nothing"):
            page.context.new_page().goto(dashboard.url + path)
            pages[path] = violations(page.context.pages[-1])
        page.goto(f"{dashboard.url}/change?route=flights")
        page.get_by_role("form", name="Shift traffic").get_by_label("Per cent for newcomer").fill(
            "30"
        )
        fill_why(page, "Shift traffic")
        expect(page.get_by_role("button", name="Make this change")).to_be_visible()
        pages["preview"] = violations(page)
    assert {name: found for name, found in pages.items() if found} == {}


def violations(page: Page) -> list[str]:
    """The rules of axe-core that a page violates, each with the first element."""
    found = Axe().run(page).response["violations"]
    return [f"{each['id']}: {each['nodes'][0]['html'][:200]}" for each in found]


def test_no_width_scrolls_sideways(browser: Browser, dashboard: Site) -> None:
    with page_of(browser, dashboard) as page:
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate("document.documentElement.scrollWidth") == width


def test_all_of_it_works_with_the_keyboard(browser: Browser, dashboard: Site) -> None:
    with page_of(browser, dashboard) as page:
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Skip to the routes")).to_be_focused()
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        expect(page.get_by_label("Name or path")).to_be_focused()
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Change flights")).to_be_focused()
        # A live update keeps the focus.
        dashboard.replace("newcomer: 20", "newcomer: 21")
        dashboard.replace("monolith: 80", "monolith: 79")
        expect(page.locator("#history")).to_contain_text("20 % -> 21 %")
        expect(page.get_by_role("link", name="Change flights")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Shift traffic")).to_be_visible()


def test_the_page_is_whole_without_scripts(browser: Browser, dashboard: Site) -> None:
    with page_of(browser, dashboard, java_script_enabled=False) as page:
        expect(page.get_by_role("rowheader", name="monolith").first).to_be_visible()
        expect(page.get_by_role("link", name="Change flights")).to_be_visible()


def test_a_login_opens_the_dashboard_and_a_logout_closes_it(
    browser: Browser, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text(TOKEN)
    folder = tmp_path / "facade"
    folder.mkdir()
    with site(folder, "--admin-token-file", str(token)) as guarded:
        with page_of(browser, guarded) as page:
            assert violations(page) == []
            page.get_by_label("Admin token").fill(TOKEN)
            page.get_by_role("button", name="Log in").click()
            expect(page.get_by_role("heading", name="Migration")).to_be_visible()
            assert page.evaluate("document.cookie") == ""
            page.get_by_role("button", name="Log out").click()
            expect(page.get_by_role("button", name="Log in")).to_be_visible()
            page.goto(guarded.url)
            expect(page.get_by_role("button", name="Log in")).to_be_visible()
