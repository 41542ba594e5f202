"""Extracts link targets from HTML emails."""

from html.parser import HTMLParser


def extract_hrefs(html: str) -> list[str]:
    """Return the HTTP URLs of the links, in document order."""
    anchors = _AnchorParser()
    anchors.feed(html)
    return anchors.hrefs


class _AnchorParser(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.hrefs: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        target = dict(attrs).get("href") if tag == "a" else None
        if target and target.startswith(("http://", "https://")):
            self.hrefs.append(target)
