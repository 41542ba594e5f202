"""Renders a folder of templates, and writes the files so that an error leaves nothing behind."""

import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path

TEMPLATES = Path(__file__).parent / "templates"
SUFFIX = ".jinja"


def render(kind: str, values: Mapping[str, object]) -> dict[str, str]:
    """Render the templates of `project`, `agents` or `extension`. Returns the text of each file by its path.

    `NAME` in a path stands for the value `name`. The delimiters are `<< >>` and `<% %>`, because the templates of
    emails and pages, and the Makefile, contain the usual ones.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    root = TEMPLATES / kind
    environment = Environment(
        loader=FileSystemLoader(root),
        variable_start_string="<<",
        variable_end_string=">>",
        block_start_string="<%",
        block_end_string="%>",
        comment_start_string="<#",
        comment_end_string="#>",
        keep_trailing_newline=True,
        trim_blocks=True,
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - the files are source code
    )
    paths = sorted(file.relative_to(root).as_posix() for file in root.rglob(f"*{SUFFIX}"))
    name = str(values.get("name", ""))
    return {
        path.removesuffix(SUFFIX).replace("NAME", name): environment.get_template(path).render(values) for path in paths
    }


def write(files: Mapping[str, str], target: Path) -> None:
    """Write the files to a folder that does not exist or is empty.

    They are written beside it and moved there at the end. An error or an interruption removes them.
    """
    into = target if target.is_dir() else target.parent
    missing = [each for each in (into, *into.parents) if not each.exists()]
    into.mkdir(parents=True, exist_ok=True)
    staging = into / f".{target.name}-{secrets.token_hex(4)}"
    moved: list[Path] = []
    try:
        for path, text in files.items():
            file = staging / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch(0o600 if file.name == ".env" else 0o666)
            file.write_text(text, encoding="utf-8", newline="\n")
        if into is not target:
            staging.rename(target)
            return
        for entry in sorted(staging.iterdir()):
            entry.rename(target / entry.name)
            moved.append(target / entry.name)
    except BaseException:
        for entry in [*moved, staging]:
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink(missing_ok=True)
        for folder in missing:
            folder.rmdir()
        raise
    staging.rmdir()
