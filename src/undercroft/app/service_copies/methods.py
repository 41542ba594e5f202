"""The methods of services that can be copied, found by name."""

import ast
import inspect
import re
from difflib import get_close_matches
from hashlib import sha256
from typing import Any

from msgspec import Struct

import undercroft
from undercroft.app.discovery import LoadedModule
from undercroft.app.registry import get_registry
from undercroft.app.service_overrides import list_services, parse_method, public_methods
from undercroft.core.errors import ConfigurationError
from undercroft.core.overrides import Service


class ServiceMethod(Struct, frozen=True):
    """A public method of a service, and the module of the service."""

    module: LoadedModule
    service: type[Service]
    name: str

    @property
    def qualified_name(self) -> str:
        return f"{self.module.name}.{self.service.__name__}.{self.name}"

    @property
    def function(self) -> Any:
        return inspect.getattr_static(self.service, self.name)

    @property
    def tree(self) -> ast.FunctionDef | ast.AsyncFunctionDef:
        found = parse_method(self.function)
        assert found is not None
        return found

    @property
    def digest(self) -> str:
        """The hash of the code without comments and formatting."""
        return sha256(ast.unparse(self.tree).encode()).hexdigest()[:16]

    @property
    def header(self) -> str:
        """The comment above a copy, which `undercroft eject --check` reads."""
        return f"# Copy of {self.qualified_name} of undercroft {undercroft.__version__}, sha256:{self.digest}."


def list_service_names() -> list[str]:
    """Return the names of the services that can be overridden, `teams.TeamService`, sorted."""
    services = list_services(get_registry().modules)
    return sorted(f"{module.name}.{service.__name__}" for service, module in services.items())


def names_a_service(name: str) -> bool:
    """Whether a name is written as that of a service or a method of one, not as that of a template."""
    return "/" not in name and any(re.fullmatch(r"[A-Z][a-z]\w+", part) for part in name.split("."))


def find_method(name: str) -> ServiceMethod:
    """Return the method with this name: `TeamService.create` or `teams.TeamService.create`.

    Raises `ConfigurationError`, with the possible names, if there is none.
    """
    for service, module in list_services(get_registry().modules).items():
        known, methods = f"{module.name}.{service.__name__}", public_methods(service)
        for prefix in (known, service.__name__):
            if name == prefix:
                listed = ", ".join(methods)
                raise ConfigurationError(f"Name one method: `undercroft eject {name}.{methods[0]}`. Methods: {listed}.")
            if name.startswith(f"{prefix}."):
                method = name.removeprefix(f"{prefix}.")
                if method in methods:
                    return ServiceMethod(module, service, method)
                close = get_close_matches(method, methods, 1)
                hint = f"Did you mean {close[0]}?" if close else f"Methods: {', '.join(methods)}."
                raise ConfigurationError(f"{known} has no public method {method}. {hint}")
    wanted = next((part for part in name.split(".") if part[:1].isupper()), name)
    services = list_service_names()
    close = get_close_matches(wanted, [each.partition(".")[2] for each in services], 3, 0.5)
    hint = f"Did you mean {', '.join(close)}?" if close else f"Services: {', '.join(services)}."
    raise ConfigurationError(f"There is no service {wanted} that can be overridden. {hint}")
