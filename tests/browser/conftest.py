"""A real browser on a real server."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.browser.screen import Renderer, Screen
from tests.support.photograph import Damage, damaged
from tools.client import Client
from tools.comfyui import ROOT, Server
from tools.demo import EXAMPLE

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
SCREENSHOTS = ROOT / "output" / "browser"


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser: what `$GPEN_CHROMIUM` names, else one in PATH."""
    found = os.environ.get("GPEN_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip("needs Chromium or Chrome: install it (Debian: apt install chromium) or name it in GPEN_CHROMIUM")
    return found


@pytest.fixture(scope="session")
def open_screen(chromium: str, server: Server) -> Iterator[Callable[[str, Renderer], Screen]]:
    """Opens ComfyUI's page in a language, drawn by a renderer; one page each for the whole run, since opening takes
    seconds."""
    from playwright.sync_api import sync_playwright

    screens: dict[tuple[str, Renderer], Screen] = {}

    def open_in(language: str, renderer: Renderer) -> Screen:
        for key, screen in screens.items():
            screen.freeze(key != (language, renderer))
        if (language, renderer) not in screens:
            screens[language, renderer] = Screen(browser, server, language, renderer, SCREENSHOTS)
        return screens[language, renderer]

    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS) as browser,
    ):
        yield open_in


@pytest.fixture(params=list(Renderer), ids=lambda renderer: renderer.name)
def renderer(request: pytest.FixtureRequest) -> Renderer:
    """Either of the two that draw the nodes."""
    return request.param


@pytest.fixture
def language() -> str:
    """English; a test asks for others by a parameter."""
    return "en"


@pytest.fixture
def screen(
    open_screen: Callable[[str, Renderer], Screen],
    language: str,
    renderer: Renderer,
    client: Client,
    request: pytest.FixtureRequest,
    example: None,
) -> Iterator[Screen]:
    """ComfyUI's page with an empty graph; at the end of a test a picture of it is kept, and nothing of ours may have
    gone wrong in it or in the server."""
    screen = open_screen(language, renderer)
    screen.begin()
    yield screen
    screen.keep(request.node.name)
    assert not screen.problems()


@pytest.fixture
def example(client: Client) -> None:
    """A damaged photograph under the name that the templates have."""
    client.upload(damaged(Damage.NOISE), EXAMPLE)


def pytest_report_header() -> str:
    return f"screenshots of the browser tests: {Path(SCREENSHOTS)}"
