"""Static checks of `undercroft check`: tenant isolation, transactions and connection state.

The code is parsed, never imported, so that projects and extensions can be checked without their dependencies.
"""

from undercroft.lint.checker import check
from undercroft.lint.violations import RULES, Violation

__all__ = ["RULES", "Violation", "check"]
