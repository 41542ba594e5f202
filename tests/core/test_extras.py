"""What a program does when the packages of an extra are not installed."""

from importlib.util import find_spec

import pytest
from pydantic import TypeAdapter

from undercroft.core.errors import ConfigurationError
from undercroft.core.extras import require_extra
from undercroft.core.validation import Name, Phone, SafeFilename, SafeHtml, safe_filename, sniff_content_type

VALIDATION = r"pip install 'undercroft\[validation\]'"


@pytest.fixture
def base_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """No package of an extra is installed."""
    extras = ("filetype", "nh3", "pathvalidate", "phonenumbers", "sqladmin")
    monkeypatch.setattr("undercroft.core.extras.find_spec", lambda name: None if name in extras else find_spec(name))


def test_error_begins_with_the_reason_and_ends_with_the_command() -> None:
    with pytest.raises(ConfigurationError) as raised:
        require_extra("no_such_package", "admin", "ADMIN_UI=true needs SQLAdmin")
    assert str(raised.value) == "ADMIN_UI=true needs SQLAdmin. Install it with: pip install 'undercroft[admin]'"


@pytest.mark.parametrize(
    "kind", [Phone, SafeFilename, SafeHtml, list[Phone]], ids=["phone", "filename", "html", "list"]
)
def test_schema_with_a_type_of_a_missing_package_is_refused(base_install: None, kind: object) -> None:
    with pytest.raises(ConfigurationError, match=VALIDATION):
        TypeAdapter(kind)
    assert TypeAdapter(Name).validate_python(" Ada ") == "Ada"


def test_function_of_a_missing_package_is_refused(base_install: None) -> None:
    for call in (lambda: safe_filename("report.pdf"), lambda: sniff_content_type(b"%PDF-")):
        with pytest.raises(ConfigurationError, match=VALIDATION):
            call()
