"""The startup message of `undercroft dev`."""

import sys
import time
from collections.abc import Mapping
from typing import Protocol


class BannerOptions(Protocol):
    """The options that the banner shows."""

    @property
    def url(self) -> str: ...
    @property
    def host(self) -> str: ...
    @property
    def started(self) -> float: ...
    @property
    def reload(self) -> bool: ...


ADMINISTRATOR = "admin@example.com"
DEMO_ACCOUNTS = ("demo@example.com", ADMINISTRATOR)
LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "::1")


def banner(options: BannerOptions, demo_password: str, emulators: Mapping[str, int]) -> str:
    """Return the URLs of all services and the demo credentials, with colors on a terminal.

    `emulators` maps names of running emulators to ports.
    """
    bold, dim, cyan, off = ("\033[1m", "\033[2m", "\033[36m", "\033[0m") if sys.stderr.isatty() else ("",) * 4
    took = f" {dim}(ready in {time.monotonic() - options.started:.1f} s){off}" if options.started else ""
    rows = [
        ("Start", f"{cyan}{options.url}/{off}"),
        ("API", f"{cyan}{options.url}/api/v1{off}"),
        ("Docs", f"{cyan}{options.url}/docs{off}"),
        ("Mailbox", f"{cyan}{options.url}/dev/mailbox{off}"),
        ("Admin", f"{cyan}{options.url}/admin{off} as {ADMINISTRATOR}"),
        ("Sign in", f"{' or '.join(DEMO_ACCOUNTS)}, password {bold}{demo_password}{off}"),
    ]
    rows += [("Emulator", f"{name} at {cyan}http://127.0.0.1:{port}{off}") for name, port in emulators.items()]
    lines = ["", f"  {bold}Undercroft is running{off}{took}", ""]
    lines += [f"  {dim}{name:<9}{off}{value}" for name, value in rows]
    lines += [
        "",
        f"  {dim}{'Code changes restart the server. ' if options.reload else ''}Press Ctrl-C to stop.{off}",
        "",
    ]
    if options.host not in LOOPBACK_HOSTS:
        lines.insert(1, f"  Warning: {options.host} makes this development server reachable from your network.")
    return "\n".join(lines)
