"""A real Chromium without a window, asked over its DevTools pipe: no driver, no port."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
PROGRAM = next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """One page of a running Chromium."""

    def __init__(self, ask: int, hear: int) -> None:
        self._ask, self._hear = os.fdopen(ask, "wb"), os.fdopen(hear, "rb")
        self._session: dict[str, str] = {}
        self._calls, self._rest = 0, b""
        self.events: list[dict[str, Any]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = {"sessionId": attached["sessionId"]}
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.call("Page.setLifecycleEventsEnabled", enabled=True)

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """What METHOD of the DevTools protocol answers; what else happens goes to events."""
        self._calls += 1
        message = {"id": self._calls, "method": method, "params": params, **self._session}
        self._ask.write(json.dumps(message).encode() + b"\0")
        self._ask.flush()
        while (heard := self._next()).get("id") != self._calls:
            self.events.append(heard)
        assert "error" not in heard, heard["error"]
        return heard["result"]

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            some = self._hear.read1(1 << 20)
            assert some, "Chromium has ended"
            self._rest += some
        message, self._rest = self._rest.split(b"\0", 1)
        return json.loads(message)

    def open(self, page: Path, width: int = 1280, height: int = 900, **media: str) -> None:
        """Load PAGE, WIDTH pixels wide, with MEDIA features such as prefers_color_scheme."""
        features = [{"name": k.replace("_", "-"), "value": v} for k, v in media.items()]
        self.call("Emulation.setEmulatedMedia", media="", features=features)
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=width < 600,
        )  # fmt: skip
        self.events.clear()
        loader = self.call("Page.navigate", url=page.absolute().as_uri())["loaderId"]
        loaded = {"loaderId": loader, "name": "load"}
        while not any(loaded.items() <= event["params"].items() for event in self.events):
            self.events.append(self._next())

    def run(self, script: str) -> Any:
        """The value of SCRIPT in the page; a promise is waited for."""
        answer = self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def press(self, key: str, **more: Any) -> None:
        """KEY, pressed and let go where the focus is."""
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, code=key, **more)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, code=key)

    @property
    def complaints(self) -> list[str]:
        """Errors, warnings and uncaught exceptions since the page was opened."""
        told = []
        for event in self.events:
            params = event["params"]
            if event["method"] == "Runtime.exceptionThrown":
                told.append(json.dumps(params["exceptionDetails"]))
            elif event["method"] == "Runtime.consoleAPICalled":
                if params["type"] in ("error", "warning", "assert"):
                    told.append(json.dumps(params["args"]))
            elif event["method"] == "Log.entryAdded":
                told.append(params["entry"]["text"])
        return told

    @property
    def requests(self) -> list[str]:
        """The addresses asked for since the page was opened, those within it left out."""
        asked = [
            event["params"]["request"]["url"]
            for event in self.events
            if event["method"] == "Network.requestWillBeSent"
        ]
        return [url for url in asked if not url.startswith("data:")]


@contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """A Chromium that keeps what it must in the folder PROFILE, and ends with the block."""
    to_it, ask = os.pipe()
    hear, from_it = os.pipe()
    options = (
        "--headless=new --no-sandbox --disable-gpu --no-first-run --remote-debugging-pipe "
        f"--disable-background-networking --disable-dev-shm-usage --user-data-dir='{profile}'"
    )
    # The pipe's ends are 3 and 4 by definition.
    process = subprocess.Popen(
        ["bash", "-c", f"exec '{PROGRAM}' {options} 3<&{to_it} 4>&{from_it}"],
        pass_fds=(to_it, from_it),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(to_it)
    os.close(from_it)
    try:
        chromium = Browser(ask, hear)
        yield chromium
        chromium.call("Browser.close")
    finally:
        process.terminate()
        process.wait()
