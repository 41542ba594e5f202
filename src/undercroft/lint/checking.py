"""Reads files, asks every rule, and leaves out what a comment allows."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from undercroft.lint import connections, tenants
from undercroft.lint.findings import Finding, faults_of, permits
from undercroft.lint.sources import Index, Source, read

PACKAGE = Path(__file__).parents[1]


def check(paths: Sequence[Path]) -> list[Finding]:
    """Everything under these paths that breaks a rule, in order. Raises `SyntaxError` and `OSError` of a bad file."""
    sources = list(read(paths))
    known = {source.path.resolve() for source in sources}
    index = Index([*sources, *(source for source in read([PACKAGE]) if source.path.resolve() not in known)])
    return sorted({finding for source in sources for finding in _check(source, index)})


def _check(source: Source, index: Index) -> Iterator[Finding]:
    allowed = permits(source.text)
    for rules in (tenants.findings, connections.findings):
        for node, rule, message in rules(source, index):
            first, last = node.lineno, node.end_lineno or node.lineno
            covering = [permit for permit in allowed if permit.covers(first, last, rule)]
            for permit in covering:
                permit.used = True
            if not covering:
                yield Finding(source.path, first, rule, message)
    yield from faults_of(source.path, allowed)
