"""Adapters that settings name: built-in files, declarations of extensions and entry points."""

from importlib.metadata import EntryPoint, EntryPoints

import pytest

from tests.enabled import DISABLED
from undercroft.app.discovery import list_settings_classes
from undercroft.core import adapters
from undercroft.core.adapters import Adapter, Adapters, find_adapter
from undercroft.core.context import AppContext, use_context
from undercroft.core.errors import ConfigurationError
from undercroft.core.settings import load, reset

EMAIL = "undercroft.providers.email"


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (EMAIL, {"console", "mailbox", "smtp"}),
        ("undercroft.providers.captcha", {"hcaptcha", "recaptcha", "turnstile"}),
        ("undercroft.providers.identity", {"clerk", "oidc", "supabase"}),
        ("undercroft.jobs.engines", {"postgres"}),
    ],
)
def test_built_in_adapters_are_the_files_with_a_create_function(kind: str, names: set[str]) -> None:
    assert adapters._built_in_names(kind) == names
    assert all(callable(find_adapter(kind, name, "X")) for name in names)


def test_extension_and_entry_point_add_adapters(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = EntryPoint("pigeon", "undercroft.core.health:Health", EMAIL)
    monkeypatch.setattr(adapters, "entry_points", lambda *, group: EntryPoints([entry]).select(group=group))
    context = AppContext()
    context.add(Adapters, Adapters([Adapter(EMAIL, "owl", print)]))
    with use_context(context):
        assert find_adapter(EMAIL, "owl", "EMAIL_PROVIDER") is print
        assert find_adapter(EMAIL, "pigeon", "EMAIL_PROVIDER").__name__ == "Health"
        with pytest.raises(ConfigurationError, match=r"EMAIL_PROVIDER=owls is unknown\. Did you mean owl\?"):
            find_adapter(EMAIL, "owls", "EMAIL_PROVIDER")
    with pytest.raises(ConfigurationError, match=r"Available: console, mailbox, pigeon, smtp\."):
        find_adapter(EMAIL, "owl", "EMAIL_PROVIDER")


def test_adapter_cannot_replace_another_one() -> None:
    with pytest.raises(ValueError, match=r"smtp of undercroft\.providers\.email is declared twice"):
        Adapters([Adapter(EMAIL, "smtp", print)])


@pytest.mark.parametrize("name", ["email_provider", "captcha_provider", "auth_provider", "jobs_engine"])
def test_unknown_adapter_is_reported_when_all_settings_are_loaded(name: str) -> None:
    reset()
    (declared,) = [each for each in list_settings_classes(disabled=DISABLED) if name in each.model_fields]
    more = {"CAPTCHA_SITE_KEY": "x", "CAPTCHA_SECRET": "x"}
    with use_context(AppContext({name: "unknown", **more})), pytest.raises(ConfigurationError, match=name.upper()):
        load(declared).require_adapters()
