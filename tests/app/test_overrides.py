"""Templates that a project overrides: `undercroft eject`, and the comparison with the originals."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.command_runner import run_command
from tests.enabled import SAME_MODULES
from undercroft.app.overrides import Override, OverrideStatus, eject, find_templates, list_overrides, list_templates
from undercroft.app.registry import get_registry
from undercroft.core import settings
from undercroft.core.context import AppContext, use_context
from undercroft.core.http import pages
from undercroft.providers.email import templates as emails

DATA = {
    "link": "https://app.example.com/verify",
    "expires_in": "one day",
    "requested": "today",
    "app_name": "Acme",
    "public_url": "https://app.example.com",
    "unsubscribe_url": None,
}


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty project in which the test runs, in development."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(settings, "overrides", {})
    with use_context(AppContext({**SAME_MODULES, "ENVIRONMENT": "development"})):
        get_registry()
        yield tmp_path


def the_override() -> Override:
    (found,) = list_overrides()
    return found


def change_recorded_hash(path: Path) -> None:
    path.write_text(path.read_text().replace("sha256:", "sha256:0"))


@pytest.mark.parametrize("name", ["auth/verify", "emails/auth/verify"])
def test_email_is_copied_with_both_files(name: str) -> None:
    assert eject(find_templates(name)) == [
        Path("templates/emails/auth/verify.html"),
        Path("templates/emails/auth/verify.txt"),
    ]
    assert {each.status for each in list_overrides()} == {OverrideStatus.CURRENT}


def test_one_file_of_an_email_is_copied_by_its_full_name() -> None:
    assert eject(find_templates("auth/verify.txt")) == [Path("templates/emails/auth/verify.txt")]


def test_unchanged_copies_of_all_templates_render_as_the_originals_do() -> None:
    templates = list_templates()
    originals = {each: each.kind.environment.get_template(each.name) for each in templates}
    before = {each: list(template.root_render_func.__code__.co_names) for each, template in originals.items()}
    eject(templates)
    for each in templates:
        copied = each.kind.environment.get_template(each.name)
        assert copied.filename == str(each.override)
        assert list(copied.root_render_func.__code__.co_names) == before[each]


def test_copied_page_keeps_the_document_type_first() -> None:
    eject(find_templates("pages/base.html"))
    assert pages.environment().get_template("error.html").render(**page_data()).startswith("<!doctype html>")


def page_data() -> dict[str, object]:
    from undercroft.core.errors import NotFound

    return {"app_name": "Acme", "error": NotFound(), "request_id": "1", "sign_in": ""}


def test_override_applies_to_a_running_development_server_at_once() -> None:
    assert "Overridden" not in pages.environment().get_template("error.html").render(**page_data())
    (path,) = eject(find_templates("error.html"))
    path.write_text(path.read_text().replace("Page not found", "Overridden"))
    assert "Overridden" in pages.environment().get_template("error.html").render(**page_data())


def test_override_of_an_email_is_sent() -> None:
    before = emails.render("auth/verify", DATA)
    eject(find_templates("auth/verify"))
    assert emails.render("auth/verify", DATA) == before
    text = Path("templates/emails/auth/verify.txt")
    text.write_text(text.read_text().replace("Confirm your email address for", "Welcome to"))
    assert emails.render("auth/verify", DATA).subject == "Welcome to Acme"


@pytest.mark.requires_module("web")
def test_change_of_the_original_is_reported_until_it_is_merged() -> None:
    (path,) = eject(find_templates("web/sign_in.html"))
    path.write_text(path.read_text() + "own text")
    change_recorded_hash(path)
    assert the_override().status is OverrideStatus.CHANGED
    assert "eject pages/web/sign_in.html --merged" in the_override().message
    merged = run_command("eject", "web/sign_in.html", "--merged", folder=Path.cwd())
    assert (merged.code, the_override().status) == (0, OverrideStatus.CURRENT)
    assert path.read_text().endswith("own text")
    assert path.read_text().count("sha256:") == 1


@pytest.mark.requires_module("web")
def test_override_whose_original_no_longer_exists_is_reported() -> None:
    (path,) = eject(find_templates("web/sign_in.html"))
    path.rename(path.with_name("removed_page.html"))
    assert the_override().status is OverrideStatus.MISSING


@pytest.mark.requires_module("web")
def test_syntax_error_in_an_override_is_reported_with_its_line() -> None:
    (path,) = eject(find_templates("web/sign_in.html"))
    path.write_text("\n\n{% if %}")
    assert the_override().status is OverrideStatus.INVALID
    assert the_override().message.startswith("line 3: ")


@pytest.mark.requires_module("web")
def test_override_written_by_hand_is_listed_without_a_failure() -> None:
    path = Path("templates/pages/web/sign_in.html")
    path.parent.mkdir(parents=True)
    path.write_text("own page")
    assert the_override().status is OverrideStatus.UNTRACKED
    assert run_command("eject", "--check", folder=Path.cwd()).code == 0


def test_template_of_the_project_that_overrides_nothing_is_not_listed() -> None:
    path = Path("templates/pages/shop/start.html")
    path.parent.mkdir(parents=True)
    path.write_text("own page")
    assert list_overrides() == []


def test_existing_files_are_replaced_only_by_force() -> None:
    path = Path("templates/emails/auth/verify.txt")
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    refused = run_command("eject", "auth/verify", folder=Path.cwd())
    assert refused.code == 2
    assert "--force" in refused.err
    assert path.read_text() == "mine"
    assert not path.with_suffix(".html").exists()
    assert run_command("eject", "auth/verify", "--force", folder=Path.cwd()).code == 0
    assert path.read_text() != "mine"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("web/sign_inn.html",), "Did you mean web/sign_in.html"),
        (("../../etc/passwd",), "There is no template"),
        (("base.html",), "`undercroft eject emails/base.html`"),
        (("auth/verify", "--merged"), "does not exist"),
        (("auth/verify", "--check"), "take no name"),
        (("--force",), "Name a template"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_wrong_use_is_explained(words: tuple[str, ...], message: str) -> None:
    seen = run_command("eject", *words, folder=Path.cwd())
    assert seen.code == 2
    assert message in seen.err
    assert not Path("templates").exists()


@pytest.mark.requires_module("web")
def test_check_and_doctor_report_an_override_that_needs_attention() -> None:
    (path,) = eject(find_templates("web/sign_in.html"))
    assert run_command("eject", "--check", folder=Path.cwd()).code == 0
    change_recorded_hash(path)
    seen = run_command("eject", "--check", folder=Path.cwd())
    assert seen.code == 1
    assert f"{path}: the original has changed since undercroft 0." in seen.out
    assert f"! overrides  {path}: the original has changed" in run_command("doctor", folder=Path.cwd()).out


@pytest.mark.requires_module("web")
def test_list_contains_every_template_and_marks_the_overridden_ones() -> None:
    eject(find_templates("web/sign_in.html"))
    lines = run_command("eject", folder=Path.cwd()).out.splitlines()
    assert "emails/auth/verify.txt" in lines
    assert "pages/web/sign_in.html overridden by templates/pages/web/sign_in.html" in lines


def test_template_of_an_extension_in_the_project_names_the_extension(project: Path) -> None:
    template = project / "extensions/hotel/templates/pages/hotel/rooms.html"
    template.parent.mkdir(parents=True)
    template.write_text("<h1>Rooms</h1>")
    (project / "extensions/hotel/__init__.py").write_text(
        '"""Hotels."""\n\nfrom undercroft.core import Module\n\nMODULE = Module()\n'
    )
    environment = {"ENVIRONMENT": "development", "ENABLED_EXTENSIONS": "hotel"}
    assert run_command("eject", "hotel/rooms.html", folder=project, **environment).code == 0
    assert "of extension hotel, sha256" in (project / "templates/pages/hotel/rooms.html").read_text()
    template.write_text("<h1>All rooms</h1>")
    assert "since extension hotel." in run_command("eject", "--check", folder=project, **environment).out
    assert "overrides nothing" in run_command("eject", "--check", folder=project, ENVIRONMENT="development").out
