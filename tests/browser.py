"""A headless Chromium, controlled through its DevTools pipe: no driver, no port."""

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
    """A page of a running Chromium."""

    def __init__(self, commands: int, answers: int) -> None:
        self._commands, self._answers = os.fdopen(commands, "wb"), os.fdopen(answers, "rb")
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
        """Call a method of the DevTools protocol; meanwhile, collect events."""
        self._calls += 1
        message = {"id": self._calls, "method": method, "params": params, **self._session}
        self._commands.write(json.dumps(message).encode() + b"\0")
        self._commands.flush()
        while (answer := self._next()).get("id") != self._calls:
            self.events.append(answer)
        assert "error" not in answer, answer["error"]
        return answer["result"]

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            received = self._answers.read1(1 << 20)
            assert received, "Chromium has ended"
            self._rest += received
        message, self._rest = self._rest.split(b"\0", 1)
        return json.loads(message)

    def open(self, page: Path, width: int = 1280, height: int = 900, **media: str) -> None:
        """Load a file; media are features such as ``prefers_color_scheme``."""
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
        """Evaluate a script in the page; a promise is awaited."""
        answer = self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def press(self, key: str, **more: Any) -> None:
        """Press and release a key."""
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, code=key, **more)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, code=key)

    @property
    def messages(self) -> list[str]:
        """Errors, warnings and uncaught exceptions since the page was opened."""
        kinds = ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded")
        found = [event["params"] for event in self.events if event["method"] in kinds]
        harmless = ("log", "debug", "info")
        return [json.dumps(params) for params in found if params.get("type") not in harmless]

    @property
    def requests(self) -> list[str]:
        """Requested addresses since the page was opened, without data URIs."""
        sent = [e["params"] for e in self.events if e["method"] == "Network.requestWillBeSent"]
        urls = [params["request"]["url"] for params in sent]
        return [url for url in urls if not url.startswith("data:")]


@contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """Run Chromium with a folder for its profile."""
    command_output, commands = os.pipe()
    answers, answer_input = os.pipe()
    options = (
        "--headless=new --no-sandbox --disable-gpu --no-first-run --remote-debugging-pipe "
        f"--disable-background-networking --disable-dev-shm-usage --user-data-dir='{profile}'"
    )
    # Chromium reads from descriptor 3 and writes to 4.
    process = subprocess.Popen(
        ["bash", "-c", f"exec '{PROGRAM}' {options} 3<&{command_output} 4>&{answer_input}"],
        pass_fds=(command_output, answer_input),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(command_output)
    os.close(answer_input)
    try:
        chromium = Browser(commands, answers)
        yield chromium
        chromium.call("Browser.close")
    finally:
        process.terminate()
        process.wait()
