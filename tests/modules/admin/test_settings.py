"""ADMIN_UI: whether `/admin` is served."""

import pytest

from tests.core.test_extras import base_install
from undercroft.core.errors import ConfigurationError
from undercroft.modules.admin.settings import AdminSettings

__all__ = ["base_install"]


def test_admin_interface_is_served_if_sqladmin_is_installed() -> None:
    assert AdminSettings().is_served
    assert not AdminSettings(admin_ui=False).is_served


def test_admin_interface_that_is_required_needs_sqladmin(base_install: None) -> None:
    assert not AdminSettings().is_served
    with pytest.raises(ConfigurationError, match=r"pip install 'undercroft\[admin\]'"):
        assert AdminSettings(admin_ui=True).is_served
