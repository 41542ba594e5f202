"""A task's arguments: read from its signature, checked when a job is enqueued and again when it runs."""

import dataclasses
import inspect
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any, get_args, get_type_hints

from pydantic import BaseModel, ConfigDict, Secret, SecretBytes, SecretStr, ValidationError, create_model
from pydantic_core import PydanticSerializationError, to_json

from undercroft.jobs.context import CurrentJob
from undercroft.jobs.errors import InvalidArguments, InvalidTask

RESERVED = frozenset({"session", "task", "delay", "at", "key", "priority"})
POSITIONAL_ONLY_OR_VARIADIC = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.VAR_POSITIONAL,
    inspect.Parameter.VAR_KEYWORD,
)


class Arguments:
    """What a task may be called with.

    A parameter annotated `CurrentJob` is filled in by the worker. Raises `InvalidTask` for a parameter without an
    annotation, one that cannot be given by keyword, one whose name `enqueue` uses itself, and one that holds a secret.
    """

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        self._name = name
        self._fields: dict[str, Any] = {}
        self._job_parameter: str | None = None
        hints = get_type_hints(function, include_extras=True)
        for parameter in inspect.signature(function).parameters.values():
            self._add_parameter(parameter, hints)

    @property
    def all_optional(self) -> bool:
        return all(default is not ... for _, default in self._fields.values())

    def encode(self, values: dict[str, Any]) -> str:
        """The arguments as JSON. Raises `InvalidArguments` naming what does not fit."""
        checked = self._validate(values)
        try:
            encoded = checked.__pydantic_serializer__.to_json(checked)
        except PydanticSerializationError as error:
            raise InvalidArguments(f"{self._name}: an argument cannot be written as JSON: {error}") from error
        if b"\\u0000" in encoded:
            raise InvalidArguments(f"{self._name}: an argument holds a NUL character, which cannot be stored")
        return encoded.decode()

    def decode(self, values: dict[str, Any], job: CurrentJob) -> dict[str, Any]:
        """The keyword arguments for a call. Raises `InvalidArguments` when stored ones no longer fit."""
        checked = self._validate(values)
        arguments = {name: getattr(checked, name) for name in self._fields}
        if self._job_parameter:
            arguments[self._job_parameter] = job
        return arguments

    @cached_property
    def _model(self) -> type[BaseModel]:
        config = ConfigDict(extra="forbid", allow_inf_nan=False, hide_input_in_errors=True, protected_namespaces=())
        return create_model(self._name, __config__=config, **self._fields)

    def _validate(self, values: dict[str, Any]) -> BaseModel:
        try:
            return self._model.model_validate(values)
        except ValidationError as error:
            errors = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
            raise InvalidArguments(f"{self._name}: {errors}") from None

    def _add_parameter(self, parameter: inspect.Parameter, hints: dict[str, Any]) -> None:
        name = parameter.name
        if parameter.kind in POSITIONAL_ONLY_OR_VARIADIC:
            raise InvalidTask(f"{name} must be a parameter that can be given by its name.")
        if name not in hints:
            raise InvalidTask(f"{name} needs a type annotation; arguments are checked by it.")
        if hints[name] is CurrentJob:
            self._job_parameter = name
            return
        if name in RESERVED or name.startswith("_"):
            raise InvalidTask(f"{name} is a name that `enqueue` uses itself; choose another.")
        if holds_secret(hints[name]):
            raise InvalidTask(
                f"{name} would store a secret in the job table. Pass an id and read or make the secret inside the task."
            )
        default = ... if parameter.default is inspect.Parameter.empty else parameter.default
        self._fields[name] = (hints[name], default)


def holds_secret(annotation: Any) -> bool:
    """Whether a value of this type may hold a pydantic secret, at any depth."""
    return any(
        isinstance(part, type) and issubclass(part, Secret | SecretStr | SecretBytes)
        for part in _nested_types(annotation, set())
    )


def encode_result(value: Any, limit: int) -> str | None:
    """A task's result as JSON that PostgreSQL takes; None for None.

    Raises `ValueError` when it cannot be written as JSON or is longer than `limit` bytes.
    """
    if value is None:
        return None
    try:
        encoded = to_json(value, inf_nan_mode="null")
    except PydanticSerializationError as error:
        raise ValueError(f"the result cannot be written as JSON: {error}") from None
    if len(encoded) > limit:
        raise ValueError(f"the result takes {len(encoded)} bytes, more than {limit}")
    if b"\\u0000" in encoded:
        raise ValueError("the result holds a NUL character, which cannot be stored")
    return encoded.decode()


def _nested_types(annotation: Any, seen: set[int]) -> Iterator[Any]:
    """The annotation and everything that it is made of."""
    if id(annotation) in seen:
        return
    seen.add(id(annotation))
    yield annotation
    origin = getattr(annotation, "__origin__", None)
    inner = [*get_args(annotation), *([origin] if origin is not None else [])]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        inner += [field.annotation for field in annotation.model_fields.values()]
    elif isinstance(annotation, type) and dataclasses.is_dataclass(annotation):
        inner += get_type_hints(annotation).values()
    for part in inner:
        yield from _nested_types(part, seen)
