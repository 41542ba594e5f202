"""The modules of this test run: DISABLED_MODULES may leave out optional ones."""

import os

from undercroft.core.settings import split_list

DISABLED = frozenset[str](split_list(os.environ.get("DISABLED_MODULES", "")))

SAME_MODULES = {"DISABLED_MODULES": ",".join(sorted(DISABLED))}
"""The environment of an application or command that has the modules of this test run, and so can use its database."""


def is_enabled(module: str) -> bool:
    return module not in DISABLED
