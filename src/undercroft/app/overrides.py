"""Templates that a project overrides: copying an original, and comparing all copies with the originals of this release.

A copy begins with a comment that names its original and the hash of it. Templates are looked up in the project's
folders (EMAIL_TEMPLATES, PAGE_TEMPLATES) before those of the modules.
"""

import re
from collections.abc import Iterator
from difflib import get_close_matches
from enum import StrEnum
from hashlib import sha256
from importlib.metadata import packages_distributions, version
from pathlib import Path

from jinja2 import Environment, TemplateSyntaxError
from msgspec import Struct

import undercroft
from undercroft.app.discovery import LoadedModule
from undercroft.app.override_status import Override as Override
from undercroft.app.override_status import OverrideStatus as OverrideStatus
from undercroft.app.registry import get_registry
from undercroft.app.service_copies import list_copies
from undercroft.core.errors import ConfigurationError
from undercroft.core.http import pages
from undercroft.core.http.settings import HttpSettings
from undercroft.core.modules import EXTENSIONS
from undercroft.core.settings import load
from undercroft.core.telemetry.origin import relative_path
from undercroft.providers.email import EmailSettings
from undercroft.providers.email import templates as emails

HEADER = "{{#- Copy of {name} of {release}, sha256:{digest}. `undercroft eject --check` reads this line. -#}}\n"
_HEADER = re.compile(
    r"\A\{#- Copy of (?P<name>\S+) of (?P<release>[^,]+), sha256:(?P<digest>[0-9a-f]+)\..*?-#\}\n?", re.DOTALL
)


class TemplateKind(StrEnum):
    """What a template is for: the folder below `templates/`."""

    EMAIL = "emails"
    PAGE = "pages"

    @property
    def project_folder(self) -> Path:
        """The project's folder of overrides."""
        return load(EmailSettings).email_templates if self is TemplateKind.EMAIL else load(HttpSettings).page_templates

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders of the originals, in the order in which they are searched."""
        return emails.email_folders() if self is TemplateKind.EMAIL else pages.page_folders()

    @property
    def environment(self) -> Environment:
        return emails.environment() if self is TemplateKind.EMAIL else pages.environment()


class Template(Struct, frozen=True):
    """A template of a module or of the core, `auth/verify.txt`, and the file of the project that overrides it."""

    kind: TemplateKind
    name: str
    original: Path
    module: LoadedModule | None

    @property
    def qualified_name(self) -> str:
        return f"{self.kind}/{self.name}"

    @property
    def override(self) -> Path:
        """The file that overrides it, which need not exist."""
        return self.kind.project_folder / self.name

    @property
    def digest(self) -> str:
        return sha256(_read(self.original).encode()).hexdigest()[:16]

    @property
    def release(self) -> str:
        """The package and version that the original belongs to."""
        if self.module is None or not self.module.is_extension:
            return f"undercroft {undercroft.__version__}"
        package = self.module.package.__name__.partition(".")[0]
        if package == EXTENSIONS:
            return f"extension {self.module.name}"
        return " ".join(f"{each} {version(each)}" for each in packages_distributions().get(package, [])[:1]) or package

    @property
    def header(self) -> str:
        return HEADER.format(name=self.qualified_name, release=self.release, digest=self.digest)


def list_templates() -> list[Template]:
    """Return all templates of the modules and the core, emails first, sorted by name."""
    return [template for kind in TemplateKind for template in _templates_of(kind)]


def _templates_of(kind: TemplateKind) -> list[Template]:
    modules, found = get_registry().modules, dict[str, Template]()
    for folder in kind.folders:
        module = next((each for each in modules if folder.is_relative_to(each.folder)), None)
        for path in (path for path in folder.rglob("*") if path.is_file()):
            name = path.relative_to(folder).as_posix()
            found.setdefault(name, Template(kind, name, path, module))
    return [found[name] for name in sorted(found)]


def find_templates(name: str) -> list[Template]:
    """Return the templates with this name: `auth/verify.txt`, or `auth/verify` for both files of an email.

    Raises `ConfigurationError` if there is none, or if an email and a page have this name.
    """
    known = list_templates()
    found = [each for each in known if name in _names(each)]
    if not found:
        close = get_close_matches(name, sorted({each for template in known for each in _names(template)}), 3, 0.5)
        hint = f"Did you mean {', '.join(close)}?" if close else "`undercroft eject` lists all templates."
        raise ConfigurationError(f"There is no template {name}. {hint}")
    if len({each.kind for each in found}) > 1:
        listed = " or ".join(f"`undercroft eject {kind}/{name}`" for kind in TemplateKind)
        raise ConfigurationError(f"{name} is both an email and a page. Run {listed}.")
    return found


def _names(template: Template) -> set[str]:
    stem = template.name.rpartition(".")[0]
    names = {template.name, stem} if template.kind is TemplateKind.EMAIL else {template.name}
    return names | {f"{template.kind}/{name}" for name in names}


def eject(templates: list[Template], *, force: bool = False) -> list[Path]:
    """Copy originals into the project's folder and return the new files, which override them.

    Raises `ConfigurationError`, before anything is written, if a file exists and `force` is not set.
    """
    for each in templates:
        if each.override.exists() and not force:
            raise ConfigurationError(
                f"{each.override} exists already. Use --force to replace it, or --merged to state that it contains the "
                "changes of the original."
            )
    for each in templates:
        each.override.parent.mkdir(parents=True, exist_ok=True)
        with each.override.open("w" if force else "x", encoding="utf-8") as file:
            file.write(each.header + _read(each.original))
    return [each.override for each in templates]


def mark_merged(templates: list[Template]) -> list[Path]:
    """Record in overrides that they contain the changes of their originals, and return the files.

    Raises `ConfigurationError` if none exists.
    """
    existing = [each for each in templates if each.override.is_file()]
    if not existing:
        raise ConfigurationError(f"{templates[0].override} does not exist. Create it without --merged.")
    for each in existing:
        each.override.write_text(each.header + _HEADER.sub("", _read(each.override)), encoding="utf-8")
    return [each.override for each in existing]


def list_overrides() -> list[Override]:
    """Return the project's templates and copied methods, each compared with its original, sorted by path.

    Templates of the project that override nothing and are no copies are not listed.
    """
    return [*list_template_overrides(), *list_copies()]


def list_template_overrides() -> list[Override]:
    """Return the project's templates that override others, or are copies, each compared with its original."""
    return [override for kind in TemplateKind for override in _overrides_of(kind)]


def _overrides_of(kind: TemplateKind) -> Iterator[Override]:
    originals = {each.name: each for each in _templates_of(kind)}
    for path in sorted(path for path in kind.project_folder.rglob("*") if path.is_file()):
        try:
            text = _read(path)
        except UnicodeDecodeError:
            continue
        name = path.relative_to(kind.project_folder).as_posix()
        header, original = _HEADER.match(text), originals.get(name)
        if header or original:
            yield Override(path, *_compare(text, header, original, kind))


def _compare(
    text: str, header: re.Match[str] | None, original: Template | None, kind: TemplateKind
) -> tuple[OverrideStatus, str]:
    if original is None:
        assert header is not None
        return OverrideStatus.MISSING, f"overrides nothing: this release has no {header['name']}. Delete the file."
    if error := _find_syntax_error(text, kind):
        return OverrideStatus.INVALID, f"line {error.lineno}: {error.message}"
    if header is None:
        return (
            OverrideStatus.UNTRACKED,
            f"overrides {original.qualified_name}; changes of the original are not tracked.",
        )
    if header["digest"] != original.digest:
        return OverrideStatus.CHANGED, (
            f"the original has changed since {header['release']}. Compare it with "
            f"{relative_path(str(original.original))}, then run `undercroft eject {original.qualified_name} --merged`."
        )
    return OverrideStatus.CURRENT, f"overrides {original.qualified_name} of {original.release}."


def _find_syntax_error(text: str, kind: TemplateKind) -> TemplateSyntaxError | None:
    try:
        kind.environment.parse(text)
    except TemplateSyntaxError as error:
        return error
    return None


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")
