"""The application imports libraries without their unused parts, which still work afterwards."""

import gc
import subprocess
import sys
from collections.abc import Iterator

import pytest
from pydantic import BaseModel, ValidationError

from undercroft.app.import_time import defer_validators, gc_paused, import_without


class Unexpected(Exception):
    pass


def printed(code: str) -> list[str]:
    """The words that a new interpreter prints."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()


@pytest.fixture(params=[True, False], ids=["collecting", "not collecting"])
def collecting(request: pytest.FixtureRequest) -> Iterator[bool]:
    before = gc.isenabled()
    (gc.enable if request.param else gc.disable)()
    yield request.param
    (gc.enable if before else gc.disable)()


def test_gc_is_paused_and_restored(collecting: bool) -> None:
    with gc_paused():
        assert not gc.isenabled()
        with gc_paused():
            pass
        assert not gc.isenabled()
    assert gc.isenabled() is collecting


def test_gc_is_restored_after_an_error(collecting: bool) -> None:
    with pytest.raises(Unexpected), gc_paused():
        raise Unexpected
    assert gc.isenabled() is collecting


def test_deferred_validator_is_built_at_first_use():
    with defer_validators():

        class Node(BaseModel):
            after: "Node | None" = None

        Node.model_rebuild()
        assert not Node.__pydantic_complete__

    assert Node.model_validate({"after": {"after": None}}) == Node(after=Node())
    with pytest.raises(ValidationError):
        Node.model_validate({"after": 7})


def test_models_declared_after_the_block_are_built_immediately():
    with pytest.raises(Unexpected), defer_validators():
        raise Unexpected

    class Built(BaseModel):
        number: int

    assert Built.__pydantic_complete__
    assert Built.model_rebuild(force=True)


def test_import_without_defers_the_excluded_library(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "wanted_by_few.py").write_text("")
    (tmp_path / "offers_more.py").write_text(
        "try:\n    import wanted_by_few\nexcept ImportError:\n    wanted_by_few = None\n"
    )
    import_without("wanted_by_few", "offers_more")
    import_without("wanted_by_few", "offers_more")
    assert sys.modules.pop("offers_more").wanted_by_few is None
    assert "wanted_by_few" not in sys.modules
    import_without("unheard_of", "wanted_by_few")
    assert sys.modules.pop("wanted_by_few")


def test_fastapi_models_are_built_with_the_openapi_document():
    code = (
        "import undercroft.app; from fastapi.openapi.models import Operation, Schema; "
        "print(Operation.__pydantic_complete__, Schema.__pydantic_complete__); "
        "print(Schema.model_validate({'items': {'type': 'string'}}).items.type)"
    )
    assert printed(code) == ["False", "False", "string"]


def test_unused_libraries_are_not_imported_and_the_collector_runs_rarely():
    code = (
        "import gc, sys, undercroft.app.api; "
        "print('rich' in sys.modules, 'email_validator' in sys.modules, gc.isenabled(), *gc.get_threshold())"
    )
    assert printed(code) == ["False", "False", "True", "20000", "50", "100"]
