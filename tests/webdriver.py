"""A browser for tests: a small W3C WebDriver client for Debian's chromium and chromedriver."""

import base64
import contextlib
import json
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
)
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


class Browser:
    """One page in headless Chromium."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.session = ""

    def call(self, method: str, path: str, body: Any = None) -> Any:
        data = json.dumps(body or {}).encode() if method == "POST" else None
        request = urllib.request.Request(f"{self.address}{self.session}{path}", data, method=method)
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise AssertionError(json.load(error)["value"]["message"]) from error

    def open(self, path: Path) -> None:
        self.call("POST", "/url", {"url": path.resolve().as_uri()})

    def run(self, script: str, *arguments: Any) -> Any:
        return self.call("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def find(self, selector: str) -> dict[str, str]:
        return self.call("POST", "/element", {"using": "css selector", "value": selector})

    def click(self, selector: str) -> None:
        self.call("POST", f"/element/{self.find(selector)[ELEMENT]}/click")

    def text(self, selector: str) -> str:
        return str(self.call("GET", f"/element/{self.find(selector)[ELEMENT]}/text"))

    def keys(self, *keys: str) -> None:
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self.call("POST", "/actions", {"actions": [{"type": "key", "id": "keys", "actions": actions}]})

    def drag(self, selector: str, dx: int, dy: int, kind: str = "mouse") -> None:
        """Press in the middle of an element, move in steps, let go."""
        start = {"type": "pointerMove", "origin": self.find(selector), "x": 0, "y": 0, "duration": 0}
        steps = [
            {"type": "pointerMove", "origin": "pointer", "x": dx // 4, "y": dy // 4, "duration": 30} for _ in range(4)
        ]
        actions = [start, {"type": "pointerDown", "button": 0}, *steps, {"type": "pointerUp", "button": 0}]
        pointer = {"type": "pointer", "id": f"{kind}1", "parameters": {"pointerType": kind}, "actions": actions}
        self.call("POST", "/actions", {"actions": [pointer]})

    def wheel(self, selector: str, delta: int) -> None:
        scroll = {"type": "scroll", "origin": self.find(selector), "x": 0, "y": 0, "deltaX": 0, "deltaY": delta}
        self.call("POST", "/actions", {"actions": [{"type": "wheel", "id": "wheel", "actions": [scroll]}]})

    def resize(self, width: int, height: int) -> None:
        self.call("POST", "/window/rect", {"width": width, "height": height})

    def devtools(self, command: str, **parameters: Any) -> Any:
        """A command of the Chrome DevTools protocol, for what WebDriver has no word for."""
        return self.call("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def complaints(self) -> list[str]:
        """What the console has shown since the last call."""
        return [entry["message"] for entry in self.call("POST", "/se/log", {"type": "browser"})]

    def picture(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self.call("GET", "/screenshot")))


def programs() -> tuple[str, str]:
    """The paths of chromedriver and chromium; skips where they are not there."""
    driver, chromium = shutil.which("chromedriver"), shutil.which("chromium")
    if driver is None or chromium is None:
        pytest.skip("chromium and chromedriver are not installed")
    return driver, chromium


@contextlib.contextmanager
def browser(width: int = 1280, height: int = 900) -> Iterator[Browser]:
    """A headless browser with an empty profile."""
    driver, chromium = programs()
    with socket.socket() as free, tempfile.TemporaryDirectory() as profile:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        process = subprocess.Popen([driver, f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        page = Browser(f"http://127.0.0.1:{port}")
        try:
            _wait_for(page)
            options = {
                "binary": chromium,
                "args": [*FLAGS, f"--user-data-dir={profile}", f"--window-size={width},{height}"],
            }
            wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
            answer = page.call("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
            page.session = f"/session/{answer['sessionId']}"
            yield page
            page.call("DELETE", "")
        finally:
            process.terminate()
            process.wait(10)


def _wait_for(page: Browser) -> None:
    for _ in range(100):
        with contextlib.suppress(OSError):
            if page.call("GET", "/status")["ready"]:
                return
        time.sleep(0.1)
    raise AssertionError("chromedriver does not answer")
