"""Methods of services that `undercroft eject` copies into an extension."""

import ast
from pathlib import Path

import pytest

from tests.app.test_extensions import run, write_extension
from tests.app.test_service_overrides import application, folder
from tests.enabled import SAME_MODULES
from undercroft.app.override_status import OverrideStatus
from undercroft.app.overrides import list_overrides
from undercroft.app.registry import get_registry
from undercroft.app.service_copies import ServiceMethod, write_override
from undercroft.app.service_overrides import list_services, public_methods
from undercroft.core.context import AppContext, use_context
from undercroft.core.db import Database
from undercroft.testing.lifespan import run_lifespan
from undercroft.testing.users import create_signed_in_user

__all__ = ["folder"]
OVERRIDES = Path("extensions/hotel/overrides.py")
OPTIONAL = 'requires=("api_keys", "jobs", "projects", "waitlist")'


@pytest.mark.requires_module("api_keys", "jobs", "projects", "waitlist")
async def test_copies_of_all_methods_do_what_the_originals_do(database: Database, folder: Path) -> None:
    write_extension(folder, {}, "copybook", OPTIONAL)
    with use_context(AppContext({**SAME_MODULES, "ENVIRONMENT": "development"})):
        for service, module in list_services(get_registry().modules).items():
            for name in public_methods(service):
                write_override(ServiceMethod(module, service, name), Path("extensions/copybook"))
        assert {each.status for each in list_overrides()} == {OverrideStatus.CURRENT}
    text = Path("extensions/copybook/overrides.py").read_text()
    assert max(map(len, text.splitlines())) <= 120
    with application(database, "copybook") as app:
        async with run_lifespan(app), (await create_signed_in_user(app)).client as client:
            project = (await client.post("/api/v1/app/projects", json={"name": "Site"})).json()
            path = f"/api/v1/app/projects/{project['id']}"
            assert (await client.patch(path, json={"name": "New"})).json()["name"] == "New"
            assert (await client.get("/api/v1/app/projects")).json()["items"][0]["name"] == "New"
            assert (await client.delete(path)).status_code == 204
            team = (await client.post("/api/v1/app/teams", json={"name": "Acme"})).json()
            invited = await client.post(
                f"/api/v1/app/teams/{team['id']}/invitations", json={"email": "bob@example.com", "role": "member"}
            )
            assert invited.status_code == 201, invited.text
            assert (await client.get("/api/v1/app/teams")).json()["total"] == 2


def test_reading_method_is_copied_and_a_checking_one_calls_the_original(tmp_path: Path) -> None:
    write_extension(tmp_path, {}, module=OPTIONAL)
    assert "Wrote projects.ProjectResource.list" in run(tmp_path, "eject", "ProjectResource.list").out
    printed = run(tmp_path, "eject", "teams.TeamService.read").out
    assert "private names, which may change in each release: _teams." in printed
    assert run(tmp_path, "eject", "ProjectResource.update").code == 0
    text = (tmp_path / OVERRIDES).read_text()
    assert "        return await self.rows.list_rows(paging, *self.rows.matching(**filters))\n" in text
    assert "        return await super().update(key, data, versions=versions)\n" in text
    assert "        # return self.to_row(row)\n" in text
    assert text.endswith("OVERRIDES = {ProjectResource: HotelProjectResource, TeamService: HotelTeamService}\n")
    assert run(tmp_path, "check", "extensions").code == 0
    assert "HotelProjectResource.update" in run(tmp_path, "explain", "ProjectResource").out


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("OVERRIDES = {}", "OVERRIDES = {TeamService: HotelTeamService}"),
        ("OVERRIDES: dict[type, type] = {}", "OVERRIDES: dict[type, type] = {TeamService: HotelTeamService}"),
        (
            "OVERRIDES = {UserService: Own}  # own",
            "OVERRIDES = {UserService: Own, TeamService: HotelTeamService}  # own",
        ),
        (
            "OVERRIDES = {\n    UserService: Own,\n}",
            "OVERRIDES = {\n    UserService: Own,\n    TeamService: HotelTeamService,\n}",
        ),
    ],
)
def test_copy_is_added_to_the_own_code_of_the_project(tmp_path: Path, table: str, expected: str) -> None:
    own = (
        '"""Own."""\n\nimport logging\n\nfrom undercroft.modules.users import UserService\n\n'
        "log = logging.getLogger()  # own comment\n\n\nclass Own(UserService):\n    extra = 1\n\n\n"
    )
    write_extension(tmp_path, {"overrides.py": f"{own}{table}\n\n\ndef after() -> None: ...\n"})
    assert run(tmp_path, "eject", "TeamService.delete").code == 0
    text = (tmp_path / OVERRIDES).read_text()
    assert expected in text
    assert "log = logging.getLogger()  # own comment\n" in text
    assert "\n\ndef after() -> None: ...\n" in text
    assert (
        "from undercroft.modules.teams import TeamService\nfrom undercroft.modules.users import UserService\n" in text
    )
    assert run(tmp_path, "routes").code == 0


def test_method_is_added_to_the_existing_override_once(tmp_path: Path) -> None:
    write_extension(tmp_path, {})
    for method in ("delete", "create"):
        assert run(tmp_path, "eject", f"TeamService.{method}").code == 0
    before = (tmp_path / OVERRIDES).read_text()
    (only,) = [each for each in ast.parse(before).body if isinstance(each, ast.ClassDef)]
    assert [each.name for each in only.body if isinstance(each, ast.AsyncFunctionDef)] == ["delete", "create"]
    again = run(tmp_path, "eject", "TeamService.delete")
    assert (again.code, "HotelTeamService overrides delete already" in again.err) == (2, True)
    assert (tmp_path / OVERRIDES).read_text() == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["TeamService"], "Name one method: `undercroft eject TeamService.create`. Methods: create, delete,"),
        (["TeamService.deletes"], "teams.TeamService has no public method deletes. Did you mean delete?"),
        (["TeamService._check_mfa_change"], "teams.TeamService has no public method _check_mfa_change."),
        (["TeamServices.delete"], "There is no service TeamServices that can be overridden. Did you mean TeamService"),
        (["SessionService.start"], "There is no service SessionService that can be overridden."),
        (["ProjectResource.list"], '__init__.py: MODULE = Module(requires=("projects",)).'),
        (["TeamService.delete", "--extension", "spa"], "There is no folder extensions/spa."),
        (["TeamService.delete", "--force"], "Delete the method to copy it again."),
        (["TeamService.delete", "--merged"], "There is no copy of teams.TeamService.delete."),
    ],
)  # fmt: skip
def test_mistake_is_explained(tmp_path: Path, words: list[str], message: str) -> None:
    write_extension(tmp_path, {})
    result = run(tmp_path, "eject", *words)
    assert (result.code, message in " ".join(result.err.split())) == (2, True), result.output
    assert not (tmp_path / OVERRIDES).exists()


def test_extension_is_chosen(tmp_path: Path) -> None:
    missing = run(tmp_path, "eject", "TeamService.delete", enabled="")
    assert "Create one: `undercroft new-extension NAME`." in missing.err
    for name in ("hotel", "spa"):
        write_extension(tmp_path, {}, name)
    assert "--extension: hotel, spa." in run(tmp_path, "eject", "TeamService.delete", enabled="").err
    assert "extensions/hotel/overrides.py" in run(tmp_path, "eject", "TeamService.delete").out
    other = run(tmp_path, "eject", "UserService.get", "--extension", "spa").out
    assert "extensions/spa/overrides.py" in other
    assert "undercroft extension enable spa" in other
    assert "teams.TeamService" in run(tmp_path, "eject", "--list").out


def test_change_of_the_original_is_reported_until_it_is_merged(tmp_path: Path) -> None:
    write_extension(tmp_path, {})
    run(tmp_path, "eject", "TeamService.delete")
    file = tmp_path / OVERRIDES
    current = file.read_text()
    file.write_text(current.replace("sha256:", "sha256:0"))
    changed = run(tmp_path, "eject", "--check")
    assert (changed.code, "teams.TeamService.delete has changed since" in changed.out) == (1, True), changed.output
    assert "has changed since" in run(tmp_path, "doctor").out
    assert run(tmp_path, "eject", "TeamService.delete", "--merged").code == 0
    assert file.read_text() == current
    assert run(tmp_path, "eject", "--check").code == 0
    file.write_text(current.replace("# Copy of teams.TeamService.delete", "# Copy of teams.TeamService.gone"))
    assert "this release has no teams.TeamService.gone" in run(tmp_path, "eject", "--check").out
