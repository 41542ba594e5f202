import sys
from pathlib import Path
from types import ModuleType

import pytest
from sqlmodel import Field, SQLModel

from undercroft.core.telemetry import origin
from undercroft.core.telemetry.origin import explain_error, find_origin
from undercroft.jobs import InvalidArguments


class Plain(SQLModel):
    id: int = Field(primary_key=True)


def _raised(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as raised:
        return raised


def _module(folder: Path, name: str, text: str) -> ModuleType:
    """A module in this folder that counts as the developer's: its frames have a file and lines."""
    file = folder / f"{name}.py"
    file.write_text(text)
    module = ModuleType(name)
    exec(compile(text, str(file), "exec"), module.__dict__)
    return module


def test_origin_is_the_deepest_frame_of_the_developers_code(tmp_path: Path) -> None:
    module = _module(tmp_path, "mine", "import json\ndef run():\n    return json.loads('{')\n")
    with pytest.raises(ValueError, match="Expecting") as caught:
        module.run()
    origin = find_origin(caught.value)
    assert origin is not None
    assert (origin.location, origin.source) == (f"{tmp_path}/mine.py:3", "return json.loads('{')")


def test_location_is_relative_to_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    module = _module(tmp_path, "mine", "def run():\n    1 / 0\n")
    with pytest.raises(ZeroDivisionError) as caught:
        module.run()
    assert explain_error(caught.value).startswith(
        "Unexpected error in mine.py:2\n    1 / 0\n  ZeroDivisionError: division"
    )


def test_origin_is_found_inside_an_exception_group(tmp_path: Path) -> None:
    module = _module(tmp_path, "mine", "def run():\n    raise KeyError('a')\n")
    try:
        module.run()
    except KeyError as error:
        outer = ExceptionGroup("several", [error])
    origin = find_origin(outer)
    assert origin is not None
    assert origin.location.endswith("mine.py:2")


def test_origin_is_in_the_package_when_no_frame_is_the_developers() -> None:
    from undercroft.core.http.rates import Rate

    with pytest.raises(ValueError) as caught:
        Rate.parse("nonsense")
    caught.value.__traceback__ = caught.value.__traceback__ and caught.value.__traceback__.tb_next
    origin = find_origin(caught.value)
    assert origin is not None
    assert "core/http/rates.py:" in origin.location


def test_unmapped_model_is_located_at_its_class_with_a_hint() -> None:
    from sqlalchemy.orm import Session
    from sqlalchemy.orm.exc import UnmappedInstanceError

    with pytest.raises(UnmappedInstanceError) as caught:
        Session().add(Plain(id=1))
    origin = find_origin(caught.value)
    assert origin is not None
    assert "tests/core/telemetry/test_origin.py:" in origin.location
    assert origin.source == "class Plain(SQLModel):"
    assert "table=True" in origin.hint


@pytest.mark.parametrize(
    ("error", "hint"),
    [
        (ImportError("cannot import name 'a' from partially initialized module 'b'"), "import each other"),
        (ModuleNotFoundError("No module named 'x'"), "install the package"),
        (InvalidArguments("hotel.clean: count: Field required"), "enqueue(session, task, name=value)"),
        (TypeError("enqueue() takes 2 positional arguments but 3 were given"), "enqueue(session, task, name=value)"),
        (TypeError("expected, got <class 'a.B'>"), ""),
    ],
)
def test_known_mistakes_have_a_hint(error: Exception, hint: str) -> None:
    assert hint in origin.find_hint(error)
    assert bool(hint) == bool(origin.find_hint(error))


async def test_hint_for_a_missing_table_is_to_write_a_migration(database: object) -> None:
    from undercroft.core.db import Database

    assert isinstance(database, Database)
    with pytest.raises(Exception, match="hotels") as caught:
        async with database.session() as session:
            await (await session.raw()).execute("SELECT * FROM hotels")
    assert "undercroft migrate new" in origin.find_hint(caught.value)


def test_exception_that_was_never_raised_has_no_origin() -> None:
    assert find_origin(ValueError("x")) is None
    assert (
        explain_error(ValueError())
        == "Unexpected error\n  ValueError\nSet UNDERCROFT_DEBUG=1 to see the full traceback."
    )


def test_libraries_include_the_standard_library_and_installed_packages() -> None:
    for module in (sys.modules["json"], sys.modules["pytest"]):
        assert str(module.__file__).startswith(origin.LIBRARIES)


@pytest.mark.parametrize(
    ("file", "own"),
    [
        (origin.MODULES / "hotel" / "service.py", True),
        (origin.PACKAGE / "migrations" / "versions" / "0001_users.py", True),
        (origin.PACKAGE / "core" / "http" / "errors.py", False),
        (Path(pytest.__file__), False),
        (Path("/srv/extension/routes.py"), True),
        (Path("<string>"), False),
    ],
    ids=lambda each: str(each)[-24:],
)
def test_modules_migrations_and_extensions_are_the_developers_code(file: Path, own: bool) -> None:
    assert origin._is_project_code(str(file)) is own
