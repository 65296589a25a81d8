"""A real browser: Chromium of the system, at the width of a phone, in light or dark."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SCREENSHOTS = Path(__file__).resolve().parents[2] / "var" / "screenshots"
OpenPage = Callable[..., Page]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The browser of the test run; without one its tests are skipped, and the summary says so."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("NO BROWSER TESTS: no Chromium is installed (Debian: apt install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium, live_server) -> Iterator[OpenPage]:
    """Opens a window on the test's server; ends the test when a page breaks the script policy."""
    contexts, complaints = [], []

    def window(*, width: int = 360, height: int = 740, dark: bool = False, **options) -> Page:
        context = chromium.new_context(
            viewport={"width": width, "height": height}, base_url=live_server.url,
            color_scheme="dark" if dark else "light", **options,
        )  # fmt: skip
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.append(said.text) if _policy(said) else None)
        return page

    yield window
    for context in contexts:
        context.close()
    assert complaints == []


def _policy(said: ConsoleMessage) -> bool:
    return said.type == "error" and "Content Security Policy" in said.text


@pytest.fixture
def keep() -> Callable[[Page, str], None]:
    """Keeps a picture of the page under var/screenshots/, and checks that nothing sticks out."""

    def picture(page: Page, name: str) -> None:
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=SCREENSHOTS / f"{name}.png")
        wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, f"{name} is {wide} px wider than the screen"

    return picture
