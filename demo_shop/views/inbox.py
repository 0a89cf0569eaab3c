"""Demo only: every mail the shop sent, open to everybody."""

import re

from django.conf import settings
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.clickjacking import xframe_options_sameorigin

from demo_shop.models import SentMail

# The mail brings styles of its own; it may run nothing and load nothing but pictures of this shop.
MAIL_POLICY = f"default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data: {settings.DEMO_BASE_URL}"


def mails(request):
    found = SentMail.objects.defer("html", "text", "headers")
    to = request.GET.get("to", "").strip()
    if to:
        found = found.filter(to__icontains=to)
    return render(
        request, "demo_shop/inbox.html", {"page": Paginator(found, 50).get_page(request.GET.get("page")), "to": to}
    )


def mail(request, pk):
    shown = get_object_or_404(SentMail, pk=pk)
    part = request.GET.get("part")
    if part not in ("html", "text", "headers"):
        part = "html" if shown.html else "text"
    return render(request, "demo_shop/mail.html", {"mail": shown, "part": part})


@xframe_options_sameorigin
def mail_html(request, pk):
    html = get_object_or_404(SentMail, pk=pk).html
    return HttpResponse(links_in_the_whole_window(html), headers={"Content-Security-Policy": MAIL_POLICY})


def links_in_the_whole_window(html):
    """Behind the mail's own first words: whatever stands before a doctype makes browsers forget it."""
    return re.sub(r"<head\b[^>]*>|\Z", r'\g<0><base target="_top">', html, count=1)
