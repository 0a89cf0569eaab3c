import re

from demo_shop.accounts import verified_email
from demo_shop.models import Customer

NEW = {"email": "new@example.com", "password1": "pw", "password2": "pw"}


def registered(client, mailoutbox):
    client.post("/account/register/", NEW)
    link = re.search(r"https://\S+", mailoutbox[0].body)[0].removeprefix("https://shop.example")
    return Customer.objects.get(email="new@example.com"), link


def test_an_address_counts_only_after_the_button_behind_the_link(client, db, mailoutbox):
    customer, link = registered(client, mailoutbox)
    client.get(link)
    customer.refresh_from_db()
    assert verified_email(customer) == ""
    client.post(link)
    customer.refresh_from_db()
    assert verified_email(customer) == "new@example.com"


def test_a_mutilated_link_is_not_found(client, db, mailoutbox):
    _customer, link = registered(client, mailoutbox)
    assert client.get(link[:-3] + "/").status_code == 404
