"""The dashboard in Chromium: edits by click, live updates, hostile names, and accessibility."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Dialog, Page, expect

from proxy.control.history.entries import version_of
from tests.support.browser import complaints_of
from tests.support.dashboard_site import HOSTILE, TABLE, Site, site
from tests.support.facade_process import FacadeProcess, facade_process
from tests.support.ports import free_port
from tests.support.waiting import until

TOKEN = sha256(b"the dashboard").hexdigest()
WIDTHS = (390, 768, 1280, 1600)
_HOSTILE_ROUTE = f"""\
  - name: hostile
    match: {{{{path: {{{{prefix: "/{HOSTILE}"}}}}}}}}
    backend_refs: monolith
  - name: rest
"""
_LIVE_S = 5.0
"""The limit for a live update in a test: it takes a part of a second on a machine that has nothing else to do."""


@dataclass(frozen=True)
class Replicated(Site):
    """A facade that knows three replicas: itself, one with another table, and one that is gone."""

    stale: FacadeProcess
    gone: int
    """Its port."""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replicated]:
    """A facade whose table each test leaves as it was."""
    table = TABLE.replace("  - name: rest\n", _HOSTILE_ROUTE)
    with facade_process(tmp_path_factory.mktemp("stale")) as stale:
        own, gone = free_port(), free_port()
        places = f"127.0.0.1:{own},127.0.0.1:{stale.admin.port},127.0.0.1:{gone}"
        arguments = ("--replicas", places, "--admin", f"127.0.0.1:{own}")
        with site(tmp_path_factory.mktemp("dashboard"), *arguments, table=table) as made:
            yield Replicated(made.facade, made.routes, stale, gone)


@pytest.fixture
def dashboard(running: Replicated) -> Iterator[Replicated]:
    text = running.routes.read_text()
    yield running
    running.routes.write_text(text)
    version = version_of(text.encode())
    until(lambda: running.facade.admin_json("/routes")["table_version"] == version)


class Tab:
    """A tab of a browser, and what is wrong with its pages so far."""

    def __init__(self, page: Page, site: str) -> None:
        self.page = page
        self._complaints = complaints_of(page)
        page.on("request", lambda request: self._note_elsewhere(request.url, site))
        page.on("dialog", self._note_dialog)

    def check(self) -> None:
        """Fail on any complaint of the browser, and on a request elsewhere."""
        # A page that is left ends its event stream.
        assert [each for each in self._complaints if "/events" not in each] == []

    def _note_elsewhere(self, url: str, site: str) -> None:
        if urlsplit(url).netloc != urlsplit(site).netloc:
            self._complaints.append(f"elsewhere: {url}")

    def _note_dialog(self, dialog: Dialog) -> None:
        self._complaints.append("a script of the table ran")
        dialog.dismiss()


@contextmanager
def tab_of(browser: Browser, url: str, **options: object) -> Iterator[Page]:
    """The dashboard in a tab of another browser, which shares no cookies with the first."""
    context = browser.new_context(**options)  # type: ignore[arg-type]
    tab = Tab(context.new_page(), url)
    try:
        tab.page.goto(url)
        yield tab.page
        tab.check()
    finally:
        context.close()


@pytest.fixture(scope="module")
def tab(browser: Browser, running: Replicated) -> Tab:
    """The tab of most tests: a new one takes longer than the rest of a test."""
    return Tab(browser.new_context().new_page(), running.url)


@pytest.fixture
def page(tab: Tab, dashboard: Replicated) -> Iterator[Page]:
    """The dashboard in that tab."""
    tab.page.goto(dashboard.url)
    yield tab.page
    tab.check()


@pytest.fixture(scope="module")
def refused_page(tab: Tab, running: Replicated) -> Page:
    """In a tab of its own, because the browser logs its status as an error."""
    page = tab.page.context.new_page()
    page.goto(f"{running.url}/change?route={quote(HOSTILE)}")
    return page


def fill_why(page: Page, form: str, reason: str = "the canary is fine") -> None:
    """Fill in name and reason of a form, and show the change."""
    section = page.get_by_role("form", name=form)
    section.get_by_label("Your name").fill("ada")
    section.get_by_label("Reason").fill(reason)
    section.get_by_role("button", name="Show the change").click()


def note_when(page: Page, element: str, text: str) -> None:
    """Let the page remember the Unix time at which `text` is in the element."""
    page.evaluate(
        """([id, text]) => {
          const place = document.getElementById(id);
          window.seenAt = 0;
          new MutationObserver((_, observer) => {
            if (!place.textContent.includes(text)) return;
            window.seenAt = Date.now() / 1000;
            observer.disconnect();
          }).observe(place, {childList: true, subtree: true, characterData: true});
        }""",
        [element, text],
    )


def seen_after(page: Page, began: float) -> float:
    """Seconds from `began` to the time that `note_when` remembers."""
    until(lambda: page.evaluate("window.seenAt") > 0)
    return float(page.evaluate("window.seenAt")) - began


# --- traffic ------------------------------------------------------------------------------------------


def test_the_card_shows_the_parity_of_real_copies(tab: Tab, dashboard: Replicated) -> None:
    """The newcomer gives every second profile another seat. First of the tests: the page reads parity every 10 s."""

    def compared() -> int:
        # Copies beyond the limit of `mirror` are dropped, so the number of requests does not say how many are compared.
        for number in (1, 2):
            assert dashboard.facade.get(f"/profile/{number}")[0] == 200
        return int(dashboard.facade.admin_json("/parity?route=profile")["compared"])

    until(lambda: compared() >= 20)
    assert 0 < dashboard.facade.admin_json("/parity?route=profile")["share"] < 1
    page = tab.page
    page.goto(dashboard.url)
    card = page.get_by_role("listitem").filter(has=page.get_by_role("heading", name="profile"))
    expect(card.get_by_text(re.compile(r"[1-9]\d\.\d\d % of \d+, between"))).to_be_visible()
    expect(card.get_by_text(re.compile(r"/seat: value, [1-9]\d\.\d\d %"))).to_be_visible()


# --- edits and live updates ---------------------------------------------------------------------------


def test_a_shift_by_click_is_in_effect_and_in_the_file(page: Page, dashboard: Replicated) -> None:
    page.get_by_role("link", name="Change flights").click()
    page.get_by_role("form", name="Shift traffic").get_by_label("Per cent for newcomer").fill("100")
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


def test_two_browsers_see_each_others_change(
    browser: Browser, page: Page, dashboard: Replicated
) -> None:
    with tab_of(browser, dashboard.url) as other:
        page.get_by_role("link", name="Change profile").click()
        page.get_by_role("form", name="Shift traffic").get_by_label("Per cent for newcomer").fill(
            "5"
        )
        fill_why(page, "Shift traffic")
        note_when(other, "history", "profile: shadow 0 % -> canary 5 %")
        began = time.time()
        page.get_by_role("button", name="Make this change").click()
        took_s = seen_after(other, began)
        print(f"another browser shows a change {took_s:.2f} s after the click")
        assert took_s < _LIVE_S
        card = other.get_by_role("listitem").filter(
            has=other.get_by_role("heading", name="profile")
        )
        expect(card.get_by_text("canary", exact=True)).to_be_visible()
        expect(other.locator("#workers").get_by_text("not the newest")).to_have_count(0)


def test_the_kill_switch_is_set_and_ended_by_click(page: Page, dashboard: Replicated) -> None:
    page.get_by_role("link", name="Kill switch").click()
    fill_why(page, "Set the kill switch")
    page.get_by_role("button", name="Make this change").click()
    expect(page.get_by_text("Kill switch is on")).to_be_visible()
    page.get_by_role("link", name="End the kill switch").click()
    fill_why(page, "End the kill switch")
    page.get_by_role("button", name="Make this change").click()
    expect(page.get_by_text("Kill switch is on")).to_have_count(0)


def test_a_broken_edit_shows_and_goes_when_it_is_mended(page: Page, dashboard: Replicated) -> None:
    good = dashboard.routes.read_text()
    note_when(page, "alert", "routes.yaml:7:")
    began = time.time()
    dashboard.replace("stage: canary", "stage: best")
    took_s = seen_after(page, began)
    print(f"the page shows a broken edit {took_s:.2f} s after the file is written")
    assert took_s < _LIVE_S
    expect(page.get_by_role("status").get_by_text("The newest edit is refused")).to_be_visible()
    expect(page.get_by_label("Errors of the table")).to_contain_text("routes.yaml:7:")
    dashboard.routes.write_text(good)
    expect(page.get_by_text("The newest edit is refused")).to_have_count(0)


def test_replicas_are_listed_with_the_table_that_each_serves(
    page: Page, dashboard: Replicated
) -> None:
    stale = f"127.0.0.1:{dashboard.stale.admin.port}"
    listed = page.get_by_role("region", name="Tables of the replicas").get_by_role("row")
    expect(listed).to_have_count(4)
    expect(listed.nth(1)).to_contain_text("this one")
    expect(listed.filter(has_text=stale)).to_contain_text("its table differs from this one's")
    gone = listed.filter(has_text=f"127.0.0.1:{dashboard.gone}")
    expect(gone).to_contain_text("not reachable: ")


# --- text and forms -----------------------------------------------------------------------------------


def test_hostile_paths_reasons_and_edits_are_text(
    page: Page, refused_page: Page, dashboard: Replicated
) -> None:
    """Names of the table are letters and digits; paths, reasons, searches and refused edits may have any text."""
    expect(page.get_by_text(f"path prefix /{HOSTILE}")).to_be_visible()
    expect(refused_page.get_by_text(f"The table has no route {HOSTILE}.")).to_be_visible()
    page.goto(f"{dashboard.url}/?search={quote(HOSTILE)}")
    expect(page.get_by_text(f"“{HOSTILE}”")).to_be_visible()
    page.goto(f"{dashboard.url}/change?route=profile")
    page.get_by_role("form", name="Shift traffic").get_by_label("Per cent").fill("3")
    fill_why(page, "Shift traffic", HOSTILE)
    expect(page.get_by_text(f"Reason: {HOSTILE}")).to_be_visible()
    page.get_by_role("button", name="Make this change").click()
    expect(page.locator("#history")).to_contain_text(HOSTILE)
    dashboard.replace("name: hotels", f'name: "{HOSTILE}"')
    expect(page.get_by_label("Errors of the table")).to_contain_text(f"`{HOSTILE}` is no name")
    assert page.locator("img[src=x]").count() == 0


# --- every reader -------------------------------------------------------------------------------------


def violations(page: Page) -> dict[str, list[str]]:
    """The rules of axe-core that a page violates, by theme, with the first element of each."""
    light = Axe().run(page, options={"resultTypes": ["violations"]}).response
    page.emulate_media(color_scheme="dark")
    dark = page.evaluate("axe.run(document, {runOnly: ['color-contrast']})")
    page.emulate_media(color_scheme="light")
    found = {"light": light["violations"], "dark": dark["violations"]}
    return {
        theme: [f"{each['id']}: {each['nodes'][0]['html'][:200]}" for each in rules]
        for theme, rules in found.items()
        if rules
    }


def test_no_page_has_a_violation_of_accessibility(
    page: Page, refused_page: Page, dashboard: Replicated
) -> None:
    dashboard.replace("stage: canary", "stage: best")
    expect(page.get_by_text("The newest edit is refused")).to_be_visible()
    pages = {"dashboard with a broken edit": violations(page)}
    dashboard.replace("stage: best", "stage: canary")
    pages["refused"] = violations(refused_page)
    for path in ("/change", "/change?route=flights"):
        page.goto(dashboard.url + path)
        pages[path] = violations(page)
    page.get_by_role("form", name="Shift traffic").get_by_label("Per cent for newcomer").fill("30")
    fill_why(page, "Shift traffic")
    expect(page.get_by_role("button", name="Make this change")).to_be_visible()
    pages["preview"] = violations(page)
    assert {name: found for name, found in pages.items() if found} == {}


def test_no_width_scrolls_sideways(page: Page, dashboard: Replicated) -> None:
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") == width


def test_all_of_it_works_with_the_keyboard(page: Page, dashboard: Replicated) -> None:
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


def test_the_page_is_whole_without_scripts(browser: Browser, dashboard: Replicated) -> None:
    with tab_of(browser, dashboard.url, java_script_enabled=False) as page:
        expect(page.get_by_role("rowheader", name="monolith").first).to_be_visible()
        expect(page.get_by_role("link", name="Change flights")).to_be_visible()
        expect(page.get_by_role("region", name="Tables of the replicas")).to_contain_text(
            "this one"
        )


def test_a_login_opens_the_dashboard_and_a_logout_closes_it(
    browser: Browser, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text(TOKEN)
    folder = tmp_path / "facade"
    folder.mkdir()
    with facade_process(folder, "--admin-token-file", str(token)) as facade:
        guarded = Site(facade, folder / "routes.yaml")
        with tab_of(browser, guarded.url) as page:
            assert violations(page) == {}
            page.get_by_label("Admin token").fill(TOKEN)
            page.get_by_role("button", name="Log in").click()
            expect(page.get_by_role("heading", name="Migration")).to_be_visible()
            assert page.evaluate("document.cookie") == ""
            page.get_by_role("button", name="Log out").click()
            expect(page.get_by_role("button", name="Log in")).to_be_visible()
            page.goto(guarded.url)
            expect(page.get_by_role("button", name="Log in")).to_be_visible()
