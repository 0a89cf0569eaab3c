"""Addresses that are opened by mistake, and pages for when something goes wrong."""

import pytest
from django.core.exceptions import PermissionDenied
from django.test import Client
from django.urls import path

from demo_shop.models import Customer
from demo_shop.urls import urlpatterns as shop
from tests.demo_shop.conftest import read


def fails(request):
    raise RuntimeError


def is_closed(request):
    raise PermissionDenied


urlpatterns = [path("fails/", fails), path("closed/", is_closed), *shop]
"""The shop, a page that breaks, and one that nobody may see."""


@pytest.fixture
def visitor(db):
    return Client(raise_request_exception=False)


@pytest.mark.parametrize(
    ("address", "leads_to"), [("/basket/add/", "/basket/"), ("/account/logout/", "/account/"), ("/i18n/setlang/", "/")]
)
def test_what_is_only_for_buttons_leads_on_when_it_is_opened(visitor, address, leads_to):
    assert visitor.get(address)["Location"] == leads_to


def test_opening_the_address_of_the_log_out_button_logs_nobody_out(visitor):
    anna = Customer.objects.create_user(email="anna@example.com", password="anna")
    visitor.force_login(anna)
    assert visitor.get("/account/logout/", follow=True).wsgi_request.user == anna


@pytest.mark.urls("tests.demo_shop.test_trouble")
@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", "Something went wrong on our side."),
        ("es", "Algo ha fallado por nuestra parte."),
        ("ar", "حدث خطأ من جهتنا."),
    ],
)
def test_a_broken_page_says_so_in_the_shops_look_and_asks_the_database_for_nothing(
    visitor, language, said, django_assert_num_queries
):
    with django_assert_num_queries(0):
        page = visitor.get("/fails/", headers={"Accept-Language": language})
    assert (page.status_code, said in read(page)) == (500, True)
    assert f'<html lang="{language}"' in page.content.decode() and "shop.css" in page.content.decode()


def test_what_cannot_be_read_is_a_page_too(visitor, settings):
    settings.ALLOWED_HOSTS = ["testserver"]
    page = visitor.get("/", headers={"Host": "somewhere.else.example"})
    assert (page.status_code, "We could not read what your browser sent." in read(page)) == (400, True)


@pytest.mark.urls("tests.demo_shop.test_trouble")
def test_a_closed_door_says_where_to_log_in(visitor):
    page = visitor.get("/closed/")
    assert (page.status_code, "This page is not open to you. Another login may help. Log in" in read(page)) == (
        403,
        True,
    )


def test_nobody_else_shows_the_shop_in_a_frame_of_theirs(visitor):
    assert "frame-ancestors 'none'" in visitor.get("/")["Content-Security-Policy"]
