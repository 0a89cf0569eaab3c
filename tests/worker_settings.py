"""What a real worker process sees: the test database of the run that started it, and its mail server."""

import os
from datetime import timedelta

from tests.mailserver import mail_settings
from tests.settings import *
from tests.settings import BACKORDERS, DATABASES

DATABASES["default"]["NAME"] = os.environ["WORKER_DATABASE"]
DATABASES["default"].pop("TEST", None)
DATABASES["default"].update(CONN_MAX_AGE=60, CONN_HEALTH_CHECKS=True)
BACKORDERS = {
    **BACKORDERS,
    "SWEEP_EVERY": timedelta(seconds=2),
    "POLL_EVERY": timedelta(seconds=2),
    # A busy machine may stop everything for a second, and a mail that timed out rests for up to half a minute.
    "LEASE": timedelta(seconds=9),
    "MAIL_TIMEOUT": timedelta(seconds=3),
}

globals().pop("EMAIL_BACKEND", None)
globals().update(
    mail_settings(
        "django.core.mail.backends.smtp.EmailBackend", host="127.0.0.1", port=int(os.environ["WORKER_MAIL_PORT"])
    )
)
if "MAILERS" in globals():
    for name in [name for name in globals() if name.startswith("EMAIL_")]:
        del globals()[name]
