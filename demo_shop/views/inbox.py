"""Demo only: every mail the shop sent, open to everybody."""

import re
from io import BytesIO

from django.conf import settings
from django.core.paginator import Paginator
from django.http import FileResponse, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.clickjacking import xframe_options_sameorigin

from backorders.domain.schemes import in_scheme
from demo_shop.models import SentFile, SentMail

# The mail brings styles of its own; it may run nothing and load nothing but pictures of this shop.
MAIL_POLICY = f"default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data: {settings.DEMO_BASE_URL}; frame-ancestors 'self'"


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
    files = list(shown.files.all())
    parts = {"html": shown.html, "dark": shown.html, "text": True, "headers": True, "files": files}
    part = request.GET.get("part")
    if not parts.get(part):
        part = "html" if shown.html else "text"
    return render(request, "demo_shop/mail.html", {"mail": shown, "part": part, "files": files})


@xframe_options_sameorigin
def mail_html(request, pk):
    """The HTML part in a frame, light or dark, whatever the visitor's own screen is."""
    html = in_scheme(get_object_or_404(SentMail, pk=pk).html, "dark" if "dark" in request.GET else "light")
    return HttpResponse(links_in_the_whole_window(html), headers={"Content-Security-Policy": MAIL_POLICY})


def links_in_the_whole_window(html):
    """Behind the mail's own first words: whatever stands before a doctype makes browsers forget it."""
    return re.sub(r"<head\b[^>]*>|\Z", r'\g<0><base target="_top">', html, count=1)


def mail_file(request, pk):
    file = get_object_or_404(SentFile, pk=pk)
    name = file.name or f"file-{file.pk}"
    return FileResponse(BytesIO(file.content), as_attachment=True, filename=name, content_type=file.kind)
