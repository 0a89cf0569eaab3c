"""Staff see what a mail looks like before it leaves, and what each kind looks like, without anything happening."""

import datetime as dt
import re

import django
import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.core import mail as django_mail
from django.db import connection
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone, translation

from backorders.admin.preview import _inert
from backorders.admin.words import why
from backorders.domain.outbox import OF_A_RETURN, OF_AN_ORDER
from backorders.domain.tokens import looks_like_a_token
from backorders.models import Hold, OutgoingMail, Restock, StockItem, Subscription, SubscriptionToken
from backorders.queries.messages import DOORS
from backorders.queries.preview import NO_DOOR
from backorders.services.backorders import place_backorder
from backorders.services.gate import stop_mail
from backorders.services.locks import anchor_of
from backorders.services.outbox import suppress
from backorders.services.privacy import forget_customer
from tests.admin.conftest import client_of
from tests.factories import SubscriptionFactory

pytestmark = pytest.mark.django_db

KINDS = [kind.value for kind in OutgoingMail.Kind]


@pytest.fixture
def write(mug):
    """A mail of some kind, to Ana, about the mug; as it stands in the outbox."""

    def write(kind, *, email="ana@example.com", language="", **fields):
        now = timezone.now()
        about = {"kind": kind, "created_at": now, "due_at": now, **fields}
        item = anchor_of(mug)
        StockItem.objects.filter(id=item.id).update(policy="backorder")
        if kind in OF_AN_ORDER:
            line = place_backorder(product=mug, quantity=2, email=email, language=language, reference=f"order {now}")
            OutgoingMail.objects.all().delete()
            return OutgoingMail.objects.create(backorder_id=line.id, **about)
        asked = SubscriptionFactory(item=item, email=email, language=language, placed_at=now)
        restock = restock_of(item, now) if kind in OF_A_RETURN else None
        return OutgoingMail.objects.create(subscription=asked, restock=restock, **about)

    return write


def restock_of(item, now):
    open_one, _ = Restock.objects.get_or_create(item=item, number=1, defaults={"units": 3, "opened_at": now})
    return open_one


def preview_of(mail, part="preview"):
    return reverse(f"admin:backorders_outgoingmail_{part}", args=[mail.pk])


def body_of(mail):
    return preview_of(mail, "preview_body")


def page(client, address, **asked):
    answer = client.get(address, asked)
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.mark.parametrize("kind", KINDS)
def test_a_mail_is_shown_as_it_would_leave_now(viewer, write, kind):
    mail = write(kind)
    said, body = page(viewer, preview_of(mail)), page(viewer, body_of(mail))

    assert "Blue mug" in said
    assert "Blue mug" in body
    assert "<h1" in body
    assert f'src="{body_of(mail)}?' in said
    assert 'sandbox src="' in said


def test_who_may_not_see_the_outbox_sees_no_mail(write):
    mail, nobody = write("back_in_stock"), client_of("nobody@example.com", may=[])

    for address in (preview_of(mail), body_of(mail), reverse("admin:backorders_outgoingmail_kinds")):
        assert nobody.get(address).status_code == 403
    assert nobody.post(preview_of(mail)).status_code == 403
    assert Client().get(body_of(mail)).status_code == 302


def test_a_mail_that_is_not_there_is_not_found(viewer):
    assert viewer.get(reverse("admin:backorders_outgoingmail_preview", args=[404])).status_code == 404


def test_the_body_runs_nothing_and_stands_in_our_own_frame_only(viewer, write):
    answer = viewer.get(body_of(write("back_in_stock")))

    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("sandbox; default-src 'none';")
    assert "script" not in policy
    assert "allow" not in policy
    assert answer.headers["X-Frame-Options"] == "SAMEORIGIN"


@pytest.mark.parametrize("kind", KINDS)
def test_to_look_writes_nothing_and_makes_no_secret(viewer, write, kind):
    mail = write(kind)
    before = OutgoingMail.objects.values().get()
    kinds = reverse("admin:backorders_outgoingmail_kinds")
    for address in (preview_of(mail), body_of(mail), kinds):
        with CaptureQueriesContext(
            connection,
        ) as asked:
            page(viewer, address, language="de", scheme="dark", width="phone")
        assert {query["sql"].split()[0] for query in asked} == {"SELECT"}

    assert OutgoingMail.objects.values().get() == before
    assert not SubscriptionToken.objects.exists()


@pytest.mark.parametrize("kind", KINDS)
def test_no_secret_link_opens_anything(viewer, write, kind):
    mail = write(kind)
    body = page(viewer, body_of(mail))
    links = re.findall(
        r"https?://[^/]+/backorders/(?:confirm|leave|manage|hold)/([^/]+)/", body + page(viewer, preview_of(mail))
    )

    assert set(links) <= {NO_DOOR}
    assert bool(links) == (kind in DOORS)
    assert not looks_like_a_token(NO_DOOR)
    assert '<base target="_blank">' in body


@pytest.mark.parametrize("kind", OF_AN_ORDER)
def test_no_link_to_the_page_of_an_order_line_opens_it(viewer, write, kind):
    mail = write(kind)
    found = re.findall(r"https?://[^/]+(/backorders/lines/[^/]+/)", page(viewer, body_of(mail)))
    assert found and {viewer.get(link).status_code for link in found} == {404}


def test_addresses_are_masked_for_those_who_may_not_see_them(viewer, write, view_addresses):
    mail = write("back_in_stock")
    said = page(viewer, preview_of(mail)) + page(viewer, body_of(mail))
    assert "a…@e….com" in said
    assert "ana@example.com" not in said

    viewer.user.user_permissions.add(view_addresses)
    assert "ana@example.com" in page(viewer, preview_of(mail))


@pytest.mark.parametrize(
    ("language", "said", "direction"),
    [("", "Es ist da", "ltr"), ("fr", "Il est là", "ltr"), ("ar", "", "rtl"), ("xx", "Es ist da", "ltr")],
)
def test_it_is_written_in_the_readers_language_or_in_another(viewer, write, language, said, direction):
    body = page(viewer, body_of(write("back_in_stock", language="de")), language=language)

    assert said in body
    assert f'dir="{direction}"' in body


def test_one_colour_scheme_is_shown_whatever_the_viewers_own_is(viewer, write):
    mail = write("back_in_stock")
    light, dark = (page(viewer, body_of(mail), scheme=scheme) for scheme in ("light", "dark"))

    assert "prefers-color-scheme" not in light + dark
    assert "@media (min-width: 99999px) { .page" in light
    assert "@media (min-width: 0px) { .page" in dark
    assert '<meta name="color-scheme" content="dark">' in dark
    assert ":root { color-scheme: dark;" in dark


def test_a_mail_without_a_head_leads_nowhere_either():
    assert _inert("<p>Hello</p>", scheme="light") == '<base target="_blank"><p>Hello</p>'


def test_a_hold_that_has_run_out_is_shown_with_a_moment_that_is_said_to_be_an_example(viewer, write, settings):
    settings.BACKORDERS = {**settings.BACKORDERS, "HOLD_FOR": dt.timedelta(hours=4)}
    mail = write("held")

    assert "the moment named in it is an example" in page(viewer, preview_of(mail))
    assert re.search(r"Yours until \w+, \w+ \d", page(viewer, body_of(mail)))
    assert not Hold.objects.exists()


def test_it_says_whether_it_would_leave(viewer, write):
    mail = write("back_in_stock")
    assert "it would not leave: no longer waiting" in page(viewer, preview_of(mail))

    OutgoingMail.objects.update(state="sent")
    assert "It has left." in page(viewer, preview_of(mail))


def test_our_reasons_are_read_in_the_readers_language_and_a_mail_servers_as_it_said_them():
    with translation.override("de"):
        assert why("bought") == str(Subscription.Closed.BOUGHT.label) != "bought"
        assert (why("550 no such user"), why("")) == ("550 no such user", "")


def test_a_mail_about_a_product_that_is_gone_says_so(viewer, write, mug):
    mail = write("back_in_stock")
    mug.delete()

    assert "This mail cannot be written: the product is gone" in page(viewer, preview_of(mail))
    assert "cannot be written" in page(viewer, reverse("admin:backorders_outgoingmail_kinds"))
    assert page(viewer, body_of(mail)) == '<base target="_blank">'


def test_a_template_of_the_shop_that_is_broken_is_told_to_those_who_look(viewer, write, settings, tmp_path):
    broken = tmp_path / "backorders" / "mail" / "back_in_stock.html"
    broken.parent.mkdir(parents=True)
    broken.write_text("{% nonsense %}")
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [tmp_path]}]

    assert "This mail cannot be written: TemplateSyntaxError" in page(viewer, preview_of(write("back_in_stock")))


def test_the_mail_of_somebody_who_was_forgotten_can_be_looked_at(viewer, write):
    mail = write("back_in_stock")
    forget_customer(email="ana@example.com", now=timezone.now())

    assert OutgoingMail.objects.filter(pk=mail.pk).exists()
    page(viewer, preview_of(mail))
    assert "The shop has written none yet." in page(viewer, reverse("admin:backorders_outgoingmail_kinds"))


# each kind


def test_the_kinds_are_shown_by_the_latest_mail_of_each(viewer, write, django_assert_max_num_queries):
    older, newer = write("back_in_stock"), write("back_in_stock", email="ben@example.com")
    with django_assert_max_num_queries(40):
        said = page(viewer, reverse("admin:backorders_outgoingmail_kinds"))

    assert body_of(newer) in said
    assert body_of(older) not in said
    assert said.count("The shop has written none yet.") == len(KINDS) - 1


def test_list_and_form_lead_to_the_preview(viewer, write):
    mail = write("back_in_stock")
    everything = page(viewer, reverse("admin:backorders_outgoingmail_changelist"))

    assert preview_of(mail) in everything
    assert reverse("admin:backorders_outgoingmail_kinds") in everything
    assert preview_of(mail) in page(viewer, reverse("admin:backorders_outgoingmail_change", args=[mail.pk]))


# a test to oneself


def test_a_test_goes_to_the_one_who_asks_and_opens_nothing(viewer, write):
    mail = write("back_in_stock", language="de")
    before = OutgoingMail.objects.values().get()
    answer = viewer.post(preview_of(mail), {"language": "en", "scheme": "dark", "width": "phone"}, follow=True)

    assert "A test was sent to viewer@example.com." in answer.content.decode()
    assert answer.redirect_chain == [(f"{preview_of(mail)}?language=en&scheme=dark&width=phone", 302)]
    [test] = django_mail.outbox
    assert test.to == ["viewer@example.com"]
    assert test.subject == "[Test] In stock now: Blue mug"
    assert set(test.extra_headers) == {"Auto-Submitted"}
    whole = "\n".join([str(test.subject), str(test.body), str(test.alternatives[0][0]), *test.extra_headers.values()])
    assert "ana@" not in test.message().as_string()
    assert "ana@" not in whole
    assert set(re.findall(r"/backorders/(?:leave|manage)/([^/]+)/", whole)) == {NO_DOOR}
    assert OutgoingMail.objects.values().get() == before
    assert not SubscriptionToken.objects.exists()
    assert LogEntry.objects.get().change_message == "A test was sent."


def test_a_test_leaves_while_mail_is_held_back(viewer, write):
    """That is when one is needed most."""
    stop_mail()
    viewer.post(preview_of(write("back_in_stock")))

    assert len(django_mail.outbox) == 1


@pytest.mark.parametrize(
    ("own", "said"),
    [("", "Your account has no e-mail address."), ("a@b@c", "Enter one plain e-mail address")],
)
def test_without_an_address_of_ones_own_nothing_is_sent(viewer, write, own, said):
    get_user_model().objects.filter(pk=viewer.user.pk).update(email=own)
    answer = viewer.post(preview_of(write("back_in_stock")), follow=True)

    assert said in answer.content.decode()
    assert django_mail.outbox == []


def test_who_must_never_be_mailed_gets_no_test_either(viewer, write):
    suppress(email_key="viewer@example.com", reason="bounce", now=timezone.now())
    answer = viewer.post(preview_of(write("back_in_stock")), follow=True)

    assert "The test was not sent: the address is suppressed" in answer.content.decode()
    assert django_mail.outbox == []


def test_a_test_that_the_server_does_not_take_is_said_to_have_failed(viewer, write):
    server = {"BACKEND": "django.core.mail.backends.smtp.EmailBackend", "OPTIONS": {"host": "127.0.0.1", "port": 9}}
    nobody_there = (
        {"MAILERS": {"default": server}}
        if django.VERSION >= (6, 1)
        else {"EMAIL_BACKEND": server["BACKEND"], "EMAIL_HOST": "127.0.0.1", "EMAIL_PORT": 9}
    )
    with override_settings(**nobody_there):
        answer = viewer.post(preview_of(write("back_in_stock")), follow=True)

    assert "The test was not sent: ConnectionRefusedError" in answer.content.decode()
    assert not LogEntry.objects.exists()
