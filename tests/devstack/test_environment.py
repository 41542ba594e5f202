"""The settings that programs take from the stack."""

import pytest

from undercroft.devstack.environment import ProjectEnvironment
from undercroft.devstack.state import DevState


@pytest.mark.parametrize(("own", "expected"), [("", "example"), ("hotel", None)])
def test_commands_have_the_extensions_of_the_running_stack_unless_the_project_sets_them(
    monkeypatch: pytest.MonkeyPatch, own: str, expected: str | None
) -> None:
    monkeypatch.setenv("ENABLED_EXTENSIONS", own)
    environment = ProjectEnvironment().environment(DevState(enabled_extensions="example"))
    assert environment.get("ENABLED_EXTENSIONS") == expected
