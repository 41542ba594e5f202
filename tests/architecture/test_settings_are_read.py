"""Every setting is used by the code."""

import ast
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

import pytest

import undercroft
from tests.enabled import DISABLED
from undercroft.app.discovery import list_settings_classes
from undercroft.core.settings import SettingsBase, env_name

SOURCE = Path(undercroft.__file__).parent


@cache
def attributes_read() -> dict[str, set[str]]:
    """The names of attributes that the source reads or asks `getattr` for, and the classes that their files name."""
    read: dict[str, set[str]] = {}
    for file in SOURCE.rglob("*.py"):
        tree = ast.parse(file.read_text())
        named = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        named |= {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
        named |= {name.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for name in node.names}
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
                read.setdefault(node.attr, set()).update(named)
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "getattr":
                read.setdefault(_pattern(node.args[1]), set()).update(named)
    return read


def _pattern(name: ast.expr) -> str:
    """What `getattr` is asked for, with a star for each variable part."""
    if isinstance(name, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "*" for part in name.values)
    return str(name.value) if isinstance(name, ast.Constant) else ""


def settings() -> list[tuple[type[SettingsBase], str]]:
    return [(declared, name) for declared in list_settings_classes(disabled=DISABLED) for name in declared.model_fields]


def _is_read(declared: type[SettingsBase], name: str) -> bool:
    """Whether a file that knows the class, or one of its properties and methods, reads this attribute."""
    read = attributes_read()
    return any(declared.__name__ in files for pattern, files in read.items() if fnmatchcase(name, pattern))


@pytest.mark.parametrize(("declared", "name"), settings(), ids=lambda each: getattr(each, "__name__", each))
def test_setting_is_used(declared: type[SettingsBase], name: str) -> None:
    assert _is_read(declared, name), f"Nothing reads {env_name(declared, name)}: use it or remove it."


def test_unused_setting_is_detected() -> None:
    class Unread(SettingsBase):
        unused_setting: int = 1

    assert not _is_read(Unread, "unused_setting")
