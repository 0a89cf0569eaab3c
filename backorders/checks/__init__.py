"""Wrong settings become sentences in ``manage.py check``."""

from backorders.checks import frame, mail, settings, workers

__all__ = ["frame", "mail", "settings", "workers"]
