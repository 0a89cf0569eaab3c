from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class BackordersConfig(AppConfig):
    name = "backorders"
    verbose_name = _("Backorders")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from backorders import checks, mail_receivers, receivers  # noqa: F401 - all register themselves
