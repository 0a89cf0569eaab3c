"""A test of one mail, to whoever works in the shop."""

from __future__ import annotations

from datetime import datetime

from django.core.mail import EmailMultiAlternatives

from backorders.domain.addresses import parse_address
from backorders.domain.outbox import Outcome
from backorders.models import OutgoingMail, SuppressedAddress
from backorders.queries.preview import previews_of
from backorders.services.answers import Answer
from backorders.services.mailer import Mailer

_OURS = ("Message-ID", "List-Unsubscribe", "List-Unsubscribe-Post", "List-Id")
"""What the test must not carry: providers would take its bounce for the real mail's, and mailboxes offer a button that does nothing."""


def send_test(
    *, mail: OutgoingMail, to: str, now: datetime, language: str = "", with_addresses: bool = False
) -> Answer:
    """This will send a mail as it would look now to somebody else, past the outbox: no secret is in it, and no row is written.

    Says what the mail server answered; refused where the mail cannot be written, or the address is suppressed. Raises
    ``InvalidAddress``.
    """
    address = parse_address(to, allow_local_domains=True)
    if SuppressedAddress.objects.is_silent(address.key):
        return Answer(Outcome.REFUSED, "the address is suppressed")
    [preview] = previews_of([mail], now=now, language=language, with_addresses=with_addresses)
    if preview.message is None:
        return Answer(Outcome.REFUSED, preview.trouble)
    with Mailer() as mailer:
        [answer] = mailer.send([_test_of(preview.message, address.display)])
    return answer


def _test_of(message: EmailMultiAlternatives, to: str) -> EmailMultiAlternatives:
    message.subject = f"[Test] {message.subject}"
    message.to = [to]
    message.extra_headers = {name: value for name, value in message.extra_headers.items() if name not in _OURS}
    return message
