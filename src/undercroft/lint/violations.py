"""Violations, and the comments that suppress them with a reason."""

import re
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

RULES = {
    "tenant-query": "only the repository of its module queries a tenant model",
    "tenant-scope": "a repository's query on a tenant model filters by team",
    "tenant-sql": "only the repository of its module contains SQL on a tenant table, and the SQL filters by team",
    "query-place": "routes, pages and services call repositories instead of executing statements",
    "transaction": "only the code that opened a session ends its transaction",
    "session-setting": "no setting stays on a pooled connection",
    "middleware": "middleware is pure ASGI",
}
_ALLOW = re.compile(r"#\s*undercroft:\s*allow\s+(?P<rule>[\w-]+)(?:\s+because\s+(?P<reason>.+))?")
_MIN_REASON_LENGTH = 10


@dataclass(frozen=True, order=True)
class Violation:
    """A violation of a rule. `message` states the problem and the fix."""

    path: Path
    line: int
    rule: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.message} [{self.rule}]"


@dataclass
class Suppression:
    """A comment that suppresses a rule in its line, or in the next line if it is the only text in its line."""

    line: int
    rule: str
    reason: str
    alone: bool
    used: bool = field(default=False)

    def covers(self, first: int, last: int, rule: str) -> bool:
        line = self.line + 1 if self.alone else self.line
        return self.rule == rule and first <= line <= last

    @property
    def error(self) -> str:
        if self.rule not in RULES:
            return f"there is no rule {self.rule}; available rules: {', '.join(RULES)}"
        if len(self.reason) < _MIN_REASON_LENGTH:
            return f"add a reason: `# undercroft: allow {self.rule} because …`"
        return "" if self.used else f"this line does not violate {self.rule}; remove the comment"


def find_suppressions(text: str) -> list[Suppression]:
    """Return the suppressions in a file."""
    return list(_iter_suppressions(text))


def _iter_suppressions(text: str) -> Iterator[Suppression]:
    for token in tokenize.generate_tokens(StringIO(text).readline):
        match = _ALLOW.search(token.string) if token.type == tokenize.COMMENT else None
        if match:
            alone = not token.line[: token.start[1]].strip()
            yield Suppression(token.start[0], match["rule"], (match["reason"] or "").strip(), alone)


def check_suppressions(path: Path, found: Iterable[Suppression]) -> Iterator[Violation]:
    """Yield violations for suppressions that are unused, unknown or without a reason."""
    return (Violation(path, each.line, "allow", each.error) for each in found if each.error)
