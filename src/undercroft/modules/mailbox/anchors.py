"""What the links of an HTML mail lead to."""

from html.parser import HTMLParser


def targets_in(html: str) -> list[str]:
    """The addresses of the web that its links have, in their order."""
    anchors = _Anchors()
    anchors.feed(html)
    return anchors.targets


class _Anchors(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.targets: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        target = dict(attrs).get("href") if tag == "a" else None
        if target and target.startswith(("http://", "https://")):
            self.targets.append(target)
