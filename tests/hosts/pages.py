"""A shop with pages of its own for the plain product, and every door of ours. A test says what stands on them."""

from django.http import Http404, HttpResponse
from django.template import Context, Template
from django.urls import include, path

from tests.hosts.models import Product

HONEST = "<head>{% backorder_jsonld p %}</head><body><h1>{{ p }}</h1>{% backorder_status p %}</body>"


class Pages:
    template = HONEST
    kept: dict[int, str] | None = None
    """A cache that never forgets, where it is a dict."""

    def show(self, request, pk):
        product = Product.objects.filter(pk=pk).first()
        if product is None:
            raise Http404
        html = Template("{% load backorders %}" + self.template).render(Context({"p": product, "request": request}))
        return HttpResponse(html if self.kept is None else self.kept.setdefault(pk, html))


pages = Pages()

urlpatterns = [
    path("p/<int:pk>/", lambda request, pk: pages.show(request, pk)),
    path("feeds/", include("backorders.feed_urls")),
    path("backorders/", include("backorders.urls")),
]
