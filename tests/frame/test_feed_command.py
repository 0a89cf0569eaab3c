"""The merchant feed as a file."""

import io
from xml.etree import ElementTree

import pytest
from django.core.management import CommandError, call_command

from backorders.models import StockItem
from backorders.services.locks import anchor_of
from backorders.shop.checking import problems_of
from backorders.storefront.listings import merchant_feed
from tests.factories import ProductFactory
from tests.hosts.models import Poster

pytestmark = pytest.mark.django_db


def write(**options):
    """The feed, and what was told about it."""
    out, told = io.StringIO(), io.StringIO()
    call_command("backorders_feed", stdout=out, stderr=told, **options)
    return out.getvalue(), told.getvalue()


def test_the_file_is_what_the_page_says(tmp_path):
    ProductFactory(stock=9, name="Mug")
    path = tmp_path / "merchant.xml"
    told = write(output=str(path))[1]

    assert path.read_text() == "".join(merchant_feed()) == write()[0]
    assert told == "1 items: 1 in_stock\n"


def test_a_web_server_may_read_the_file(tmp_path):
    write(output=str(tmp_path / "merchant.xml"))
    assert (tmp_path / "merchant.xml").stat().st_mode & 0o044 == 0o044


def test_the_reader_is_told_what_is_left_out_and_why():
    gone = ProductFactory(stock=0)
    StockItem.objects.filter(id=anchor_of(gone).id).update(is_discontinued=True)
    poster = Poster.objects.create(name="Poster")
    told = write()[1]

    assert f"1 left out: it is no longer made (hosts.product:{gone.pk})" in told
    assert f"1 left out: it has no price (hosts.poster:{poster.pk})" in told
    assert f"hosts.poster:{poster.pk} left out: it has no price\n" in write(verbosity=2)[1]


def test_a_feed_that_breaks_off_leaves_the_old_one_alone(tmp_path, monkeypatch):
    from tests.hosts.adapters import CustomAdapter
    from tests.hosts.models import Custom

    def fail(self, pks):
        raise ZeroDivisionError

    path = tmp_path / "merchant.xml"
    path.write_text("yesterday's")
    Custom.objects.create(name="Box", boxes=1)
    monkeypatch.setattr(CustomAdapter, "feed_attributes", fail)
    with pytest.raises(ZeroDivisionError):
        write(output=str(path))
    assert path.read_text() == "yesterday's" and list(tmp_path.iterdir()) == [path]


def test_an_empty_shop_has_a_feed_without_items():
    assert ElementTree.fromstring(write()[0]).find("channel/item") is None


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"output": "no/such/folder/merchant.xml"}, "no/such/folder/merchant.xml cannot be written: No such file"),
        ({"language": "xx"}, "'xx' is not in LANGUAGES: en, de, fr, es, ar."),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(options, said):
    with pytest.raises(CommandError) as problem:
        write(**options)
    assert said in str(problem.value)


def test_without_a_site_there_are_no_links_and_no_feed(settings):
    settings.BACKORDERS = {**settings.BACKORDERS, "SITE_URL": ""}
    with pytest.raises(CommandError, match="SITE_URL"):
        write()


# the map of what a shop adds


@pytest.mark.parametrize(
    ("feed", "said"),
    [
        ("brand", "['feed'] has to be a dict such as {'brand': 'maker.name', 'condition': '=new'}, not 'brand'."),
        ({"Brand!": "name"}, "['feed']['Brand!'] is no name of a feed's attribute."),
        ({"availability": "name"}, "['feed']['availability'] is said by backorders alone"),
        (
            {"brand": 7},
            "['feed']['brand'] has to be a path such as 'maker.name', or a text after =, such as '=new', not 7.",
        ),
        ({"brand": "nmae"}, "['feed']['brand'] = 'nmae': hosts.Product has no field 'nmae'. Did you mean 'name'?"),
    ],
)
def test_a_wrong_map_becomes_a_sentence_in_check(feed, said):
    (problem,) = problems_of("hosts.Product", {"stock": "stock", "feed": feed})
    assert said in problem


def test_a_right_map_is_no_problem():
    assert not list(
        problems_of("hosts.Product", {"stock": "stock", "feed": {"brand": "category", "condition": "=new"}})
    )
