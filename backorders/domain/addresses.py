"""E-mail addresses: which we accept, and when two of them are one person's."""

from __future__ import annotations

import hashlib
import hmac
import re
import unicodedata
from dataclasses import dataclass

from backorders.errors import InvalidAddress

_LOCAL = re.compile(r"[\w!#$&'*+/=?^`{|}~-]+(\.[\w!#$&'*+/=?^`{|}~-]+)*")
_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")


_LONGEST = 254
_CHANGED_BY_IDNA_2008 = frozenset("ßςẞ\u200c\u200d")


@dataclass(frozen=True, slots=True)
class Address:
    """``display`` is what mail is sent to; ``key`` is equal for two spellings of one mailbox."""

    display: str
    key: str


def parse_address(typed: str, *, allow_local_domains: bool = False) -> Address:
    """This will accept one plain address or raise ``InvalidAddress`` with a sentence for the person who typed it.

    Refused: several addresses, names around one, quotes, line breaks and other control characters, percent codes, local
    parts over 64 and addresses over 254 characters (RFC 5321), IP literals, and domains without a dot unless allowed.
    Two spellings are one mailbox when they differ in case, Unicode form (NFKC) or IDN form only.
    """
    if not isinstance(typed, str):
        raise InvalidAddress("Enter an e-mail address such as name@example.com.", reason="not_text")
    text = unicodedata.normalize("NFKC", typed.strip(" "))
    if any(unicodedata.category(character)[0] == "C" for character in text):
        raise InvalidAddress(
            "The address contains a line break or an invisible character. Type it again by hand.", reason="invisible"
        )
    local, at, domain = text.rpartition("@")
    if not at or not _LOCAL.fullmatch(local):
        raise InvalidAddress(
            "Enter one plain e-mail address such as name@example.com, without names, commas or brackets.",
            reason="several",
        )
    if len(local.encode()) > 64 or len(text.encode()) > _LONGEST:
        raise InvalidAddress(
            "This address is longer than mail servers accept. Check it for doubled text.", reason="too_long"
        )
    ascii_domain = _ascii(domain)
    labels = ascii_domain.split(".")
    if not all(_LABEL.fullmatch(label) for label in labels) or labels[-1].isdigit():
        raise InvalidAddress(f"“{domain}” is no mail domain. Check the part after the @.", reason="domain")
    if len(labels) < 2 and not allow_local_domains:
        raise InvalidAddress(f"“{domain}” has no ending such as .com. Check the part after the @.", reason="no_ending")
    address = Address(display=f"{local}@{ascii_domain}", key=f"{local.casefold()}@{ascii_domain}")
    if len(address.display) > _LONGEST or len(address.key) > _LONGEST or len(ascii_domain) > 253:
        raise InvalidAddress(
            "This address is longer than mail servers accept. Check it for doubled text.", reason="too_long"
        )
    return address


def masked(address: str) -> str:
    """``ada@example.com`` becomes ``a…@e….com``: for people and logs that need not know whose it is."""
    local, _at, domain = address.rpartition("@")
    return f"{local[:1]}…@{domain[:1]}….{domain.rpartition('.')[2]}" if local else "…"


_ADDRESS = re.compile(r"[^\s<>()\[\],;:\"]+@[^\s<>()\[\],;:\"]+")


def masked_within(text: str) -> str:
    """What a mail server answered, with the addresses in it masked."""
    return _ADDRESS.sub(lambda found: masked(found[0].rstrip(".")), text)


def hash_of(key: str, *, secret: str) -> str:
    """HMAC-SHA-256 of an address's ``key``, in hex: equal for equal addresses, and of no use to anybody without the secret."""
    return hmac.new(f"backorders.address:{secret}".encode(), key.encode(), hashlib.sha256).hexdigest()


def _ascii(domain: str) -> str:
    if _CHANGED_BY_IDNA_2008 & set(domain):
        # The standard library still maps these letters to others (ß to ss), which is somebody else's domain today.
        raise InvalidAddress(f"Write “{domain}” in the form that begins with xn--.", reason="domain")
    try:
        return domain.lower().encode("idna").decode("ascii")
    except UnicodeError:
        raise InvalidAddress(f"“{domain}” is no mail domain. Check the part after the @.", reason="domain") from None
