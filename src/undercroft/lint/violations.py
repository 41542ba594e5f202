"""What is found, and the comments that allow it with a reason."""

import re
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

RULES = {
    "tenant-query": "a query on a team's model is written in the repository of its module, and nowhere else",
    "tenant-scope": "a repository's query on a team's model says which team",
    "tenant-sql": "SQL that names a team's table is written in the repository of its module, and says which team",
    "query-place": "routes, pages and services ask repositories and send no statements themselves",
    "transaction": "whoever opened a session ends its transaction, and nobody else",
    "session-setting": "no setting stays on a connection for the next borrower",
    "middleware": "middleware is pure ASGI",
}
_ALLOW = re.compile(r"#\s*undercroft:\s*allow\s+(?P<rule>[\w-]+)(?:\s+because\s+(?P<reason>.+))?")
_MIN_REASON_LENGTH = 10


@dataclass(frozen=True, order=True)
class Violation:
    """One place where a rule does not hold. `message` says what is wrong and what to write instead."""

    path: Path
    line: int
    rule: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.message} [{self.rule}]"


@dataclass
class Suppression:
    """A comment that allows one rule to be broken in its line, or in the line below when it stands alone."""

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
            return f"there is no rule {self.rule}; there are {', '.join(RULES)}"
        if len(self.reason) < _MIN_REASON_LENGTH:
            return f"say why: `# undercroft: allow {self.rule} because …`"
        return "" if self.used else f"nothing here breaks {self.rule} any more: remove the comment"


def find_suppressions(text: str) -> list[Suppression]:
    """The comments of a file that allow something."""
    return list(_iter_suppressions(text))


def _iter_suppressions(text: str) -> Iterator[Suppression]:
    for token in tokenize.generate_tokens(StringIO(text).readline):
        match = _ALLOW.search(token.string) if token.type == tokenize.COMMENT else None
        if match:
            alone = not token.line[: token.start[1]].strip()
            yield Suppression(token.start[0], match["rule"], (match["reason"] or "").strip(), alone)


def check_suppressions(path: Path, found: Iterable[Suppression]) -> Iterator[Violation]:
    """Permits that allow nothing, or without a reason."""
    return (Violation(path, permit.line, "allow", permit.error) for permit in found if permit.error)
