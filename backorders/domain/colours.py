"""Colours of a shop, as mails can use them: what is legible on them, and what they become on a dark screen."""

from __future__ import annotations

import colorsys
import re
from dataclasses import dataclass
from functools import lru_cache

WHITE, INK = "#ffffff", "#0c1b2e"
DARK_SHEET = "#202328"
"""What a mail is written on where the reader's screen is dark."""

LEAST_CONTRAST = 4.5
"""For text (WCAG 2.2, success criterion 1.4.3)."""

_COLOUR = re.compile(r"#(?:[0-9a-fA-F]{6}|[0-9a-fA-F]{3})")
_STEPS = 50


def is_colour(text: object) -> bool:
    """``#rrggbb`` or ``#rgb``."""
    return isinstance(text, str) and _COLOUR.fullmatch(text) is not None


def contrast(one: str, other: str) -> float:
    """From 1 to 21 (WCAG 2.2, "contrast ratio")."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@dataclass(frozen=True, slots=True, kw_only=True)
class Palette:
    """A colour for buttons and links, on a white sheet and on a dark one, and what is written on such a button."""

    accent: str
    on_accent: str
    dark_accent: str
    on_dark_accent: str


@lru_cache(maxsize=8)
def palette_of(accent: str) -> Palette:
    """This will derive the others from a shop's colour. On a dark sheet it is as much lighter as text has to be.

    Of six digits each: older mail readers know no others.
    """
    accent = "#" + "".join(f"{part:02x}" for part in _parts(accent))
    dark = next(
        lighter
        for step in range(_STEPS + 1)
        if contrast(lighter := _lighter(accent, step / _STEPS), DARK_SHEET) >= _ON_DARK
    )
    return Palette(accent=accent, on_accent=_on(accent), dark_accent=dark, on_dark_accent=_on(dark))


_ON_DARK = 7
"""More than the least: a dark screen is dark because somebody's eyes want rest, not effort."""


def _on(colour: str) -> str:
    return max((WHITE, INK), key=lambda text: contrast(text, colour))


def _lighter(colour: str, share: float) -> str:
    """By a share of the way to white; the hue stays."""
    if not share:
        return colour
    hue, lightness, saturation = colorsys.rgb_to_hls(*(part / 255 for part in _parts(colour)))
    parts = colorsys.hls_to_rgb(hue, lightness + (1 - lightness) * share, saturation)
    return "#" + "".join(f"{round(part * 255):02x}" for part in parts)


def _parts(colour: str) -> list[int]:
    digits = colour[1:] if len(colour) == 7 else "".join(digit * 2 for digit in colour[1:])
    return [int(digits[start : start + 2], 16) for start in (0, 2, 4)]


def _luminance(colour: str) -> float:
    """WCAG 2.2, "relative luminance"."""
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in (each / 255 for each in _parts(colour))
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
