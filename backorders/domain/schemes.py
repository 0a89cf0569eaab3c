"""HTML as it looks in one colour scheme, whatever the reader's own is: for previews."""

from __future__ import annotations

import re


def in_scheme(html: str, scheme: str) -> str:
    """This will settle what a page asks of ``prefers-color-scheme``: ``scheme`` is "light" or "dark"."""
    is_so, is_not = "(min-width: 0px)", "(min-width: 99999px)"
    for name in ("light", "dark"):
        asked = rf"\(\s*prefers-color-scheme\s*:\s*{name}\s*\)"
        html = re.sub(asked, is_so if name == scheme else is_not, html, flags=re.IGNORECASE)
    html = re.sub(r"(color-scheme\s*:\s*)light\s+dark", rf"\g<1>{scheme}", html, flags=re.IGNORECASE)
    return re.sub(r'(name="color-scheme"\s+content=")[^"]*', rf"\g<1>{scheme}", html, flags=re.IGNORECASE)
