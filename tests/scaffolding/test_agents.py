"""`undercroft agents`: AGENTS.md is generated from the code, apart from what its readers wrote themselves."""

import re
from pathlib import Path

from tests.cli.command_runner import run_command
from undercroft import __version__
from undercroft.cli._run import command_names
from undercroft.scaffolding.agents import BEGIN, END


def test_page_of_a_new_project_is_up_to_date(tmp_path: Path) -> None:
    run_command("new", "shop", folder=tmp_path)
    result = run_command("agents", "--check", folder=tmp_path / "shop")
    assert (result.code, result.out) == (0, "AGENTS.md is up to date.\n"), result.err


def test_update_after_an_upgrade_keeps_the_text_of_the_project(tmp_path: Path) -> None:
    run_command("new", "shop", folder=tmp_path)
    page = tmp_path / "shop" / "AGENTS.md"
    current = page.read_text()
    own = "# Our rules\n\nAsk before you touch payments: \\1 {{ }} << >>\n"
    older = current.partition(BEGIN)[2].partition(END)[0].replace(f"Undercroft {__version__}", "Undercroft 0.0.9")
    page.write_text(f"{own}{BEGIN}{older}{END}\nThe end, without a newline")

    outdated = run_command("agents", "--check", folder=tmp_path / "shop")
    assert (outdated.code, outdated.err) == (1, "AGENTS.md is outdated. Run `undercroft agents --write`.\n")
    assert run_command("agents", "--write", folder=tmp_path / "shop").out == "Wrote AGENTS.md.\n"

    text = page.read_text()
    assert text.startswith(f"{own}{BEGIN}")
    assert text.endswith(f"{END}\nThe end, without a newline")
    assert text.partition(BEGIN)[2].partition(END)[0] == current.partition(BEGIN)[2].partition(END)[0]
    assert run_command("agents", "--check", folder=tmp_path / "shop").code == 0


def test_page_without_markers_is_not_overwritten(tmp_path: Path) -> None:
    for text in ("# Ours\n", f"{BEGIN}\n", f"{END}\n{BEGIN}\n", f"{BEGIN}\n{BEGIN}\n{END}\n"):
        (tmp_path / "AGENTS.md").write_text(text)
        for option in ("--write", "--check"):
            result = run_command("agents", option, folder=tmp_path)
            assert (result.code, "Add them where it belongs" in result.err) == (2, True), result.output
        assert (tmp_path / "AGENTS.md").read_text() == text


def test_missing_page_is_created(tmp_path: Path) -> None:
    assert run_command("agents", "--check", folder=tmp_path).code == 1
    printed = run_command("agents", folder=tmp_path).out
    assert not (tmp_path / "AGENTS.md").exists()
    assert run_command("agents", "--write", folder=tmp_path).code == 0
    assert (tmp_path / "AGENTS.md").read_text() == printed


def test_page_names_only_existing_commands_and_fixtures(tmp_path: Path) -> None:
    text = run_command("agents", folder=tmp_path).out
    named = set(re.findall(r"`(?:uv run )?undercroft ([a-z-]+)", text))
    assert named <= set(command_names())
    assert {"mcp", "explain", "agents"} <= named
    assert {"rollback", "mailbox", "clock", "create_team"} <= set(re.findall(r"`(\w+)`", text))


def test_options_cannot_be_combined(tmp_path: Path) -> None:
    assert "cannot be combined" in run_command("agents", "--write", "--check", folder=tmp_path).err
