"""Runs all rules on source files, and applies the comments that suppress a rule with a reason."""

import re
import tokenize
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from io import StringIO
from pathlib import Path

from undercroft.lint import connections, contract, extension_imports, tenants
from undercroft.lint.sources import Index, Source, read_sources

PACKAGE = Path(__file__).parents[1]
RULES = {
    "tenant-query": "only the repository of its module queries a tenant model",
    "tenant-scope": "a repository's query on a tenant model filters by team",
    "tenant-sql": "only the repository of its module contains SQL on a tenant table, and the SQL filters by team",
    "tenant-factory": "the attack on tenant isolation creates a row of every table with a team_id",
    "query-place": "only the repository of a module contains SQL and executes statements",
    "error-place": "the error classes of a module are in errors.py",
    "extension-import": "an extension imports only public names and no other extension, the core imports no extension",
    "module-import": "other packages import only the public names of a module",
    "module-file": "a module has only files with standard names",
    "module-size": "a module that is large or exports much states the reason",
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
    used: bool = False

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


def _find_suppressions(text: str) -> Iterator[Suppression]:
    for token in tokenize.generate_tokens(StringIO(text).readline):
        match = _ALLOW.search(token.string) if token.type == tokenize.COMMENT else None
        if match:
            alone = not token.line[: token.start[1]].strip()
            yield Suppression(token.start[0], match["rule"], (match["reason"] or "").strip(), alone)


def check(paths: Sequence[Path]) -> list[Violation]:
    """Return all violations under these paths, sorted. Raises `SyntaxError` or `OSError` for an unreadable file."""
    sources = list(read_sources(paths))
    known = {source.path.resolve() for source in sources}
    index = Index([*sources, *(source for source in _package_sources() if source.path.resolve() not in known)])
    return sorted({violation for source in sources for violation in _check(source, index)})


@cache
def _package_sources() -> list[Source]:
    """Parse the files of Undercroft itself: the checked files may use its classes."""
    return list(read_sources([PACKAGE]))


def _check(source: Source, index: Index) -> Iterator[Violation]:
    allowed = list(_find_suppressions(source.text))
    for rules in (tenants.run_rules, connections.run_rules, contract.run_rules, extension_imports.run_rules):
        for node, rule, message in rules(source, index):
            first, last = node.lineno, node.end_lineno or node.lineno
            covering = [suppression for suppression in allowed if suppression.covers(first, last, rule)]
            for suppression in covering:
                suppression.used = True
            if not covering:
                yield Violation(source.path, first, rule, message)
    yield from (Violation(source.path, each.line, "allow", each.error) for each in allowed if each.error)
