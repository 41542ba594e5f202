"""Forms of pages, read as a browser reads them."""

import re
from html import unescape

import httpx


def hidden(page: httpx.Response) -> dict[str, str]:
    """The hidden fields of a page's first form."""
    form = page.text.partition("<form")[2].partition("</form>")[0]
    found = re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', form)
    return {name: unescape(value) for name, value in found}
