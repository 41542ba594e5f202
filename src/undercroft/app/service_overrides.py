"""The services that extensions override: which can be, and the rules that an override must follow.

    OVERRIDES = {TeamService: AcmeTeamService}            # overrides.py of an extension

An override replaces public methods, with their parameters. It cannot remove a check: private methods stay as they are,
and a method that is marked with `call_super` must be called.
"""

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterable, Iterator
from difflib import get_close_matches
from inspect import Parameter
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from undercroft.app.discovery import LoadedModule
from undercroft.core.errors import CodeError
from undercroft.core.overrides import Overrides, Service

EXAMPLE = "OVERRIDES = {TeamService: AcmeTeamService}"
_POSITIONAL = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
_VARIABLE = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
_ACCEPTED_BY: dict[Any, set[Any]] = {
    Parameter.POSITIONAL_ONLY: {Parameter.VAR_POSITIONAL},
    Parameter.POSITIONAL_OR_KEYWORD: {*_VARIABLE},
    Parameter.KEYWORD_ONLY: {Parameter.VAR_KEYWORD},
    Parameter.VAR_POSITIONAL: {Parameter.VAR_POSITIONAL},
    Parameter.VAR_KEYWORD: {Parameter.VAR_KEYWORD},
}
"""The variable parameters, `*args` and `**kwargs`, that together accept a parameter of each kind."""
_PACKAGE = "undercroft.modules."


def list_services(modules: Iterable[LoadedModule]) -> dict[type[Service], LoadedModule]:
    """Return the services that can be overridden, with their modules: the public ones that inherit from `Service`."""
    found = dict[type[Service], LoadedModule]()
    for module in modules:
        if not module.is_extension:
            names = sorted(getattr(module.package, "__all__", ()))
            exported = (getattr(module.package, name) for name in names)
            found |= {each: module for each in exported if isinstance(each, type) and issubclass(each, Service)}
    return found


def read_overrides(module: LoadedModule) -> dict[type[Service], type[Service]]:
    """Return the OVERRIDES of an extension; none without a file `overrides.py`. Raises `CodeError` if they are none."""
    part = module.load_submodule("overrides")
    if part is None:
        return {}
    declared = getattr(part, "OVERRIDES", None)
    if not isinstance(declared, dict):
        raise CodeError(f"overrides.py must define {EXAMPLE}.", at=part)
    return declared


def merge_overrides(extensions: Iterable[LoadedModule]) -> Overrides:
    """Return the overrides of all extensions. Raises `CodeError` if two of them override the same service."""
    found, owners = Overrides(), dict[type[Service], str]()
    for extension in extensions:
        for original, override in read_overrides(extension).items():
            if original in owners:
                raise CodeError(
                    f"The extensions {owners[original]} and {extension.name} both override {original.__name__}. "
                    "Remove one of the overrides, or put both changes into one extension.",
                    at=override,
                )
            found[original], owners[original] = override, extension.name
    return found


def check_overrides(module: LoadedModule, modules: Iterable[LoadedModule]) -> None:
    """Raise `CodeError` for the first override of an extension that breaks a rule. `modules` are the built-in ones."""
    part: Any = module.load_submodule("overrides")
    services = list_services(modules)
    for index, (original, override) in enumerate(read_overrides(module).items()):
        at = _find_entry(part, index)
        _check_original(original, module, services, at)
        if not (isinstance(override, type) and issubclass(override, original) and override is not original):
            shown = getattr(override, "__name__", repr(override))
            raise CodeError(
                f"{shown} must be a subclass of {original.__name__}: class {module.name.capitalize()}"
                f"{original.__name__}({original.__name__}).",
                at=at,
            )
        _check_methods(original, override)


def overridden_methods(original: type[Service], override: type[Service]) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield the methods of the original that the override replaces."""
    for name, value in _own_members(original, override):
        if isinstance(value, FunctionType) and hasattr(original, name) and not name.startswith("_"):
            yield name, value


def _check_original(original: Any, module: LoadedModule, services: dict[type[Service], LoadedModule], at: Any) -> None:
    if original in services:
        return
    name = getattr(original, "__name__", repr(original))
    known = sorted(f"{owner.name}.{service.__name__}" for service, owner in services.items())
    close = get_close_matches(name, [each.partition(".")[2] for each in known], 1)
    if not isinstance(original, type):
        problem = f"{name} is not a class. Name the service itself: {EXAMPLE}."
    elif original.__module__.startswith(f"{module.package.__name__}."):
        problem = f"{name} belongs to {module.name} itself. Change it there."
    elif original.__module__.startswith(_PACKAGE) and not issubclass(original, Service):
        problem = (
            f"{name} cannot be overridden: it decides who a caller is, or is not made for it. Use a hook, such as "
            "@before(SignIn), or subscribe to an event."
        )
    else:
        problem = f"{name} is not a service of a module. {f'Did you mean {close[0]}?' if close else ''}".rstrip()
    raise CodeError(f"{problem} Services that can be overridden: {', '.join(known)}.", at=at)


def _find_entry(part: ModuleType, index: int) -> Any:
    """The file and line of an entry of OVERRIDES; the file if it is not written there."""
    lines = [line for _, line in list_entries(Path(part.__file__ or ""))]
    return (part.__file__, lines[index]) if index < len(lines) else part


def list_entries(file: Path) -> list[tuple[str, int]]:
    """Return the names of the services in OVERRIDES with their lines, without importing the file."""
    if not file.is_file():
        return []
    assigned = (
        node
        for node in ast.parse(file.read_text(encoding="utf-8"), filename=str(file)).body
        if isinstance(node, ast.Assign | ast.AnnAssign)
    )
    tables = (node.value for node in assigned if isinstance(node.value, ast.Dict))
    keys = (key for table in tables for key in table.keys if key is not None)
    return [(ast.unparse(key).rpartition(".")[2], key.lineno) for key in keys]


def _own_members(original: type, override: type) -> Iterator[tuple[str, Any]]:
    """Yield what an override and its own base classes define, the last definition of a name only."""
    seen = set[str]()
    for each in override.__mro__:
        if each not in original.__mro__:
            for name, value in vars(each).items():
                if name not in seen:
                    seen.add(name)
                    yield name, value


def _check_methods(original: type[Service], override: type[Service]) -> None:
    known = {name for each in original.__mro__ if each is not object for name in vars(each)}
    for name, value in _own_members(original, override):
        replaced = inspect.getattr_static(original, name, None)
        if name not in known or (name.startswith("__") and not isinstance(value, FunctionType | staticmethod)):
            continue
        if name != "__init__" and name.startswith("_"):
            raise CodeError(
                f"{name} is private to {original.__name__}: it may check access, and may change in each release. "
                f"Rename your method, and override a public one: {', '.join(public_methods(original))}.",
                at=value if isinstance(value, FunctionType) else override,
            )
        if not (isinstance(value, FunctionType) and isinstance(replaced, FunctionType)):
            raise CodeError(
                f"{override.__name__} sets {name}, which belongs to {original.__name__} itself: the application reads "
                "it there, so this would have no effect. An override replaces only methods. Remove it.",
                at=value if isinstance(value, FunctionType) else override,
            )
        _check_method(original, override, replaced, value)


def public_methods(service: type[Service]) -> list[str]:
    """Return the names of the methods that an override may replace."""
    members = (inspect.getattr_static(service, name) for name in dir(service) if not name.startswith("_"))
    return [each.__name__ for each in members if isinstance(each, FunctionType)]


def _check_method(
    original: type[Service], override: type[Service], method: FunctionType, replacement: FunctionType
) -> None:
    title = f"{override.__name__}.{method.__name__}"
    if _is_async(method) != _is_async(replacement) or not _accepts(replacement, method):
        raise CodeError(
            f"{title} must accept what {original.__name__}.{method.__name__} does. Write: {write_signature(method)}:",
            at=replacement,
        )
    if (hasattr(method, "__call_super__") or method.__name__ == "__init__") and not _calls_super(replacement):
        reason = "checks access and records the change" if hasattr(method, "__call_super__") else "sets the attributes"
        call = f"{'await ' if _is_async(method) else ''}super().{method.__name__}(…)"
        raise CodeError(
            f"{original.__name__}.{method.__name__} {reason}, and {title} does not call it on every path that "
            f"returns. Add `{call}`, or raise an error.",
            at=replacement,
        )


def _is_async(function: FunctionType) -> bool:
    return inspect.iscoroutinefunction(inspect.unwrap(function))


def parse_method(method: FunctionType) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    """Parse the source of a method; None if there is none, or if it is a lambda."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(method)))).body[0]
    except (OSError, SyntaxError):
        return None
    return tree if isinstance(tree, ast.FunctionDef | ast.AsyncFunctionDef) else None


def write_signature(method: FunctionType) -> str:
    """The line that defines a method, as it is written in the source."""
    tree = parse_method(method)
    assert tree is not None
    returns = f" -> {ast.unparse(tree.returns)}" if tree.returns else ""
    prefix = "async " if isinstance(tree, ast.AsyncFunctionDef) else ""
    return f"{prefix}def {tree.name}({ast.unparse(tree.args)}){returns}"


def _accepts(replacement: FunctionType, method: FunctionType) -> bool:
    """Whether a function can be called in each way in which a method can be called."""
    given = dict([*inspect.signature(replacement).parameters.items()][1:])
    expected = [*inspect.signature(method).parameters.values()][1:]
    positional = [each.name for each in given.values() if each.kind is Parameter.POSITIONAL_OR_KEYWORD]
    kinds: set[Any] = {each.kind for each in given.values()}
    for index, parameter in enumerate(expected):
        own = given.get(parameter.name)
        if own is None or own.kind in _VARIABLE:
            is_accepted = kinds >= _ACCEPTED_BY[parameter.kind]
        elif parameter.kind in _POSITIONAL and positional[index : index + 1] != [parameter.name]:
            is_accepted = False
        else:
            is_accepted = parameter.default is Parameter.empty or own.default is not Parameter.empty
        if not is_accepted:
            return False
    names = {each.name for each in expected}
    added = [each for each in given.values() if each.name not in names]
    return all(each.kind in _VARIABLE or each.default is not Parameter.empty for each in added)


def _calls_super(function: FunctionType) -> bool:
    from undercroft.lint.super_calls import always_calls_super  # with the linter, which a server does not need

    tree = parse_method(function)
    return tree is not None and always_calls_super(tree)
