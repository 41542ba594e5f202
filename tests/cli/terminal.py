"""What a person at a terminal types and sees."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PRODUCTION = {
    "SECRET_KEY": "kJ8v2Qz7Xw1Rb5Nt9Ys3Lm6Pc4Hd0Gf8Ea",
    "PUBLIC_URL": "https://app.example.com",
    "SMTP_HOST": "smtp.example.com",
    "EMAIL_FROM": "no-reply@example.com",
}
"""Everything that production wants, without a database."""


@dataclass(frozen=True)
class Seen:
    """The exit code and everything that was printed."""

    code: int
    out: str
    err: str

    @property
    def everything(self) -> str:
        return self.out + self.err


def typed(*words: str, folder: Path, stdin: str = "", **environment: str) -> Seen:
    """Run `undercroft WORDS` in a folder, knowing nothing but this environment; nothing is a terminal."""
    done = subprocess.run(
        [sys.executable, "-m", "undercroft.cli", *words],
        cwd=folder,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        env=bare(environment),
        check=False,
    )
    return Seen(done.returncode, done.stdout, done.stderr)


def bare(more: Mapping[str, str]) -> dict[str, str]:
    """The environment of somebody who has set nothing but this."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "SYSTEMROOT") if name in os.environ}
    return {**kept, **more}
