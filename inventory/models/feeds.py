"""Who tells us about stock, and what each of them told us when."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone

from config.models import Job


class StockSource(models.Model):
    """A system that sends stock: a WMS, the ERP, a supplier, the tills, or people with files."""

    class System(models.TextChoices):
        WMS = "wms", "WMS"
        ERP = "erp", "ERP"
        SUPPLIER = "supplier", "supplier"
        TILL = "till", "tills"
        FILE = "file", "files of people"

    code = models.SlugField(max_length=32, unique=True)
    name = models.CharField(max_length=100)
    system = models.CharField(max_length=10, choices=System)
    every_minutes = models.PositiveIntegerField(
        null=True, blank=True, help_text="how often it should send; empty: whenever it likes"
    )
    active = models.BooleanField(default=True)

    class Meta:
        ordering: ClassVar = ["code"]

    def __str__(self) -> str:
        return self.name


class StockFeed(models.Model):
    """One delivery of a source: a file or a call, taken once per (source, reference)."""

    class Mode(models.TextChoices):
        ABSOLUTE = "absolute", "levels"
        DELTA = "delta", "changes"

    source = models.ForeignKey(StockSource, on_delete=models.PROTECT, related_name="feeds")
    reference = models.CharField(max_length=100, help_text="the sender's own, or the file's digest")
    mode = models.CharField(max_length=8, choices=Mode)
    as_of = models.DateTimeField(null=True, help_text="when the sender says this was true")
    job = models.ForeignKey(Job, null=True, blank=True, on_delete=models.SET_NULL)
    rows = models.PositiveIntegerField(default=0)
    changed = models.PositiveIntegerField(default=0)
    same = models.PositiveIntegerField(default=0)
    refused = models.PositiveIntegerField(default=0)
    received_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)
    actor = models.CharField(max_length=100, blank=True)

    class Meta:
        verbose_name = "stock feed"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["source", "reference"], name="feed_once")
        ]
        indexes: ClassVar = [
            models.Index(fields=["source", "-received_at"], name="feed_newest"),
            models.Index(fields=["-received_at"], condition=Q(refused__gt=0), name="feed_refused"),
        ]

    def __str__(self) -> str:
        return f"{self.source_id} {self.reference}"
