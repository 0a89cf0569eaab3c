"""One truth outwards: page, data, feed and API are compared, and what differs is named."""

import datetime as dt
import io

import pytest
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.http import HttpResponse
from django.test import override_settings
from django.urls import path as url_path
from django.urls import resolve
from django.utils import timezone

from backorders.management import comparing
from backorders.management.witnesses import Feed, Page, Said, Unreadable, answers_in
from backorders.models import StockItem
from backorders.services.locks import anchor_of
from backorders.services.waves import open_restock
from tests.factories import in_days, mug_with
from tests.hosts.models import ApiOnly, Poster, Product
from tests.hosts.pages import HONEST, pages

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.hosts.pages")]


def lint(*products, **options):
    """What it printed, and how it ended."""
    out = io.StringIO()
    try:
        call_command("backorders_lint", *products, stdout=out, **options)
    except SystemExit as end:
        return out.getvalue(), end.code
    return out.getvalue(), 0


def reference_of(product):
    return f"hosts.product:{product.pk}"


@pytest.fixture
def on_pages(monkeypatch):
    """Says what stands on the shop's pages instead of our tags."""

    def write(template):
        monkeypatch.setattr(pages, "template", template)

    return write


@pytest.fixture
def every_state():
    """One product in each state, with dates near and far, and names that no format likes."""
    soon = timezone.now() + dt.timedelta(days=40)
    return [
        mug_with(9, name="</script> ]]> \u2028 إبريق"),
        mug_with(2, policy="backorder", arrives=(4, 8)),
        mug_with(policy="backorder", arrives=(4, 8)),
        mug_with(policy="backorder", arrives=(60, 70)),
        mug_with(policy="backorder"),
        mug_with(policy="made_to_order", lead_days=10),
        mug_with(policy="preorder", releases_at=soon),
        mug_with(policy="preorder", releases_at=soon, arrives=(45, 50)),
        mug_with(policy="preorder", releases_at=soon, opens_at=soon - dt.timedelta(days=30)),
        mug_with(policy="preorder", releases_at=timezone.now() + dt.timedelta(days=500)),
        mug_with(releases_at=soon, arrives=(45, 50)),
        mug_with(policy="announced", arrives=(45, 50)),
        mug_with(policy="backorder", arrives=(4, 8), confidence="guess"),
        mug_with(arrives=(4, 8)),
        mug_with(arrives=(12, 25)),
        mug_with(arrives=(150, 170)),
        mug_with(),
        mug_with(is_discontinued=True),
    ]


# an honest shop


def test_an_honest_shop_has_no_disagreements(every_state):
    again = mug_with(policy="preorder", releases_at=timezone.now() + dt.timedelta(days=9))
    open_restock(item=anchor_of(again), units=3, now=timezone.now() - dt.timedelta(days=90))
    told, code = lint()
    assert code == 0, told
    assert "19 products compared, 0 disagreements." in told


def test_pages_and_feeds_with_many_sizes_are_told_apart(on_pages):
    mug_with(9), mug_with()
    on_pages("{% backorder_jsonld p variants=all %}{% backorder_status p %}")
    assert lint()[1] == 0


def test_hidden_products_are_nobodys_business():
    Product.objects.create(name="Hidden", is_visible=False)
    assert "0 products compared, 0 disagreements." in lint()[0]


# what is found


def test_a_page_without_the_tags_is_found(on_pages):
    mug = mug_with(9)
    on_pages("<h1>{{ p }}</h1><p>In stock!</p>")
    told, code = lint()

    assert code == 1
    assert (
        f"{reference_of(mug)}  page: nothing: {{% backorder_status %}} is not on it | we say: in_stock"
        f"  https://shop.example/p/{mug.pk}/" in told
    )
    assert "jsonld: nothing: {% backorder_jsonld %} is not on it | we say: InStock" in told
    assert "1 products compared, 2 disagreements." in told


def test_a_cached_page_with_an_old_state_is_found(monkeypatch):
    mug = mug_with(9)
    monkeypatch.setattr(pages, "kept", {})
    assert lint()[1] == 0
    Product.objects.filter(pk=mug.pk).update(stock=0)
    told, code = lint()

    assert code == 1
    assert "page: in_stock | we say: out_of_stock" in told
    assert "jsonld: InStock | we say: OutOfStock" in told
    assert "feed:" not in told and "api:" not in told


def test_a_cached_page_with_an_old_date_is_found(monkeypatch):
    mug = mug_with(policy="backorder", arrives=(4, 8))
    monkeypatch.setattr(pages, "kept", {})
    lint()
    StockItem.objects.filter(id=anchor_of(mug).id).update(next_earliest=in_days(11), next_latest=in_days(12))
    told, _ = lint()
    assert f"page: backorder, {in_days(8)} | we say: backorder, {in_days(12)}" in told
    assert f"jsonld: BackOrder, {in_days(8)} | we say: BackOrder, {in_days(12)}" in told


HARD_CODED = {
    "an offer without a name": '<script type="application/ld+json">{"@type": "Product", "offers": {"@type": "Offer", '
    '"availability": "https://schema.org/InStock"}}</script>',
    "a graph": '<script type="application/ld+json">{"@graph": [{"@type": "Product", "url": "/p/{{ p.pk }}/", '
    '"offers": [{"availability": "http://schema.org/InStock"}]}]}</script>',
    "a compact name": '<script type="application/ld+json">[{"@type": "Offer", "availability": "InStock"}]</script>',
    "microdata": '<link itemprop="availability" href="https://schema.org/InStock">',
    "microdata in a meta": '<meta itemprop="availability" content="InStock">',
}


@pytest.mark.parametrize("written", HARD_CODED.values(), ids=HARD_CODED)
@pytest.mark.parametrize("beside", ["", "{% backorder_jsonld p %}"], ids=["alone", "beside ours"])
def test_a_template_that_hard_codes_in_stock_is_found(on_pages, written, beside):
    mug_with()
    on_pages(f"{beside}{written}{{% backorder_status p %}}")
    told, code = lint()
    assert code == 1 and "jsonld: InStock" in told and "we say: OutOfStock" in told
    assert "1 disagreements." in told


def test_an_offer_for_another_product_on_the_page_is_not_held_against_it(on_pages):
    mug_with(), mug_with(9)
    other = '<script type="application/ld+json">{"url": "/elsewhere/", "offers": {"availability": "InStock"}}</script>'
    on_pages(HONEST + other)
    assert lint()[1] == 0


def test_data_that_are_no_json_are_found(on_pages):
    mug_with(9)
    on_pages('{% backorder_status p %}<script type="application/ld+json">{"name": "a "b""}</script>')
    assert "jsonld: has a JSON-LD block that is no JSON" in lint()[0]


def test_a_date_beside_the_shelf_is_found(on_pages):
    mug_with(9)
    on_pages(
        '{% backorder_jsonld p %}<div class="bo-status" data-state="in_stock"><time datetime="2020-01-01"></time></div>'
    )
    assert "page: in_stock, 2020-01-01 | we say: in_stock" in lint()[0]


def test_a_page_that_fails_is_found(on_pages):
    mug_with(9)
    on_pages("{{ p.name|add:1|yesno }}{% include 'missing.html' %}")
    assert "page: answered 500 | we say: in_stock" in lint()[0]


def test_a_page_that_is_not_there_is_found(settings):
    with override_settings(ROOT_URLCONF="demo_shop.urls"):
        mug_with(9)
        assert "page: answered 404 | we say: in_stock" in lint(places=["page", "api"])[0]


# the feed


def feed_file(tmp_path, *items):
    rows = "".join(
        f"<item><g:id>{key}</g:id><g:availability>{word}</g:availability>{more}</item>" for key, word, more in items
    )
    path = tmp_path / "feed.xml"
    path.write_text(f'<rss xmlns:g="http://base.google.com/ns/1.0"><channel>{rows}</channel></rss>')
    return str(path)


def test_a_feed_of_yesterday_is_found(tmp_path):
    gone, dated, missing, made_no_more = (
        mug_with(),
        mug_with(policy="backorder", arrives=(4, 8)),
        mug_with(9),
        mug_with(is_discontinued=True),
    )
    path = feed_file(
        tmp_path,
        (reference_of(gone), "in_stock", ""),
        (reference_of(dated), "backorder", "<g:availability_date>2020-01-01T00:00Z</g:availability_date>"),
        (reference_of(made_no_more), "out_of_stock", ""),
        ("SKU-OF-LAST-YEAR", "in_stock", ""),
    )
    told, code = lint(feed=path)

    assert code == 1
    assert f"{reference_of(gone)}  feed: in_stock | we say: out_of_stock" in told
    assert f"{reference_of(dated)}  feed: backorder, 2020-01-01 | we say: backorder, {in_days(8)}" in told
    assert f"{reference_of(missing)}  feed: nothing | we say: in_stock" in told
    assert f"{reference_of(made_no_more)}  feed: out_of_stock | we say: nothing, because it is no longer made" in told
    assert "SKU-OF-LAST-YEAR  feed: in_stock | we say: nothing: no visible product has this id" in told
    assert "4 products compared, 5 disagreements." in told


def test_the_file_that_the_feed_command_writes_agrees(every_state, tmp_path):
    call_command("backorders_feed", output=tmp_path / "feed.xml", stderr=io.StringIO())
    assert lint(feed=str(tmp_path / "feed.xml"))[1] == 0


def test_a_shop_that_includes_no_feed_is_compared_without_it():
    mug_with(9)
    with override_settings(ROOT_URLCONF=_without("feeds/")):
        told, code = lint()
    assert code == 0 and "feed: not looked at" in told


def test_a_shop_that_includes_no_api_is_compared_without_it():
    mug_with(9)
    with override_settings(ROOT_URLCONF=_without("backorders/")):
        told, code = lint()
    assert code == 0 and "api: 1 not looked at, backorders.urls is not included" in told


def _without(prefix):
    from tests.hosts import pages as module

    return tuple(each for each in module.urlpatterns if str(each.pattern) != prefix)


BACK_ORDER = (
    '<script type="application/ld+json">{"@type": "Offer", "availability": "https://schema.org/BackOrder"}</script>'
    "{% backorder_status p %}"
)


def test_data_and_feed_that_are_both_true_and_contradict_each_other_are_found(on_pages):
    mug = mug_with(policy="backorder")
    on_pages(BACK_ORDER)
    told, code = lint()
    assert code == 1
    assert f"{reference_of(mug)}  jsonld: BackOrder | feed: out_of_stock  https://shop.example/p/{mug.pk}/" in told
    assert "1 products compared, 1 disagreements." in told


def test_where_there_is_no_feed_a_backorder_without_a_day_may_be_called_one(on_pages):
    mug_with(policy="backorder")
    on_pages(BACK_ORDER)
    assert lint(places=["page", "jsonld"])[1] == 0


# what cached pages are told


def kept_since_then(path):
    """A shop in which a cache never forgets what one address answers."""
    kept = {}

    def answer(request):
        key = request.get_full_path()
        if key not in kept:
            match = resolve(request.path, "tests.hosts.pages")
            fresh = match.func(request, *match.args, **match.kwargs)
            kept[key] = (getattr(fresh, "rendered_content", None) or fresh.content, fresh["Content-Type"])
        return HttpResponse(*kept[key])

    return override_settings(ROOT_URLCONF=(url_path(path, answer), *_without("")))


def test_an_old_answer_to_cached_pages_is_found():
    mug = mug_with(9)
    with kept_since_then("backorders/now/"):
        assert lint()[1] == 0
        Product.objects.filter(pk=mug.pk).update(stock=0)
        told, code = lint()
    assert code == 1
    assert f"{reference_of(mug)}  now: in_stock | we say: out_of_stock" in told
    assert "1 products compared, 1 disagreements." in told


def test_a_template_of_the_shops_own_is_understood_in_that_answer_too():
    html = '<template data-of="status|||hosts.product:7"><p class="bo-status" data-state="in_stock"></p></template>'
    page = Page("https://shop.example/", html + '<p class="bo-status" data-state="backorder"></p>')
    assert page.says_of("hosts.product:7") == [Said("in_stock")]


# what came back


@pytest.fixture
def back():
    """Ten mugs that came back, and are told of."""
    mug = mug_with(10)
    open_restock(item=anchor_of(mug), units=10, now=timezone.now())
    return mug


@pytest.mark.parametrize("feed", ["arrivals.atom", "arrivals.json"])
def test_a_feed_of_arrivals_that_sends_people_to_an_empty_shelf_is_found(back, feed):
    with kept_since_then(f"feeds/{feed}"):
        assert lint()[1] == 0
        Product.objects.filter(pk=back.pk).update(stock=0)
        told, code = lint()
        elsewhere = lint(reference_of(mug_with(9)))
    assert code == 1
    line = f"{reference_of(back)}  arrivals: it is back | we say: nothing: it cannot be bought now"
    assert f"{line}  https://shop.example/feeds/{feed}" in told
    assert elsewhere[1] == 0  # who asks for one product hears of that one


def test_a_feed_of_arrivals_that_misses_one_is_found():
    with kept_since_then("feeds/arrivals.json"):
        assert lint()[1] == 0
        mug = mug_with(10)
        open_restock(item=anchor_of(mug), units=10, now=timezone.now())
        told, code = lint()
    assert code == 1 and f"{reference_of(mug)}  arrivals: nothing | we say: it is back, in_stock" in told


def test_feeds_of_arrivals_that_are_none_end_with_what_to_do():
    broken = url_path("feeds/arrivals.atom", lambda request: HttpResponse("<"))
    no_feed = pytest.raises(CommandError, match=r"is no XML.*Leave it out with --places page jsonld feed api now\.")
    with override_settings(ROOT_URLCONF=(broken, *_without(""))), no_feed:
        lint()


# the API


def test_an_api_that_says_otherwise_is_found(monkeypatch):
    mug, reads = mug_with(9), comparing.answers_in
    old = {reference_of(mug): Said("out_of_stock", ("2020-01-01",))}
    monkeypatch.setattr(comparing, "answers_in", lambda body: reads(body) | old)
    assert "api: out_of_stock, 2020-01-01 | we say: in_stock" in lint()[0]


# which, and how many


def test_only_what_is_named_is_looked_at(on_pages):
    mug, cup = mug_with(9), mug_with(9)
    on_pages("")
    told, _ = lint(reference_of(mug), places=["page"])
    assert reference_of(mug) in told and reference_of(cup) not in told
    assert "1 products compared, 1 disagreements." in told


def test_only_the_places_that_are_named_are_looked_at(on_pages):
    mug_with(9)
    on_pages("{% backorder_status p %}")
    assert lint(places=["page", "feed", "api"])[1] == 0
    assert lint(places=["jsonld"])[1] == 1


def test_more_products_than_are_asked_for_at_a_time_are_all_looked_at(monkeypatch):
    for _ in range(5):
        mug_with(9)
    monkeypatch.setattr("backorders.management.commands.backorders_lint.AT_A_TIME", 2)
    assert "5 products compared, 0 disagreements." in lint()[0]


def test_a_unit_sold_between_two_looks_is_no_disagreement(monkeypatch):
    mug = mug_with(1)
    shows = pages.show

    def sold_meanwhile(request, pk):
        Product.objects.filter(pk=mug.pk).update(stock=0)
        return shows(request, pk)

    monkeypatch.setattr(pages, "show", sold_meanwhile)
    assert lint(places=["page", "jsonld", "api"])[1] == 0


def test_pages_of_another_site_and_products_without_one_are_said_to_be_left_out(settings):
    ApiOnly.objects.create(name="Elsewhere", slug="elsewhere", stock=3)
    poster = {"hosts.Poster": {"title": "name", "url": "name"}}
    settings.BACKORDERS = {**settings.BACKORDERS, "SELLABLES": {**settings.BACKORDERS["SELLABLES"], **poster}}
    Poster.objects.create(name="")
    told, code = lint()
    assert code == 0, told
    assert "page: 1 not looked at, front.example is another site; look at it with --url" in told
    assert "page: 1 not looked at, the shop names no page" in told


# over the network


@pytest.mark.django_db(transaction=True)
def test_a_server_is_asked_as_strangers_ask_it(live_server, monkeypatch):
    mug = mug_with(9)
    assert lint(url=live_server.url)[1] == 0
    monkeypatch.setattr(pages, "kept", {})
    lint(url=live_server.url)
    Product.objects.filter(pk=mug.pk).update(stock=0)
    told, code = lint(url=live_server.url)
    assert code == 1 and "page: in_stock | we say: out_of_stock" in told


def test_a_server_that_wants_to_be_asked_later_is_asked_later(settings, monkeypatch):
    cache.clear()
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "DEFAULT_THROTTLE_RATES": {"backorders_read": "2/sec"}}
    monkeypatch.setattr("backorders.management.commands.backorders_lint.AT_A_TIME", 1)
    for _ in range(4):
        mug_with(9)
    told, code = lint(places=["api"])
    cache.clear()
    assert code == 0 and "4 products compared" in told


# clear errors


@pytest.mark.parametrize(
    ("products", "options", "said"),
    [
        (["hosts.product:999999"], {}, "Not sold here: hosts.product:999999. Name visible products as app.model:key"),
        (["mug"], {}, "Not sold here: mug."),
        ([], {"url": "shop.example"}, "--url shop.example is no web address."),
        ([], {"feed": "no/such/file.xml"}, "The feed no/such/file.xml cannot be read: No such file"),
        ([], {"url": "http://127.0.0.1:1"}, "did not answer"),
        ([], {"feed": "https://shop.example/p/0/"}, "The feed at https://shop.example/p/0/ answered "),
    ],
)
def test_what_cannot_be_looked_at_ends_with_a_sentence_and_two(products, options, said):
    with pytest.raises(CommandError, match=".*") as problem:
        lint(*products, **options)
    assert said in str(problem.value) and problem.value.returncode == 2


def test_an_api_that_refuses_ends_with_what_to_do(monkeypatch):
    mug_with(9)

    def refuse(body):
        raise Unreadable("answered 429")

    monkeypatch.setattr(comparing, "answers_in", refuse)
    with pytest.raises(
        CommandError, match=r"answered 429\. Leave it out with --places page jsonld feed now arrivals\."
    ):
        lint()


def test_without_a_site_nothing_can_be_found(settings):
    settings.BACKORDERS = {**settings.BACKORDERS, "SITE_URL": ""}
    with pytest.raises(CommandError, match="SITE_URL"):
        lint()


# reading what others wrote


@pytest.mark.parametrize(
    "html",
    [
        '<div class="bo-status" data-state="in_stock"><div>x</div></div><time datetime="2026-01-01">',
        "<p data-product='r' data-state=in_stock>unclosed",
        '<DIV CLASS="a bo-status b" DATA-STATE="in_stock"/>',
    ],
)
def test_a_status_is_read_from_sloppy_html(html):
    assert Page("https://shop.example/", html).says_of("r") == [Said("in_stock")]


def test_a_status_for_another_product_is_not_read():
    html = '<div data-product="other" data-state="in_stock"></div>'
    assert Page("https://shop.example/", html).says_of("r") == []


@pytest.mark.parametrize("text", ["", "<html>", "\x00", "[" * 100_000])
def test_nonsense_is_unreadable_and_never_a_crash(text):
    block = f'<script type="application/ld+json">{text or "{"}</script>'
    with pytest.raises(Unreadable):
        Page("https://shop.example/", block).data_of(link="", sku="")
    with pytest.raises(Unreadable):
        answers_in(text.encode())
    with pytest.raises(Unreadable):
        Feed().read([text.encode()])


@pytest.mark.parametrize(
    "block", ['{"availability": []}', '{"availability": {}}', "null", '{"@type": 1, "availability": [null, 3]}']
)
def test_odd_but_valid_data_are_read_as_far_as_they_say_something(block):
    html = f'<script type="application/ld+json">{block}</script>'
    said = Page("https://shop.example/", html).data_of(link="https://shop.example/", sku="")
    assert said == ([Said("3")] if "3" in block else [])
