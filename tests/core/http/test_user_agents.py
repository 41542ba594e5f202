"""Browser and system by User-Agent, for lists of sessions."""

import pytest

from undercroft.core.http.user_agents import describe_user_agent

CHROME = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
SAFARI = "AppleWebKit/605.1.15 (KHTML, like Gecko) {}Safari/604.1"


@pytest.mark.parametrize(
    ("user_agent", "expected"),
    [
        (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {CHROME}", "Chrome on Windows"),
        (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {CHROME} Edg/142.0.0.0", "Edge on Windows"),
        (f"Mozilla/5.0 (X11; Linux x86_64) {CHROME} OPR/120.0.0.0", "Opera on Linux"),
        (f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {CHROME}", "Chrome on ChromeOS"),
        (f"Mozilla/5.0 (Linux; Android 16) {CHROME}", "Chrome on Android"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0", "Firefox on Linux"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) " + SAFARI.format("Version/26.0 "), "Safari on macOS"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 26_0 like Mac OS X) " + SAFARI.format(""), "Safari on iPhone"),
        ("Mozilla/5.0 (iPad; CPU OS 26_0 like Mac OS X) " + SAFARI.format("CriOS/142.0 "), "Chrome on iPad"),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 26_0 like Mac OS X) " + SAFARI.format("FxiOS/145.0 "),
            "Firefox on iPhone",
        ),
        ("Shop/1.0 (Windows NT 10.0)", "Windows"),
        ("Firefox/145.0", "Firefox"),
        ("curl/8.17.0", ""),
        ("<script>alert(1)</script>", ""),
        ("", ""),
    ],
)
def test_browser_and_system_are_named(user_agent: str, expected: str) -> None:
    assert describe_user_agent(user_agent) == expected
