"""Compiles the MJML sources beside it into the Django templates that mails are written by. Nothing imports it at run time.

``base.mjml`` is the frame, a whole mail. All other sources are what stands in its column: components, and Django's tags between
them. So they are put there, compiled within the frame, and their rows cut out again.
"""

from __future__ import annotations

import re
from pathlib import Path

from mjml import mjml2html

SOURCES = Path(__file__).parent
TEMPLATES = SOURCES.parent / "templates" / "backorders" / "mail"
FRAME = "base"

_CONTENT = "{% block content %}{% endblock %}"
"""In the frame, alone in an ``mj-raw``."""

_CUT = "✂"
_COMPONENT = re.compile(r"<mj-[a-z]+\b[^>]*/>|<(mj-[a-z]+)\b.*?</\1>", re.DOTALL)

_CHANGES = {
    r"<!--\[if lte mso 11\]>.*?<!\[endif\]-->\s*": "",  # Outlook 2003
    r"<!\[endif\]--><!--\[if mso \| IE\]>": "",  # what ends there begins again
    r"<style[^>]*>[^<]*\bmj-column-per-100\b[^<]*</style>\s*": "",  # a single column is as wide without
    r"(?<=mj-outlook-group-fix) mj-column-per-100\b": "",
    r"direction:ltr;": "",  # said once, by the frame's dir
    r" />": ">",
    r"<table(?![^>]*\brole=)": '<table role="presentation"',  # MJML forgets those of mj-table
}
"""What is made of MJML's output: patterns, and what takes their place."""

_BETWEEN = re.compile(r"(?<=>)(?=</?(?:table|tbody|tr|td|div|style)\b)|(\s*\n\s*)")
"""Where a line may end."""

_WIDTH = 400
"""Characters. A line of 998 octets would make the whole mail quoted-printable, and words in other scripts are longer; but each
line costs each mail that is sent."""


def names() -> list[str]:
    """This will list the sources, which are called as their templates are."""
    return sorted(path.stem for path in SOURCES.glob("*.mjml"))


def template_of(name: str) -> Path:
    return TEMPLATES / f"{name}.html"


def compiled(name: str) -> str:
    """This will compile one source. Raises ``ValueError`` where it is no MJML."""
    if name == FRAME:
        html = _html(_source(FRAME))
    else:
        rows = _COMPONENT.sub(r"</mj-raw>\g<0><mj-raw>", _source(name))
        _, html, _ = _html(_source(FRAME).replace(_CONTENT, f"{_CUT}{rows}{_CUT}")).split(_CUT)
    return f"{{# Compiled from {name}.mjml by `python3 dev.py mails`. #}}{_filled(html)}\n"


def _source(name: str) -> str:
    return (SOURCES / f"{name}.mjml").read_text(encoding="utf-8")


def _html(mjml: str) -> str:
    html = mjml2html(mjml, disable_comments=True, fonts={})  # no font is fetched from the web
    if re.search(r"\bmj-column-per-(?!100\b)", html):
        raise ValueError("Columns side by side need a rule of the style sheet that is left out here.")
    for pattern, replacement in _CHANGES.items():
        html = re.sub(pattern, replacement, html, flags=re.DOTALL)
    return html


def _filled(html: str) -> str:
    """The same with few lines: as much on each as there is room for."""
    first, *rest = _BETWEEN.split(html.strip())
    lines = [first]
    for gap, piece in zip(rest[::2], rest[1::2], strict=True):
        if len(lines[-1]) + len(piece) > _WIDTH:
            lines.append(piece)
        else:
            lines[-1] += (" " if gap else "") + piece
    return "\n".join(lines)


def main() -> None:
    """This will write the templates anew, and say which of them are others now."""
    for name in names():
        template, html = template_of(name), compiled(name)
        if not template.exists() or template.read_text(encoding="utf-8") != html:
            template.write_text(html, encoding="utf-8", newline="\n")
            print(f"Compiled {name}.html")


if __name__ == "__main__":
    main()
