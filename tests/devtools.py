"""Headless Chromium over its DevTools pipe, for tests: no package, no port, no network.

    with Page(profile_folder) as page:
        page.open(path)
        page.evaluate("document.title")

The browser reads commands from file descriptor 3 and writes answers and events to 4, as JSON ended by a NUL byte.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SECONDS = 60.0  # a cold browser on a busy machine is slow; nothing waits this long otherwise
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--remote-debugging-pipe"),
)
# Puts the two inherited pipe ends on 3 and 4 (out of the way first: either may be 3 or 4 already) and becomes Chromium.
LAUNCH = """
import fcntl, os, sys
ends = [fcntl.fcntl(int(end), fcntl.F_DUPFD, 10) for end in sys.argv[1:3]]
os.dup2(ends[0], 3), os.dup2(ends[1], 4)
os.closerange(5, max(ends) + 1)
os.execv(sys.argv[3], sys.argv[3:])
"""


def chromium() -> str | None:
    """The browser: that of the variable CHROME, else the first known name on the path, else None."""
    names = (os.environ.get("CHROME", ""), "chromium", "chromium-browser", "google-chrome")
    return next((found for name in names if name and (found := shutil.which(name))), None)


class Page:
    """One tab of a browser of its own; `events` holds everything the tab reported, oldest first."""

    def __init__(self, folder: Path) -> None:
        program = chromium()
        assert program is not None, "no browser: ask chromium() first"
        theirs_in, self._out = os.pipe()
        self._in, theirs_out = os.pipe()
        self.events: list[dict[str, Any]] = []
        self._buffer, self._calls, self._session = b"", 0, ""
        command = [sys.executable, "-c", LAUNCH, str(theirs_in), str(theirs_out), program, *FLAGS]
        self._process = subprocess.Popen(
            [*command, f"--user-data-dir={folder}", "about:blank"],
            pass_fds=(theirs_in, theirs_out),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # so that its helpers can be ended with it
        )
        os.close(theirs_in)
        os.close(theirs_out)

    def __enter__(self) -> Page:
        try:
            target = self.call("Target.createTarget", url="about:blank")["targetId"]
            self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            for domain in ("Page", "Runtime", "Log", "Network"):
                self.call(f"{domain}.enable")
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self._end()

    def _end(self) -> None:
        """Ask the browser to close, end what is left of its process group, and free the pipes."""
        try:
            self._session = ""
            self.call("Browser.close")
            self._process.wait(10)
        except (OSError, EOFError, TimeoutError, subprocess.TimeoutExpired):
            os.killpg(self._process.pid, signal.SIGKILL)
        finally:
            os.close(self._in)
            os.close(self._out)
            self._process.wait(10)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send one command and return its result; `RuntimeError` if the browser refuses it."""
        self._calls += 1
        message = {"id": self._calls, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        answer = self._until(lambda got: got.get("id") == self._calls)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        return dict(answer["result"])

    def open(self, path: Path) -> None:
        """Load a file and wait until it has loaded; events of before are forgotten."""
        self.events.clear()
        self.call("Page.navigate", url=path.as_uri())
        if not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self._until(lambda got: got.get("method") == "Page.loadEventFired")

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression (promises are awaited); `RuntimeError` if it throws."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def press(self, key: str) -> None:
        """Press and release a key by name: Tab, Enter."""
        code, text = {"Tab": (9, ""), "Enter": (13, "\r")}[key]
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, text=text)

    def _until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Read messages, keeping the events, up to the first wanted one."""
        deadline = time.monotonic() + SECONDS
        while True:
            whole, found, rest = self._buffer.partition(b"\0")
            if not found:
                if not select.select([self._in], [], [], max(0.0, deadline - time.monotonic()))[0]:
                    raise TimeoutError(f"the browser did not answer within {SECONDS:g} s")
                chunk = os.read(self._in, 1 << 20)
                if not chunk:
                    raise EOFError("the browser has closed its pipe")
                self._buffer += chunk
                continue
            self._buffer = rest
            message = json.loads(whole)
            if "method" in message:
                self.events.append(message)
            if wanted(message):
                return dict(message)
