"""ComfyUI's page, used as a person uses it."""

import base64
import json
import re
from enum import Enum
from pathlib import Path
from typing import Any

import requests
from playwright.sync_api import Browser, ConsoleMessage, Locator

from tools.client import Prompt
from tools.comfyui import Server

SECONDS = 15
OPEN_SECONDS = 180
"""For the page to be ready; with all its scripts it is some 20 MB."""
RUN_SECONDS = 120
"""For a graph to run."""
READY = "() => window.app?.extensionManager && window.app.graph && !document.querySelector('.p-blockui-mask')"
SERVER_PROBLEM = re.compile(r"Traceback|!!! Exception|Failed to validate prompt|\bERROR\b")


class Renderer(Enum):
    """What draws the nodes, by its setting."""

    CLASSIC = False
    NODES_2 = True


class Screen:
    """One page. `page` is Playwright's, for what is not here."""

    def __init__(self, browser: Browser, server: Server, language: str, renderer: Renderer, pictures: Path):
        self.server = server
        self.pictures = pictures
        self.language = language
        self.renderer = renderer
        self._console: list[str] = []
        self._log = server.log_mark()
        # As after the first visit, which shows a tour.
        self._settings = {
            "Comfy.TutorialCompleted": True,
            "Comfy.Locale": language,
            "Comfy.VueNodes.Enabled": renderer.value,
            "Comfy.Workflow.Persist": False,
        }
        context = browser.new_context(viewport={"width": 1600, "height": 1000}, locale=language)
        self.page = context.new_page()
        self.page.set_default_timeout(SECONDS * 1000)
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self._console.append(f"{error} {error.stack}"))
        self.open()

    def open(self) -> None:
        """Open the page, or open it again."""
        with requests.Session() as http:
            http.trust_env = False
            http.post(f"{self.server.url}/settings", json=self._settings, timeout=30).raise_for_status()
        self.page.goto(self.server.url, timeout=OPEN_SECONDS * 1000)
        self.page.wait_for_function(READY, timeout=OPEN_SECONDS * 1000)

    def begin(self) -> None:
        """An empty graph, and nothing told so far."""
        self.page.keyboard.press("Escape")
        self.clear()
        self.page.evaluate("() => { app.extensionManager.sidebarTab.activeSidebarTabId = null; }")
        self.forgive()

    def freeze(self, frozen: bool) -> None:
        """Let the page rest while others are used: it draws itself all the time."""
        session = self.page.context.new_cdp_session(self.page)
        session.send("Page.setWebLifecycleState", {"state": "frozen" if frozen else "active"})
        session.detach()

    def clear(self) -> None:
        self.page.evaluate("() => { app.graph.clear(); app.extensionManager.toast.removeAll?.(); }")

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self._console.append(f"{message.text} {message.location['url']}")

    def problems(self) -> list[str]:
        """What went wrong in the page and had to do with us, and what went wrong in the server."""
        # The page asks the registry about every node it shows, which the server forbids here.
        page = [text for text in self._console if "gpen" in text.lower() and "api.comfy.org" not in text]
        server = [line for line in self.server.log(self._log).splitlines() if SERVER_PROBLEM.search(line)]
        return page + server

    def forgive(self) -> None:
        """Take the problems so far as seen, after a mistake that was made on purpose."""
        self._console.clear()
        self._log = self.server.log_mark()

    def keep(self, name: str) -> None:
        """Keep a picture of the page where a person can look at it."""
        self.pictures.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=self.pictures / f"{re.sub(r'[^A-Za-z0-9]+', '_', name).strip('_')}.png")

    def command(self, name: str) -> None:
        """Run one of the page's commands, which stand in its menus."""
        self.page.evaluate("name => app.extensionManager.command.execute(name)", name)

    def load(self, workflow: dict[str, Any]) -> None:
        """Open a workflow as the template browser does: the whole of it in view."""
        opening = "workflow => app.loadGraphData(workflow, true, true, null, { openSource: 'template' })"
        self.page.evaluate(opening, workflow)

    def prompt(self) -> Prompt:
        """What the page would send to the server."""
        return json.loads(
            self.page.evaluate("async () => JSON.stringify((await app.graphToPrompt()).output)"),
        )

    def press_run(self) -> None:
        self.page.get_by_test_id("queue-button").click()

    def dialog(self) -> Locator:
        return self.page.get_by_role("dialog")

    def errors(self) -> str:
        """Wait until something went wrong → all that the page then says, details unfolded."""
        details = self.page.get_by_role("button", name="View details")  # newer pages have a panel, older ones a dialog
        details.or_(self.dialog()).first.wait_for(timeout=RUN_SECONDS * 1000)
        if details.count():
            details.first.click()
            self.page.get_by_text(re.compile("Errors? detected")).first.wait_for()
        return self.page.locator("body").inner_text()

    def wait_for_picture(self, node_type: str) -> str:
        """Wait until a node of that type shows a picture → its address."""
        shown = """type => {
            const node = app.graph.nodes.find(node => node.type === type);
            const picture = node && app.nodeOutputs[node.id]?.images?.[0];
            return picture && new URLSearchParams(picture).toString();
        }"""
        found = self.page.wait_for_function(shown, arg=node_type, timeout=RUN_SECONDS * 1000)
        return f"{self.server.url}/view?{found.json_value()}"

    def reports(self) -> dict[str, str]:
        """Type of each node that says what became of the faces → what it says."""
        said = """() => app.graph.nodes.flatMap(node => {
            const report = node.widgets?.find(widget => widget.name === "gpen_report");
            return report ? [[node.type, report.value]] : [];
        })"""
        return dict(self.page.evaluate(said))

    def set(self, node_type: str, widget: str, value: Any) -> None:
        """Give a widget a value, as a workflow from elsewhere may have it."""
        change = """([type, name, value]) => {
            const node = app.graph.nodes.find(node => node.type === type);
            node.widgets.find(widget => widget.name === name).value = value;
        }"""
        self.page.evaluate(change, [node_type, widget, value])

    def drop(self, name: str, content: bytes) -> None:
        """Drop a file on the page."""
        dropping = """([name, content]) => {
            const bytes = Uint8Array.from(atob(content), character => character.charCodeAt(0));
            const dataTransfer = new DataTransfer();
            dataTransfer.items.add(new File([bytes], name, { type: "image/png" }));
            const init = { dataTransfer, bubbles: true, cancelable: true, clientX: 800, clientY: 900 };
            document.querySelector("#graph-canvas").dispatchEvent(new DragEvent("drop", init));
        }"""
        self.page.evaluate(dropping, [name, base64.b64encode(content).decode("ascii")])
