"""What `undercroft check` reads out of source code: teams kept apart, one transaction, no state left on connections.

It parses and never imports what it reads, so that it works on projects and extensions that do not run here.
"""

from undercroft.lint.checker import check
from undercroft.lint.violations import RULES, Violation

__all__ = ["RULES", "Violation", "check"]
