"""The tests' settings, on a database file of its own."""

import os
import tempfile

os.environ.setdefault("DEMO_DATA", tempfile.mkdtemp(prefix="backorders-bench-"))

from tests.settings import *
from tests.settings import INSTALLED_APPS

INSTALLED_APPS = [
    app if app != "django.contrib.admin" else "django.contrib.admin.apps.SimpleAdminConfig" for app in INSTALLED_APPS
]
