from django.core.mail import EmailMultiAlternatives

from demo_shop.mail import InboxBackend
from demo_shop.models import SentMail


def send():
    email = EmailMultiAlternatives(
        "Back in stock", "Text part", "shop@example.com", ["anna@example.com"], headers={"X-Of": "yes"}
    )
    email.attach_alternative("<p>HTML part</p>", "text/html")
    return InboxBackend().send_messages([email])


def test_a_mail_that_was_sent_can_be_read_in_all_its_parts(client, db):
    assert send() == 1
    mail = SentMail.objects.get()
    assert (mail.to, mail.subject, mail.text, mail.html) == (
        "anna@example.com",
        "Back in stock",
        "Text part",
        "<p>HTML part</p>",
    )
    assert "X-Of: yes" in client.get(f"/inbox/{mail.pk}/?part=headers").content.decode()


def test_a_mail_in_the_inbox_may_run_nothing(client, db):
    send()
    page = client.get(f"/inbox/{SentMail.objects.get().pk}/html/")
    assert page["Content-Security-Policy"].startswith("default-src 'none'")
    assert page["X-Frame-Options"] == "SAMEORIGIN"


def test_the_inbox_finds_mails_by_address(client, db):
    send()
    assert len(client.get("/inbox/?to=anna").context["page"].object_list) == 1
    assert len(client.get("/inbox/?to=ben").context["page"].object_list) == 0
