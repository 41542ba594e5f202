"""A task's arguments: derived from its signature, validated when a job is enqueued and again when it runs."""

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
NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class Arguments:
    """The parameters of a task.

    The worker fills in a parameter annotated `CurrentJob`. Raises `InvalidTask` for a parameter that has no annotation,
    cannot be passed by keyword, has a name that `enqueue` reserves, or contains a secret.
    """

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        self._name = name
        self._fields: dict[str, Any] = {}
        self._job_parameter: str | None = None
        hints = get_type_hints(function, include_extras=True)
        for parameter in inspect.signature(function).parameters.values():
            self._add_parameter(parameter, hints)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._fields)

    @property
    def all_optional(self) -> bool:
        return all(default is not ... for _, default in self._fields.values())

    def encode(self, values: dict[str, Any]) -> str:
        """Return the arguments as JSON. Raises `InvalidArguments` with the invalid ones."""
        checked = self._validate(values)
        try:
            encoded = checked.__pydantic_serializer__.to_json(checked)
        except PydanticSerializationError as error:
            raise InvalidArguments(f"{self._name}: an argument cannot be serialized as JSON: {error}") from error
        if b"\\u0000" in encoded:
            raise InvalidArguments(f"{self._name}: an argument contains a NUL character, which cannot be stored")
        return encoded.decode()

    def decode(self, values: dict[str, Any], job: CurrentJob) -> dict[str, Any]:
        """Return the keyword arguments of a call. Raises `InvalidArguments` if the stored ones are no longer valid."""
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
            errors = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
            raise InvalidArguments(f"{self._name}: {errors}") from None

    def _add_parameter(self, parameter: inspect.Parameter, hints: dict[str, Any]) -> None:
        name = parameter.name
        if parameter.kind not in NAMED:
            raise InvalidTask(f"{name} must be a parameter that can be passed by keyword.")
        if name not in hints:
            raise InvalidTask(f"{name} needs a type annotation, which is used to validate arguments.")
        if hints[name] is CurrentJob:
            self._job_parameter = name
            return
        if name in RESERVED or name.startswith("_"):
            raise InvalidTask(f"{name} is reserved by `enqueue`. Choose another name.")
        if holds_secret(hints[name]):
            raise InvalidTask(
                f"{name} would store a secret in the jobs table. Pass an ID, and read or create the secret in the task."
            )
        default = ... if parameter.default is inspect.Parameter.empty else parameter.default
        self._fields[name] = (hints[name], default)


def holds_secret(annotation: Any) -> bool:
    """Return whether a value of this type can contain a pydantic secret, at any depth."""
    return any(
        isinstance(part, type) and issubclass(part, Secret | SecretStr | SecretBytes)
        for part in _nested_types(annotation, set())
    )


def encode_result(value: Any, limit: int) -> str | None:
    """Return a task's result as JSON that PostgreSQL accepts, or None for None.

    Raises `ValueError` if it cannot be serialized as JSON or is longer than `limit` bytes.
    """
    if value is None:
        return None
    try:
        encoded = to_json(value, inf_nan_mode="null")
    except PydanticSerializationError as error:
        raise ValueError(f"the result cannot be serialized as JSON: {error}") from None
    if len(encoded) > limit:
        raise ValueError(f"the result has {len(encoded)} bytes, the limit is {limit}")
    if b"\\u0000" in encoded:
        raise ValueError("the result contains a NUL character, which cannot be stored")
    return encoded.decode()


def _nested_types(annotation: Any, seen: set[int]) -> Iterator[Any]:
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
