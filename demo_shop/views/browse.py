"""Looking around: home, categories, search, one product."""

from django.core.paginator import Paginator
from django.db.models import Min, Prefetch, Q, Sum
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import condition

from backorders.storefront.holds import keep_hold, without_hold
from demo_shop.catalogue import DEPARTMENTS
from demo_shop.models import Category, Product, Variant
from demo_shop.pictures import picture

PAGE = 24
SORTS = {
    "": (_("Recommended"), ["-is_featured", "pk"]),
    "price": (_("Price, low to high"), ["lowest_price", "pk"]),
    "-price": (_("Price, high to low"), ["-lowest_price", "pk"]),
    "title": (_("Name"), ["title", "pk"]),
    "new": (_("Newest"), ["-pk"]),
}


def on_sale():
    """Published products with all that a card shows: three queries for any number of cards."""
    variants = Prefetch("variants", Variant.objects.order_by("pk"))
    return Product.objects.filter(is_published=True).prefetch_related(variants)


def cards(products):
    """Each product, spoken for by the variant of which most is on the shelf."""
    found = []
    for product in products:
        variants = product.variants.all()
        if variants:
            shown = max(variants, key=lambda variant: variant.stock)
            prices = {variant.price for variant in variants}
            found.append({"product": product, "variant": shown, "price": min(prices), "from_price": len(prices) > 1})
    return found


def home(request):
    shown = cards(on_sale().filter(is_featured=True).order_by("pk")[:19])
    context = {
        "scene": shown[:3],
        "cards": shown[3:],
        "variants": [card["variant"] for card in shown],
        "categories": Category.objects.all()[:9],
    }
    return render(request, "demo_shop/home.html", context)


def departments(request):
    found = sorted(Category.objects.all(), key=lambda category: gettext(category.name).casefold())
    return render(request, "demo_shop/departments.html", {"categories": found})


def category(request, slug):
    here = get_object_or_404(Category, slug=slug)
    return listing(
        request,
        on_sale().filter(category=here),
        {"title": gettext(here.name), "blurb": here.blurb and gettext(here.blurb), "here": here},
    )


def search(request):
    words = request.GET.get("q", "").split()
    found = on_sale()
    for word in words[:6]:
        found = found.filter(Q(title__icontains=word) | Q(brand__icontains=word) | Q(title__in=called(word)))
    return listing(request, found if words else found.none(), {"title": _("Search"), "q": " ".join(words)})


def called(word):
    """Goods of the small catalogue, by their own names, that are called so in the reader's language."""
    titles = [item.title for department in DEPARTMENTS for item in department.items]
    return [title for title in titles if word.casefold() in gettext(title).casefold()]


def listing(request, products, context):
    sort = request.GET.get("sort", "")
    if sort not in SORTS:
        sort = ""
    in_stock_only = request.GET.get("in_stock") == "1"
    if in_stock_only:
        products = products.annotate(on_shelf=Sum("variants__stock")).filter(on_shelf__gt=0)
    if "price" in sort:
        products = products.annotate(lowest_price=Min("variants__price"))
    page = Paginator(products.order_by(*SORTS[sort][1]), PAGE).get_page(request.GET.get("page"))
    shown = cards(page.object_list)
    context |= {
        "page": page,
        "cards": shown,
        "variants": [card["variant"] for card in shown],
        "sort": sort,
        "sorts": [(key, label) for key, (label, _order) in SORTS.items()],
        "in_stock_only": in_stock_only,
    }
    return render(request, "demo_shop/listing.html", context)


def product(request, slug):
    if keep_hold(request):  # the link of a mail that put something aside
        return redirect(without_hold(request.get_full_path()))
    shown = get_object_or_404(on_sale().select_related("category"), slug=slug)
    variants = list(shown.variants.all())
    if not variants:
        raise Http404
    first = next((variant for variant in variants if variant.stock), variants[0])
    variant = next((variant for variant in variants if variant.sku == request.GET.get("variant")), first)
    context = {
        "product": shown,
        "variants": variants,
        "variant": variant,
        "has_colours": len({each.colour for each in variants}) > 1,
    }
    return render(request, "demo_shop/product.html", context)


@condition(etag_func=lambda request, kind, colour: f'"{kind}-{colour}-1"')
def picture_file(request, kind, colour):
    try:
        drawing = picture(kind, colour)
    except FileNotFoundError:
        raise Http404 from None
    return HttpResponse(drawing, "image/svg+xml", headers={"Cache-Control": "public, max-age=86400"})
