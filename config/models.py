"""Tables every floor needs: work that must happen, long watched jobs, stored answers, periods."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone


class OutboxRow(models.Model):
    """Work that must happen. Written in the transaction of its cause; see config/outbox.py."""

    topic = models.CharField(max_length=60)
    subject = models.BigIntegerField(help_text="id of what the work is about, as the topic defines")
    cause = models.CharField(max_length=100, help_text="what asked for it, e.g. event:123")
    payload = models.JSONField(default=dict, help_text="ids and figures; never personal data")
    created_at = models.DateTimeField(default=timezone.now)
    next_at = models.DateTimeField(default=timezone.now)
    attempts = models.PositiveIntegerField(default=0)
    lease_token = models.UUIDField(null=True, blank=True)
    done_at = models.DateTimeField(null=True, blank=True)
    dead_at = models.DateTimeField(null=True, blank=True)
    last_error = models.TextField(blank=True)

    class Meta:
        verbose_name = "work"
        verbose_name_plural = "work (outbox)"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["topic", "subject", "cause"], name="outbox_once"),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["topic", "next_at"],
                condition=Q(done_at=None, dead_at=None),
                name="outbox_due",
            ),
            models.Index(
                fields=["topic", "subject", "id"],
                condition=Q(done_at=None, dead_at=None),
                name="outbox_order",
            ),
            models.Index(fields=["dead_at"], condition=~Q(dead_at=None), name="outbox_dead"),
            models.Index(fields=["done_at"], name="outbox_done"),
        ]

    def __str__(self) -> str:
        return f"{self.topic} {self.subject}"


class Job(models.Model):
    """Long work that a person started and watches: an import, a bulk action."""

    class State(models.TextChoices):
        ASKING = "asking", "waiting for its columns"
        CHECKING = "checking", "being checked"
        PREVIEW = "preview", "waiting for your decision"
        RUNNING = "running", "running"
        DONE = "done", "done"
        FAILED = "failed", "failed"
        DISCARDED = "discarded", "discarded"

    kind = models.CharField(max_length=40)
    title = models.CharField(max_length=200)
    state = models.CharField(max_length=10, choices=State, default=State.CHECKING)
    params = models.JSONField(default=dict)
    file = models.FileField(upload_to="jobs/", null=True, blank=True)
    digest = models.CharField(max_length=64, blank=True, help_text="sha256 of the file")
    total = models.PositiveIntegerField(default=0)
    done = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    message = models.TextField(blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL
    )
    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return self.title


class JobRow(models.Model):
    """What happened, or would happen, to one row of a job's file."""

    class Outcome(models.TextChoices):
        READY = "ready", "ready"
        CREATED = "created", "created"
        CHANGED = "changed", "changed"
        SAME = "same", "already present"
        FAILED = "failed", "refused"

    job = models.ForeignKey(Job, related_name="rows", on_delete=models.CASCADE)
    number = models.PositiveIntegerField(help_text="row number in the file; the header is row 1")
    reference = models.CharField(max_length=100, blank=True)
    outcome = models.CharField(max_length=8, choices=Outcome)
    column = models.CharField(max_length=100, blank=True)
    message = models.TextField(blank=True)
    data = models.JSONField(default=dict)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["job", "number"], name="jobrow_once")
        ]

    def __str__(self) -> str:
        return f"row {self.number}"


class IdempotencyKey(models.Model):
    """The stored answer of one POST, so that a retry gets the same answer and no second effect."""

    owner = models.CharField(max_length=40, help_text="prefix of the API key that sent it")
    key = models.CharField(max_length=255)
    request_hash = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(null=True)
    body = models.JSONField(null=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["owner", "key"], name="idempotency_once")
        ]
        indexes: ClassVar = [models.Index(fields=["created_at"])]

    def __str__(self) -> str:
        return f"{self.owner}/{self.key}"


class JobRun(models.Model):
    """One slot of a periodic job: the unique row makes two schedulers harmless."""

    job = models.CharField(max_length=60)
    slot = models.DateTimeField()
    started_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True)
    result = models.JSONField(default=dict)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["job", "slot"], name="jobrun_once")
        ]

    def __str__(self) -> str:
        return f"{self.job} {self.slot:%Y-%m-%d %H:%M}"


class SavedView(models.Model):
    """A list of the console as somebody narrowed it, kept under a name; a tab with its count."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.CASCADE,
        related_name="saved_views", help_text="empty: everybody's",
    )  # fmt: skip
    model = models.CharField(max_length=60, help_text="of which list, e.g. orders.order")
    name = models.CharField(max_length=60)
    query = models.CharField(max_length=500, help_text="the list's own query string")
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering: ClassVar = ["position", "id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["user", "model", "name"], name="saved_view_once", nulls_distinct=False
            )
        ]

    def __str__(self) -> str:
        return self.name
