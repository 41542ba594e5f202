"""The options of `undercroft dev`, and its startup message."""

import sys
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

ADMINISTRATOR = "admin@example.com"
DEMO_ACCOUNTS = ("demo@example.com", ADMINISTRATOR)
LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Options:
    """Address, reloading, state folder, start time (monotonic) and the emulators to start."""

    host: str = "127.0.0.1"
    port: int = 8000
    reload: bool = True
    folder: Path = Path(".undercroft")
    started: float = 0.0
    emulators: tuple[str, ...] = ()

    @property
    def address(self) -> str:
        """The address at which this machine can reach the server."""
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104 - compared, not bound

    @property
    def url(self) -> str:
        """The URL for browsers: `localhost` if possible, because browsers do not allow passkeys at IP addresses."""
        host = "localhost" if self.address in LOOPBACK_HOSTS else self.address
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"


def banner(
    options: Options, demo_password: str, emulators: Mapping[str, int], disabled_modules: Collection[str] = ()
) -> str:
    """Return the URLs of all services and the demo credentials, with colors on a terminal.

    `emulators` maps names of running emulators to ports. Pages of the disabled modules are left out.
    """
    bold, dim, cyan, off = ("\033[1m", "\033[2m", "\033[36m", "\033[0m") if sys.stderr.isatty() else ("",) * 4
    took = f" {dim}(ready in {time.monotonic() - options.started:.1f} s){off}" if options.started else ""
    pages = {"console": "Console", "web": "Start", "mailbox": "Mailbox", "admin": "Admin"}
    missing = {pages.get(module) for module in disabled_modules}
    rows = [
        ("Console", f"{cyan}{options.url}/app/{off}"),
        ("Start", f"{cyan}{options.url}/{off}"),
        ("API", f"{cyan}{options.url}/api/v1{off}"),
        ("Docs", f"{cyan}{options.url}/docs{off}"),
        ("Mailbox", f"{cyan}{options.url}/dev/mailbox{off}"),
        ("Admin", f"{cyan}{options.url}/admin{off} as {ADMINISTRATOR}"),
        ("Sign in", f"{' or '.join(DEMO_ACCOUNTS)}, password {bold}{demo_password}{off}"),
    ]
    rows += [("Emulator", f"{name} at {cyan}http://127.0.0.1:{port}{off}") for name, port in emulators.items()]
    lines = ["", f"  {bold}Undercroft is running{off}{took}", ""]
    lines += [f"  {dim}{name:<9}{off}{value}" for name, value in rows if name not in missing]
    lines += [
        "",
        f"  {dim}{'Code changes restart the server. ' if options.reload else ''}Press Ctrl-C to stop.{off}",
        "",
    ]
    if options.host not in LOOPBACK_HOSTS:
        lines.insert(1, f"  Warning: {options.host} makes this development server reachable from your network.")
    return "\n".join(lines)
