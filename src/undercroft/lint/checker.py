"""Reads files, asks every rule, and leaves out what a comment allows."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from undercroft.lint import connections, tenants
from undercroft.lint.sources import Index, Source, read_sources
from undercroft.lint.violations import Violation, check_suppressions, find_suppressions

PACKAGE = Path(__file__).parents[1]


def check(paths: Sequence[Path]) -> list[Violation]:
    """Everything under these paths that breaks a rule, in order. Raises `SyntaxError` and `OSError` of a bad file."""
    sources = list(read_sources(paths))
    known = {source.path.resolve() for source in sources}
    index = Index([*sources, *(source for source in read_sources([PACKAGE]) if source.path.resolve() not in known)])
    return sorted({finding for source in sources for finding in _check(source, index)})


def _check(source: Source, index: Index) -> Iterator[Violation]:
    allowed = find_suppressions(source.text)
    for rules in (tenants.run_rules, connections.run_rules):
        for node, rule, message in rules(source, index):
            first, last = node.lineno, node.end_lineno or node.lineno
            covering = [permit for permit in allowed if permit.covers(first, last, rule)]
            for permit in covering:
                permit.used = True
            if not covering:
                yield Violation(source.path, first, rule, message)
    yield from check_suppressions(source.path, allowed)
