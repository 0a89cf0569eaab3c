"""What a process of the fault suite sees: the test database of the run, its mail server, and short waits.

Forked processes are told by ``World``; programs that start afresh (Celery) by the environment.
"""

import json
import os
from datetime import timedelta

from tests.mailserver import mail_settings
from tests.settings import *
from tests.settings import BACKORDERS as ORDINARY
from tests.settings import DATABASES

DATABASES["default"].pop("TEST", None)
DATABASES["default"]["NAME"] = os.environ.get("FAULTS_DATABASE", "no database was named")


def mail_by(port):
    return mail_settings("django.core.mail.backends.smtp.EmailBackend", host="127.0.0.1", port=port)


def provider_by(port):
    told = {"RESEND_API_KEY": "re_key", "RESEND_API_URL": f"http://127.0.0.1:{port}/", "REQUESTS_TIMEOUT": 1}
    return {"ANYMAIL": told, **mail_settings("anymail.backends.resend.EmailBackend")}


def in_short(**others):
    """The package's settings; ``others`` in seconds, where they are times."""
    waits = {"SWEEP_EVERY": 2, "POLL_EVERY": 2, "WORKER_PAUSE": 0.2, "LEASE": 9, "MAIL_TIMEOUT": 3}
    given = {name: others.pop(name, seconds) for name, seconds in waits.items()}
    return {**ORDINARY, **{name: timedelta(seconds=seconds) for name, seconds in given.items()}, **others}


BACKORDERS = in_short(**json.loads(os.environ.get("FAULTS_OPTIONS", "{}")))
for name in [name for name in globals() if name.startswith("EMAIL_") or name == "MAILERS"]:
    del globals()[name]
globals().update(mail_by(int(os.environ.get("FAULTS_MAIL_PORT", "1"))))
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
