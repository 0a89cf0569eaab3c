from django.apps import AppConfig


class LateConfig(AppConfig):
    name = "tests.hosts.late"
    label = "late"
    default_auto_field = "django.db.models.BigAutoField"
