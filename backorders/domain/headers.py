"""Text that goes into a mail header: one line, bounded, with nothing invisible in it."""

from __future__ import annotations

import unicodedata

LONGEST_SUBJECT = 200
_BIDI = {chr(code) for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C)}


def one_line(text: str, *, longest: int = LONGEST_SUBJECT) -> str:
    """This will make any text safe as a header value.

    Line breaks and other control characters become one space (Anymail passes CR/LF on to some providers), direction
    overrides go, and what is longer than ``longest`` characters is cut between graphemes with an ellipsis.
    """
    spaced = "".join(" " if unicodedata.category(c) in ("Cc", "Zl", "Zp") else c for c in text if c not in _BIDI)
    line = " ".join(spaced.split())
    if len(line) <= longest:
        return line
    cut = longest - 1
    while cut and (unicodedata.combining(line[cut]) or line[cut] in "\u200d\ufe0f" or line[cut - 1] == "\u200d"):
        cut -= 1
    return line[:cut].rstrip() + "…"
