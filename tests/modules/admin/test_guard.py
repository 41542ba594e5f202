"""Access to `/admin`."""

import subprocess
import sys
from urllib.parse import urlsplit

import pytest
from httpx2 import AsyncClient

from tests.modules.admin.conftest import Browser
from undercroft.core.auth import PlatformRole

PATHS = ["/admin/", "/admin/user/list", "/admin/nothing/list", "/admin/user/details/1", "/admin/user/export/csv"]


@pytest.mark.parametrize("path", PATHS)
async def test_anonymous_client_is_redirected_to_sign_in(client: AsyncClient, path: str) -> None:
    response = await client.get(path)
    assert (response.status_code, urlsplit(response.headers["location"]).path) == (303, "/admin/login")
    assert response.content == b""


@pytest.mark.parametrize("path", PATHS)
async def test_regular_user_is_refused_and_sees_no_view_names(browser: Browser, path: str) -> None:
    plain = await browser(role=PlatformRole.USER)
    response = await plain.get(path)
    assert response.status_code == 403
    assert not any(
        word in response.text.lower() for word in ("membership", "project", "sqladmin", "audit log", "api key")
    )


@pytest.mark.parametrize("role", [PlatformRole.ADMIN, PlatformRole.SUPERADMIN])
async def test_administrators_see_everything(browser: Browser, role: PlatformRole) -> None:
    admin = await browser(role=role)
    dashboard = await admin.get("/admin/")
    assert dashboard.status_code == 200
    for name in ("Users", "Teams", "Memberships", "Projects", "Sessions", "Jobs", "Audit log"):
        assert name in dashboard.text
    for identity in ("user", "team", "membership", "project", "auth-session", "job", "schedule", "audit-entry"):
        response = await admin.get(f"/admin/{identity}/list")
        assert response.status_code == 200, response.text


def test_process_starts_without_importing_the_admin_interface() -> None:
    program = (
        "import sys; import undercroft.app.api, undercroft.modules.admin.lifespan; "
        "undercroft.app.api.offline_app(); "
        "sys.exit(','.join(sorted({'sqladmin', 'wtforms', 'undercroft.core.admin'} & set(sys.modules))) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
