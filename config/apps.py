"""Start-up of the floor: the roof's flow table is loaded into the outbox."""

from django.apps import AppConfig
from django.utils.module_loading import import_string


class ConfigApp(AppConfig):
    """Tables every floor of the house needs: outbox, jobs, idempotency."""

    name = "config"
    verbose_name = "System"

    def ready(self) -> None:
        from config import outbox  # noqa: PLC0415  (models must be loaded first)

        outbox.load(
            topics=import_string("config.flows.TOPICS"), rings=import_string("config.flows.RINGS")
        )
