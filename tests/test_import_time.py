"""What `undercroft.import_time` leaves behind, whatever happens inside."""

import gc
import subprocess
import sys
from collections.abc import Iterator

import pytest
from pydantic import BaseModel, ValidationError

from undercroft.import_time import defer_validators, gc_paused, import_without


class Unexpected(Exception):
    pass


@pytest.fixture(params=[True, False], ids=["collecting", "not collecting"])
def collecting(request: pytest.FixtureRequest) -> Iterator[bool]:
    before = gc.isenabled()
    (gc.enable if request.param else gc.disable)()
    yield request.param
    (gc.enable if before else gc.disable)()


def printed(code: str) -> list[str]:
    """The words that a new interpreter prints."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()


def test_the_collector_rests_and_then_is_as_it_was(collecting: bool) -> None:
    with gc_paused():
        assert not gc.isenabled()
        with gc_paused():
            pass
        assert not gc.isenabled()
    assert gc.isenabled() is collecting


def test_the_collector_is_as_it_was_after_an_error(collecting: bool) -> None:
    with pytest.raises(Unexpected), gc_paused():
        raise Unexpected
    assert gc.isenabled() is collecting


def test_what_was_made_meanwhile_is_not_frozen_for_good() -> None:
    assert printed("import gc, undercroft.app.api; print(gc.get_freeze_count())") == ["0"]


def test_what_somebody_froze_stays_frozen() -> None:
    assert printed("import gc; gc.freeze(); import undercroft.app.api; print(gc.get_freeze_count() > 0)") == ["True"]


def test_a_validator_is_built_at_first_use_even_when_it_is_asked_for():
    with defer_validators():

        class Node(BaseModel):
            after: "Node | None" = None

        Node.model_rebuild()
        assert not Node.__pydantic_complete__

    assert Node.model_validate({"after": {"after": None}}) == Node(after=Node())
    with pytest.raises(ValidationError):
        Node.model_validate({"after": 7})


def test_models_declared_later_are_built_at_once_again():
    with pytest.raises(Unexpected), defer_validators():
        raise Unexpected

    class Built(BaseModel):
        number: int

    assert Built.__pydantic_complete__
    assert Built.model_rebuild(force=True)


def test_a_library_is_imported_without_another_that_can_be_used_later(tmp_path, monkeypatch):
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


def test_fastapis_models_wait_for_the_document():
    code = (
        "import gc, undercroft.app; from fastapi.openapi.models import Operation, Schema; "
        "print(Operation.__pydantic_complete__, Schema.__pydantic_complete__, gc.isenabled()); "
        "print(Schema.model_validate({'items': {'type': 'string'}}).items.type)"
    )
    assert printed(code) == ["False", "False", "True", "string"]
