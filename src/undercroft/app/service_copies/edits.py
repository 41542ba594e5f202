"""Edits of Python source that leave all other lines as they are: an entry of a table, lines, an import."""

import ast
import sys
from collections.abc import Iterable

from undercroft.app.service_copies.copy import WIDTH


def add_entry(text: str, table: ast.Dict, entry: str) -> str:
    """Add an entry at the end of OVERRIDES, one in each line if they do not fit into one."""
    lines = text.splitlines(keepends=True)
    first, last = table.lineno - 1, (table.end_lineno or 1) - 1
    start, end = (
        lines[first].encode()[: table.col_offset].decode(),
        lines[last].encode()[table.end_col_offset :].decode(),
    )
    entries = [
        f"{ast.unparse(key)}: {ast.unparse(value)}" for key, value in zip(table.keys, table.values, strict=True) if key
    ]
    line = f"{start}{{{', '.join([*entries, entry])}}}{end}"
    if first != last or len(line) > WIDTH + 1:
        line = start + "{\n" + "".join(f"    {each},\n" for each in [*entries, entry]) + "}" + end
    return "".join([*lines[:first], line, *lines[last + 1 :]])


def insert_after(text: str, line: int, block: str) -> str:
    lines = text.splitlines(keepends=True)
    return "".join([*lines[:line], block, *lines[line:]])


def add_import(text: str, module: str, name: str) -> str:
    """Import a name in the line that imports others of its module, or in a new line, in the order of isort."""
    body = ast.parse(text).body
    imports = [each for each in body if isinstance(each, ast.ImportFrom | ast.Import)]
    same = next((each for each in imports if isinstance(each, ast.ImportFrom) and each.module == module), None)
    if same is not None:
        names = [each.name + (f" as {each.asname}" if each.asname else "") for each in same.names]
        lines = text.splitlines(keepends=True)
        lines[same.lineno - 1 : same.end_lineno] = [_write_import(module, [*names, name])]
        return "".join(lines)
    line, key = _write_import(module, [name]), _import_order(module)
    following = next((each for each in imports if _import_order(_module_of(each)) > key), None)
    if following is not None:
        gap = "\n" if _import_order(_module_of(following))[0] != key[0] else ""
        before = [each for each in imports if each.lineno < following.lineno]
        at = before[-1] if gap and before else None
        if at is not None and _import_order(_module_of(at))[0] == key[0]:
            return insert_after(text, at.end_lineno or 0, line)
        return insert_after(text, following.lineno - 1, f"{line}{gap}")
    if imports:
        gap = "\n" if _import_order(_module_of(imports[-1]))[0] != key[0] else ""
        return insert_after(text, imports[-1].end_lineno or 0, f"{gap}{line}")
    is_documented = bool(body) and isinstance(body[0], ast.Expr)
    return insert_after(text, (body[0].end_lineno or 0) if is_documented else 0, f"\n{line}" if is_documented else line)


def _module_of(node: ast.Import | ast.ImportFrom) -> str:
    return (node.module or "") if isinstance(node, ast.ImportFrom) else node.names[0].name


def _import_order(module: str) -> tuple[bool, str]:
    """The standard library comes first."""
    return module.partition(".")[0] not in sys.stdlib_module_names, module


def _write_import(module: str, names: Iterable[str]) -> str:
    ordered = sorted(set(names), key=lambda each: (not each.isupper(), not each[0].isupper(), each))
    line = f"from {module} import {', '.join(ordered)}\n"
    if len(line) <= WIDTH + 1:
        return line
    return f"from {module} import (\n" + "".join(f"    {each},\n" for each in ordered) + ")\n"
