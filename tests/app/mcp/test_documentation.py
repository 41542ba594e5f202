"""The search finds pages and docstrings by their words."""

import pytest

from undercroft.app.mcp.documentation import MAX_TEXT, search


@pytest.mark.parametrize(
    ("query", "title"),
    [
        ("roll back the test's transaction", "docs/testing.md: Rows"),
        ("time travel clock", "undercroft.testing.Clock"),
        ("enqueue a job in a transaction", "undercroft.jobs.enqueue"),
        ("differences from FastAPI", "docs/fastapi.md"),
        ("downgrade a migration of an extension", "docs/extending/migrations.md"),
        ("where do new files go", "CONTRIBUTING.md: Where new files go"),
        ("Environments deployment serve worker", "README.md: Deployment"),
    ],
)
def test_passage_is_among_the_first(query: str, title: str) -> None:
    titles = [each.title for each in search(query, 5)]
    assert [found for found in titles if found.startswith(title)], titles


@pytest.mark.parametrize("query", ["", '"', "* OR NEAR(", "col:umn -x ^", "';--", "€ 漢字", "a" * 10_000])
def test_any_text_can_be_searched(query: str) -> None:
    assert all(len(each.text) <= MAX_TEXT + 1 for each in search(query, 20))
