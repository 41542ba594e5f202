"""Arguments of tasks as JSON."""

from typing import Any

import pytest

from undercroft.jobs import InvalidArguments
from undercroft.jobs.arguments import Arguments


async def accept_anything(*, value: Any) -> None: ...


ARGUMENTS = Arguments("tests.accept_anything", accept_anything)


def test_json_values_are_encoded() -> None:
    assert ARGUMENTS.encode({"value": {"name": "Ada", "tags": [1, None]}}) == '{"value":{"name":"Ada","tags":[1,null]}}'


@pytest.mark.parametrize("value", [object(), {"inner": [object()]}, ARGUMENTS], ids=["object", "nested", "instance"])
def test_value_that_is_not_json_is_refused(value: Any) -> None:
    with pytest.raises(InvalidArguments, match=r"tests\.accept_anything: an argument cannot be serialized as JSON"):
        ARGUMENTS.encode({"value": value})


def test_nul_character_is_refused() -> None:
    with pytest.raises(InvalidArguments, match="NUL character"):
        ARGUMENTS.encode({"value": "a\x00b"})
