import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "demo_shop.settings")

app = Celery("demo_shop")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@app.on_after_configure.connect
def schedule_backorders(sender, **_):
    """Part of edit 1: what beat has to wake, and how often; and how workers lose and repeat nothing."""
    from backorders.schedule import beat_schedule, celery_settings  # reads the settings, which are complete only now

    options = sender.conf.broker_transport_options
    sender.conf.update(celery_settings(str(sender.conf.broker_url or ""), options))
    sender.conf.beat_schedule.update(beat_schedule())
