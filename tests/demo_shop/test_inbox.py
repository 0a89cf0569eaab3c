from django.core.mail import EmailMultiAlternatives

from demo_shop.mail import InboxBackend
from demo_shop.models import SentMail
from tests.demo_shop.conftest import read


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
    assert "frame-ancestors 'self'" in page["Content-Security-Policy"]


def test_what_was_attached_is_kept_and_can_be_read_and_taken_along(client, db):
    email = EmailMultiAlternatives("Your pre-order", "Text part", "shop@example.com", ["anna@example.com"])
    email.attach("date.ics", "BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n", "text/calendar")
    email.attach("label.pdf", b"%PDF-1.7 \xff", "application/pdf")
    InboxBackend().send_messages([email])
    mail = SentMail.objects.get()
    page = read(client.get(f"/inbox/{mail.pk}/?part=files"))

    assert "2 attachments" in page
    assert "BEGIN:VCALENDAR" in page and "date.ics · text/calendar" in page and "label.pdf · application/pdf" in page
    taken = client.get(f"/inbox/files/{mail.files.get(name='label.pdf').pk}/")
    assert (taken["Content-Type"], b"".join(taken.streaming_content)) == ("application/pdf", b"%PDF-1.7 \xff")
    assert taken["Content-Disposition"] == 'attachment; filename="label.pdf"'


def test_a_mail_without_attachments_speaks_of_none(client, db):
    send()
    assert "attachment" not in read(client.get(f"/inbox/{SentMail.objects.get().pk}/?part=files"))


def test_a_mail_is_seen_light_and_dark_whatever_the_visitors_own_screen_is(client, db):
    style = "@media (prefers-color-scheme: dark) { body { color: white } }"
    SentMail.objects.create(to="a@example.com", subject="Hi", html=f"<style>{style}</style>")
    where = f"/inbox/{SentMail.objects.get().pk}/"
    assert f'src="{where}html/?dark"' in client.get(f"{where}?part=dark").content.decode()
    assert "@media (min-width: 0px)" in client.get(f"{where}html/?dark").content.decode()
    assert "@media (min-width: 99999px)" in client.get(f"{where}html/").content.decode()


def test_the_inbox_finds_mails_by_address(client, db):
    send()
    assert len(client.get("/inbox/?to=anna").context["page"].object_list) == 1
    assert len(client.get("/inbox/?to=ben").context["page"].object_list) == 0
