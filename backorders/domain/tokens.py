"""Secrets in links: random, only their hash is kept."""

from __future__ import annotations

import hashlib
import re
import secrets
from enum import StrEnum

_SHAPE = re.compile(r"[A-Za-z0-9_-]{43}")


class Purpose(StrEnum):
    """A token opens one door only."""

    CONFIRM = "confirm"
    LEAVE = "leave"
    """Opens the page to change requests as well: one secret a mail is enough."""
    HOLD = "hold"


def new_token() -> str:
    """This will draw 256 random bits, as 43 URL-safe characters."""
    return secrets.token_urlsafe(32)


def digest_of(token: str, purpose: Purpose) -> str:
    """SHA-256 of purpose and token, in hex: what the database keeps."""
    return hashlib.sha256(f"{purpose.value}:{token}".encode()).hexdigest()


def looks_like_a_token(text: str) -> bool:
    return isinstance(text, str) and _SHAPE.fullmatch(text) is not None
