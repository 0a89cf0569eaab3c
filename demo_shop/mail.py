from django.core.mail.backends.base import BaseEmailBackend

from demo_shop.models import SentMail


class InboxBackend(BaseEmailBackend):
    """Delivers to the Inbox page instead of to the world."""

    def send_messages(self, email_messages):
        for email in email_messages:
            SentMail.objects.create(
                to=", ".join(email.recipients()),
                subject=email.subject,
                text=email.body,
                html=next((content for content, kind in getattr(email, "alternatives", []) if kind == "text/html"), ""),
                headers="\n".join(f"{name}: {value}" for name, value in email.message().items()),
            )
        return len(email_messages)
