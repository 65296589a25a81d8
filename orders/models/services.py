"""How parcels travel: services of carriers, how far and how fast."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models


class DeliveryService(models.Model):
    """A service of a carrier; what it costs and emits is in the app routing."""

    code = models.SlugField(max_length=40, unique=True)
    name = models.CharField(max_length=60)
    carrier = models.CharField(max_length=40, blank=True)
    serves = ArrayField(
        models.CharField(max_length=12), default=list,
        help_text="speeds that an order may ask for and this service keeps: standard, express",
    )  # fmt: skip
    transit = models.JSONField(
        default=list,
        help_text="[[up to km, working days], ...]; null as the last distance: any farther",
    )
    dangerous_goods = models.BooleanField("takes dangerous goods", default=True)
    position = models.PositiveSmallIntegerField(default=100)
    active = models.BooleanField(default=True)

    class Meta:
        ordering: ClassVar = ["position", "code"]
        verbose_name = "delivery service"

    def __str__(self) -> str:
        return self.name
