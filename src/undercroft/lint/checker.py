"""Runs all rules on source files and applies suppressions."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from undercroft.lint import connections, tenants
from undercroft.lint.sources import Index, Source, read_sources
from undercroft.lint.violations import Violation, check_suppressions, find_suppressions

PACKAGE = Path(__file__).parents[1]


def check(paths: Sequence[Path]) -> list[Violation]:
    """Return all violations under these paths, sorted. Raises `SyntaxError` or `OSError` for an unreadable file."""
    sources = list(read_sources(paths))
    known = {source.path.resolve() for source in sources}
    index = Index([*sources, *(source for source in read_sources([PACKAGE]) if source.path.resolve() not in known)])
    return sorted({violation for source in sources for violation in _check(source, index)})


def _check(source: Source, index: Index) -> Iterator[Violation]:
    allowed = find_suppressions(source.text)
    for rules in (tenants.run_rules, connections.run_rules):
        for node, rule, message in rules(source, index):
            first, last = node.lineno, node.end_lineno or node.lineno
            covering = [suppression for suppression in allowed if suppression.covers(first, last, rule)]
            for suppression in covering:
                suppression.used = True
            if not covering:
                yield Violation(source.path, first, rule, message)
    yield from check_suppressions(source.path, allowed)
