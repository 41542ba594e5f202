"""Redirect targets after sign-in are local paths."""

import pytest

from tests.modules.forms import home
from undercroft.core.http.same_site import MAX_PATH_LENGTH
from undercroft.modules.web.service.site import safe_next_path


@pytest.mark.parametrize("path", ["/", "/admin", "/app?x=1&y=/z", "/a//b", "/a%20b", "/a?u=https://evil.example"])
def test_safe_next_path_returns_local_paths(test_settings: None, path: str) -> None:
    assert safe_next_path(path) == path


@pytest.mark.parametrize(
    "target",
    ["", "admin", "https://evil.example", "//evil.example", "/\\evil.example", "\\\\evil.example", "/\t/evil.example",
     "/\n/evil.example", " /admin", "/a b", "javascript:alert(1)", "///evil.example", "/ü", "/\0",
     "/" + "x" * MAX_PATH_LENGTH, "http:/evil.example", "/x\r\nSet-Cookie: a=b"],
)  # fmt: skip
def test_safe_next_path_replaces_other_targets(test_settings: None, target: str) -> None:
    assert safe_next_path(target) == home()
