"""Static checks of `undercroft check`: tenant isolation, transactions and connection state.

The code is parsed, never imported, so that projects and extensions can be checked without their dependencies.
"""

from undercroft.lint.checker import RULES, Violation, check

__all__ = ["RULES", "Violation", "check"]
