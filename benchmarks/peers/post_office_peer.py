"""Run by the peers' own Python: how many queued mails a second django-post_office sends. Prints the rate as the last word."""

import json
import logging
import sys
import time

import django
from django.conf import settings

task = json.load(sys.stdin)
settings.configure(
    SECRET_KEY="only for a benchmark",
    DATABASES={"default": task["database"]},
    INSTALLED_APPS=["django.contrib.contenttypes", "post_office"],
    USE_TZ=True,
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    EMAIL_BACKEND="post_office.EmailBackend",
    EMAIL_HOST="127.0.0.1",
    EMAIL_PORT=task["port"],
    POST_OFFICE={
        "BACKENDS": {"default": "django.core.mail.backends.smtp.EmailBackend"},
        "BATCH_SIZE": 500,
        "LOG_LEVEL": 0,
    },
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
)
django.setup()

from django.db import connection

logging.disable(logging.CRITICAL)
name = connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
try:
    from post_office import mail
    from post_office.models import STATUS, Email

    words = task["words"]
    leave = words.pop("unsubscribe")
    mail.send_many(
        [
            {
                "recipients": [f"reader{n}@example.com"],
                "sender": "shop@shop.example",
                "priority": "medium",
                "headers": {"List-Unsubscribe": leave, "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"},
                **words,
            }
            for n in range(task["mails"])
        ]
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    began = time.perf_counter()
    while Email.objects.filter(status=STATUS.queued).exists():
        mail.send_queued(processes=1, log_level=0)
    seconds = time.perf_counter() - began
    assert Email.objects.filter(status=STATUS.sent).count() == task["mails"]
finally:
    connection.creation.destroy_test_db(name, verbosity=0)
print(task["mails"] / seconds)
