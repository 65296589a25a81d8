"""What people add to an order on its page: notes, files, tags."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.urls import URLPattern, path

from config import forms
from config.console import action, found
from orders import notes
from orders.admin.links import order_page
from orders.models import Attachment, Order


class NoteForm(forms.Form):
    """What others should know of the order."""

    text = forms.LongText(label="Note", max_length=4000)


class FileForm(forms.UploadForm):
    """A photo of damage, a mail, a proof."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["file"].help_text = notes.TAKEN[0].upper() + notes.TAKEN[1:]


class TagForm(forms.Form):
    """Which tag."""

    tag = forms.Text(max_length=notes.TAG_LENGTH)

    def clean_tag(self) -> str:
        return notes.clean_tag(self.cleaned_data["tag"])


class ExactTagForm(forms.Form):
    """Which tag, as the channel may have written it."""

    tag = forms.Text(max_length=notes.TAG_LENGTH)


class RemarkActions:
    """Mixin of the page of an order."""

    admin_site: Any

    def get_urls(self) -> list[URLPattern]:
        """Files are handed out by a page of their own, never by the web server."""
        view = self.admin_site.admin_view(self.attachment_view)
        return [
            path("attachments/<int:pk>/", view, name="orders_order_attachment"),
            *super().get_urls(),  # type: ignore[misc]
        ]

    def attachment_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """One file, to be kept and not shown: whatever it holds does not run in the console."""
        if not request.user.has_perm("orders.view_attachment"):  # type: ignore[union-attr]
            raise PermissionDenied
        kept = found(Attachment, pk)
        try:
            stream = kept.file.open("rb")
        except FileNotFoundError as error:
            raise Http404("the file is gone") from error
        answer = FileResponse(
            stream, as_attachment=True, filename=kept.name, content_type=kept.content_type
        )
        answer["X-Content-Type-Options"] = "nosniff"
        answer["Content-Security-Policy"] = "sandbox"
        return answer

    def has_write_note_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("orders.add_ordernote")  # type: ignore[union-attr]

    def has_attach_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("orders.add_attachment")  # type: ignore[union-attr]

    @action(description="Write a note", permissions=["write_note"], url_path="note")
    def write_note(self, request: HttpRequest, object_id: int) -> HttpResponse:
        order = found(Order, object_id)

        def effect(data: dict) -> str:
            notes.write(order_id=order.pk, text=data["text"], author=request.user.get_username())
            return "The note is on the order."

        return self._ask_remark(
            request, order, f"Note on {order}", NoteForm, effect, submit="Write the note"
        )

    @action(description="Attach a file", permissions=["attach"], url_path="attach")
    def attach_file(self, request: HttpRequest, object_id: int) -> HttpResponse:
        order = found(Order, object_id)

        def effect(data: dict) -> str:
            kept = notes.attach(
                order_id=order.pk, file=data["file"], author=request.user.get_username()
            )
            return f"{kept.name} is kept with the order."

        return self._ask_remark(request, order, f"Attach a file to {order}", FileForm, effect,
                         submit="Attach the file")  # fmt: skip

    @action(description="Add a tag", permissions=["handle"], url_path="tag")
    def add_tag(self, request: HttpRequest, object_id: int) -> HttpResponse:
        order = found(Order, object_id)

        def effect(data: dict) -> str:
            new = notes.change_tags(
                order_id=order.pk, add=[data["tag"]], actor=request.user.get_username()
            )
            return f"{order} is tagged {data['tag']}{'' if new else ' already'}."

        return self._ask_remark(
            request, order, f"Tag {order}", TagForm, effect, submit="Add the tag"
        )

    @action(description="Remove a tag", permissions=["handle"], url_path="untag")
    def remove_tag(self, request: HttpRequest, object_id: int) -> HttpResponse:
        order = found(Order, object_id)

        def effect(data: dict) -> str:
            notes.change_tags(
                order_id=order.pk, remove=[data["tag"]], actor=request.user.get_username()
            )
            return f"{order} is no longer tagged {data['tag']}."

        return self._ask_remark(request, order, f"Remove a tag of {order}", ExactTagForm, effect,
                         submit="Remove the tag")  # fmt: skip

    def _ask_remark(
        self, request: HttpRequest, order: Order, title: str, form: Any, effect: Any, *, submit: str
    ) -> HttpResponse:
        return forms.ask(
            request, site=self.admin_site, title=title, form=form, effect=effect, submit=submit,
            back=order_page(order), errors=(notes.NotTaken, notes.TooManyTags),
        )  # fmt: skip
