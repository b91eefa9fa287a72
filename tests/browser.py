"""A headless Chromium with which tests read pages, over its debugging pipe (Chrome DevTools Protocol)."""

import base64
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")

AUDIT = r"""
(() => {
  const say = element => (element.id || element.tagName) + ": " + element.textContent.trim().slice(0, 60);
  const leaves = [...document.querySelectorAll("body *")].filter(element => !element.closest("svg")
    && element.checkVisibility() && [...element.childNodes].some(node => node.nodeType == 3 && node.data.trim()));
  const channels = color => color.match(/[\d.]+/g).map(Number);
  const light = color => channels(color).slice(0, 3).map(value => value / 255)
    .map(value => value <= .04045 ? value / 12.92 : ((value + .055) / 1.055) ** 2.4)
    .reduce((sum, value, index) => sum + value * [.2126, .7152, .0722][index], 0);
  const paper = element => {
    for (let each = element; each; each = each.parentElement) {
      const color = getComputedStyle(each).backgroundColor;
      if ((channels(color)[3] ?? 1) > 0) return color;
    }
    return "rgb(255, 255, 255)";
  };
  const contrast = element => {
    const [low, high] = [light(getComputedStyle(element).color), light(paper(element))].sort((a, b) => a - b);
    return (high + .05) / (low + .05);
  };
  const beyond = element => {
    const box = element.getBoundingClientRect();
    return box.width > 0 && !element.closest("svg") && !element.parentElement.closest(".wide")
      && (box.right > innerWidth + 1 || box.left < -1);
  };
  const named = element => element.getAttribute("aria-label") || element.getAttribute("alt");
  return {
    width: document.documentElement.scrollWidth,
    beyond: [...document.querySelectorAll("body *")].filter(beyond).map(say),
    scrolled: [...document.querySelectorAll(".wide")].filter(e => e.scrollWidth > e.clientWidth + 1).map(say),
    unnamed: [...document.querySelectorAll("img, [role=img]")].filter(element => !named(element)).map(say),
    drawings: document.querySelectorAll("svg").length,
    bare: [...document.querySelectorAll("svg")].filter(element => !element.closest("[role=img]")).length,
    faint: leaves.filter(element => contrast(element) < 4.5).map(element => say(element) + " " + contrast(element)),
    text: document.body.innerText,
  };
})()
"""
"""Finds faults in the layout of a page; contrast as in WCAG 2.2, 1.4.3."""

GLYPHS = r"""
(text => {
  const context = Object.assign(document.createElement("canvas"), {width: 40, height: 40}).getContext("2d");
  const drawn = character => {
    context.clearRect(0, 0, 40, 40);
    context.font = "24px " + getComputedStyle(document.body).fontFamily;
    context.fillText(character, 4, 30);
    return context.getImageData(0, 0, 40, 40).data.join();
  };
  const box = drawn("\u{10FFFE}");
  return [...new Set(text)].filter(character => character.trim() && drawn(character) === box);
})
"""
"""Finds the characters of a text that are drawn as the box of a missing glyph."""


def program() -> str | None:
    """Return the path of the browser; None where it is not installed."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Browser:
    """One open page."""

    def __init__(self, send: int, receive: int) -> None:
        self.send, self.receive = send, receive
        self.session: str | None = None
        self.count = 0
        self.rest = b""
        self.requests: list[str] = []
        """Addresses that the page requested, without data that the page contains."""
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command and return its result. Raises RuntimeError where the browser refuses it."""
        self.count += 1
        message = {"id": self.count, "method": method, "params": params}
        os.write(
            self.send, json.dumps(message | ({"sessionId": self.session} if self.session else {})).encode() + b"\0"
        )
        while (answer := self._next()).get("id") != self.count:
            pass
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return dict(answer["result"])

    def open(self, page: Path, width: int, *, media: str = "screen", scale: float = 1) -> None:
        """Open a file at a width in CSS pixels, and wait until it is loaded."""
        self.requests.clear()
        phone = width < 600
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=scale, mobile=phone)
        self.ask("Emulation.setEmulatedMedia", media=media)
        self.ask("Page.navigate", url=page.resolve().as_uri())
        while self._next().get("method") != "Page.loadEventFired":
            pass

    def value(self, expression: str) -> Any:
        """Return the value of an expression in the page."""
        return self.ask("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def audit(self) -> dict[str, Any]:
        """Return the faults of the present layout."""
        return dict(self.value(AUDIT))

    def missing_glyphs(self, text: str) -> list[str]:
        """Return the characters of `text` that the page's fonts lack."""
        return list(self.value(f"{GLYPHS}({json.dumps(text)})"))

    def screenshot(self) -> bytes:
        """Return the whole page as PNG."""
        picture = self.ask("Page.captureScreenshot", captureBeyondViewport=True)
        return base64.b64decode(picture["data"])

    def pdf(self) -> bytes:
        """Return the page printed on A4 as PDF."""
        return base64.b64decode(self.ask("Page.printToPDF", paperWidth=8.27, paperHeight=11.69)["data"])

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self.rest:
            chunk = os.read(self.receive, 1 << 20)
            if not chunk:
                raise RuntimeError("the browser ended")
            self.rest += chunk
        line, _, self.rest = self.rest.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        if message.get("method") == "Network.requestWillBeSent":
            address = message["params"]["request"]["url"]
            if not address.startswith("data:"):
                self.requests.append(address)
        return message


@contextmanager
def browser() -> Iterator[Browser]:
    """Start a browser, and stop it at the end."""
    to_read, send = os.pipe()
    receive, to_write = os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        shell = f'exec "$@" 3<&{to_read} 4>&{to_write}'  # the pipe is on file descriptors 3 and 4
        command = [str(program()), *FLAGS, "--remote-debugging-pipe", f"--user-data-dir={profile}", "about:blank"]
        process = subprocess.Popen(
            ["bash", "-c", shell, "browser", *command], pass_fds=(to_read, to_write), stderr=subprocess.DEVNULL
        )
        os.close(to_read)
        os.close(to_write)
        try:
            yield Browser(send, receive)
        finally:
            process.kill()
            process.wait()
            os.close(send)
            os.close(receive)
