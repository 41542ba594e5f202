"""`CHANGELOG.md` and `docs/upgrading.md`, generated from the releases and the settings of the code."""

import json
from collections.abc import Iterator

from undercroft.app.discovery import list_settings_classes
from undercroft.app.upgrade.releases import KINDS, Release, deprecations_of, load_releases
from undercroft.app.upgrade.setting_changes import compare_settings, default_settings

SOURCE = "Generated from `src/undercroft/releases.toml` by `undercroft changelog --write`."
CHANGELOG_HEADER = f"""\
# Changelog

{SOURCE} See
[docs/upgrading.md](docs/upgrading.md).
"""
UPGRADING_HEADER = f"""\
# Upgrading

{SOURCE}

1. Raise the version of `undercroft` in `pyproject.toml` and install it: `uv sync --upgrade-package undercroft`.
2. `undercroft upgrade --plan` shows what the upgrade changes for this project and this database: migrations with their
   locks and data loss, backfills, settings, overridden templates, breaking changes, and whether the old release runs on
   the new schema. It ends with the steps and changes nothing. It exits with 1 if something stands in the way; `--json`
   prints it for programs.
3. `undercroft upgrade` migrates the database while the old processes serve. Then replace them.

A release also runs on the schema of the next release, so the old and the new processes can run side by side, and a
rollback only replaces the code. If a release has an exception, the plan and the notes below say so. Upgrade one minor
release at a time if you need no downtime; otherwise you can skip releases.
"""


def render_settings() -> str:
    """Return the built-in settings of this code as the table `[release.settings]`."""
    found = sorted(default_settings(list_settings_classes()).items())
    return "".join(f"{name} = {json.dumps(value, ensure_ascii=False)}\n" for name, value in found)


def render_documents() -> dict[str, str]:
    """Return the text of each document by its path in the repository, the changelog first."""
    return {"CHANGELOG.md": _render_changelog(), "docs/upgrading.md": _render_upgrading()}


def _render_changelog() -> str:
    """The changes of settings in the newest release result from a comparison with the one before."""
    newest, *others = load_releases()
    before = next((each.settings for each in others if each.settings), {})
    changed = [str(each) for each in compare_settings(before, default_settings(list_settings_classes()))]
    parts = [CHANGELOG_HEADER, *_render_release(newest, changed)]
    for each in others:
        parts += _render_release(each, list(each.setting_changes))
    return "\n".join(parts)


def _render_release(release: Release, setting_changes: list[str]) -> Iterator[str]:
    yield f"## {release.version} ({release.date or 'not released yet'})\n"
    yield f"{release.summary}\n"
    if release.breaking:
        yield "### Breaking\n"
        yield "".join(f"- **{each.title}** {each.fix}\n" for each in release.breaking)
    for kind in KINDS:
        if lines := deprecations_of(release) if kind == "deprecated" else getattr(release, kind):
            yield f"### {kind.capitalize()}\n"
            yield "".join(f"- {line}\n" for line in lines)
    if setting_changes:
        yield "### Settings\n"
        yield "".join(f"- {line}\n" for line in setting_changes)


def _render_upgrading() -> str:
    parts = [UPGRADING_HEADER]
    for release in load_releases()[:-1]:
        parts.append(f"## To {release.version}\n")
        if not release.breaking:
            parts.append("No change of a project is necessary.\n")
        parts += [f"### {each.title}\n\n{each.fix}\n" for each in release.breaking]
        if deprecated := deprecations_of(release):
            parts.append("Deprecated:\n\n" + "".join(f"- {line}\n" for line in deprecated))
    return "\n".join(parts)
