"""Full-text search in the pages and public docstrings of the installed Undercroft."""

import ast
import re
import sqlite3
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from msgspec import Struct

import undercroft
from undercroft.app.documentation import list_pages
from undercroft.lint.extension_imports import public_modules, public_names

PACKAGE = Path(undercroft.__file__).parent
MAX_TEXT = 4_000
_HEADING = re.compile(r"#{1,4} +(.+)")
_DESCRIBED = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


class Passage(Struct, frozen=True):
    """A section of a page, or the docstring of a public name."""

    title: str
    text: str


def search(query: str, limit: int) -> list[Passage]:
    """The passages that match a few words best, best first."""
    words = re.findall(r"\w+", query)
    if not words:
        return []
    match = " OR ".join(f'"{word}"' for word in words)
    rows = _index().execute(
        "SELECT title, text FROM passages WHERE passages MATCH ? ORDER BY bm25(passages, 4.0, 1.0) LIMIT ?",
        (match, limit),
    )
    return [Passage(title, text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}…") for title, text in rows]


@cache
def _index() -> sqlite3.Connection:
    database = sqlite3.connect(":memory:", check_same_thread=False)
    database.execute("CREATE VIRTUAL TABLE passages USING fts5(title, text, tokenize='porter unicode61')")
    found = [each for each in (*_page_passages(), *_docstrings()) if each.text]
    database.executemany("INSERT INTO passages VALUES (?, ?)", [(each.title, each.text) for each in found])
    return database


def _page_passages() -> Iterator[Passage]:
    """The sections of all pages."""
    for page in list_pages():
        title, lines, fenced = page.path, list[str](), False
        for line in page.read().splitlines():
            fenced ^= line.startswith("```")
            heading = None if fenced else _HEADING.fullmatch(line)
            if heading is None:
                lines.append(line)
                continue
            yield Passage(title, "\n".join(lines).strip())
            title, lines = f"{page.path}: {heading[1]}", []
        yield Passage(title, "\n".join(lines).strip())


def _docstrings() -> Iterator[Passage]:
    """The docstrings of public classes and functions, with their signatures, wherever they are defined."""
    for module in public_modules():
        folder = PACKAGE.joinpath(*module.split(".")[1:])
        files = sorted(folder.rglob("*.py")) if folder.is_dir() else [folder.with_suffix(".py")]
        for node in (node for file in files for node in ast.parse(file.read_text(encoding="utf-8")).body):
            if isinstance(node, _DESCRIBED) and node.name in public_names(module) and (text := _describe(node)):
                yield Passage(f"{module}.{node.name}", text)


def _describe(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    text = ast.get_docstring(node) or ""
    if not isinstance(node, ast.ClassDef):
        return f"{_signature(node)}\n{text}" if text else ""
    methods = [each for each in node.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)]
    described = (
        f"{_signature(each)}\n{ast.get_docstring(each)}"
        for each in methods
        if each.name[0] != "_" and ast.get_docstring(each)
    )
    return "\n\n".join(filter(None, [text, *described]))


def _signature(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    word = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
    returned = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"{word} {node.name}({ast.unparse(node.args)}){returned}"
