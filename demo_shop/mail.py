from django.core.mail.backends.base import BaseEmailBackend

from demo_shop.models import SentFile, SentMail


class InboxBackend(BaseEmailBackend):
    """Delivers to the Inbox page instead of to the world."""

    def send_messages(self, email_messages):
        for email in email_messages:
            message = email.message()
            sent = SentMail.objects.create(
                to=", ".join(email.recipients()),
                subject=email.subject,
                text=email.body,
                html=next((content for content, kind in getattr(email, "alternatives", []) if kind == "text/html"), ""),
                headers="\n".join(f"{name}: {value}" for name, value in message.items()),
            )
            SentFile.objects.bulk_create(files_of(message, sent))
        return len(email_messages)


def files_of(message, sent):
    """As the mail carries them, whatever they were attached as."""
    for part in message.walk():
        if part.get_content_disposition() == "attachment":
            content = part.get_payload(decode=True) or b""
            yield SentFile(mail=sent, name=part.get_filename() or "", kind=part.get_content_type(), content=content)
