"""What a developer reads first."""

import sys
import time
from collections.abc import Mapping
from typing import Protocol


class BannerOptions(Protocol):
    """What the banner must know of the options."""

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


def banner(place: BannerOptions, demo_password: str, emulators: Mapping[str, int]) -> str:
    """Where things are (stand-ins by their ports) and how to sign in; in colour on a terminal."""
    bold, dim, cyan, off = ("\033[1m", "\033[2m", "\033[36m", "\033[0m") if sys.stderr.isatty() else ("",) * 4
    took = f" {dim}(ready in {time.monotonic() - place.started:.1f} s){off}" if place.started else ""
    rows = [
        ("Start", f"{cyan}{place.url}/{off}"),
        ("API", f"{cyan}{place.url}/api/v1{off}"),
        ("Docs", f"{cyan}{place.url}/docs{off}"),
        ("Mailbox", f"{cyan}{place.url}/dev/mailbox{off}"),
        ("Admin", f"{cyan}{place.url}/admin{off} as {ADMINISTRATOR}"),
        ("Sign in", f"{' or '.join(DEMO_ACCOUNTS)}, password {bold}{demo_password}{off}"),
    ]
    rows += [("Emulator", f"{name} at {cyan}http://127.0.0.1:{port}{off}") for name, port in emulators.items()]
    lines = ["", f"  {bold}Undercroft is running{off}{took}", ""]
    lines += [f"  {dim}{name:<9}{off}{value}" for name, value in rows]
    lines += [
        "",
        f"  {dim}{'Changes are picked up at once. ' if place.reload else ''}Ctrl-C stops everything.{off}",
        "",
    ]
    if place.host not in LOOPBACK_HOSTS:
        lines.insert(1, f"  Warning: {place.host} lets others on the network reach this development server.")
    return "\n".join(lines)
