"""Master data in and out of files (django-import-export)."""

from typing import ClassVar

from import_export import fields, resources
from import_export.widgets import CharWidget

from config.tables import became_a_number
from inventory.models import Product


class CodeWidget(CharWidget):
    """A code is text: what a spreadsheet turned into a number is refused with a hint."""

    def __init__(self, *, required: bool = True) -> None:
        super().__init__()
        self.required = required

    def clean(self, value: object, row: object = None, **options: object) -> str | None:
        text = "" if value is None else str(value).strip()
        if not text and not self.required:
            return None
        if not isinstance(value, str | None) or became_a_number(text):
            raise ValueError(f"{text!r} is a number, not text; format the column as text")
        if not text.isprintable():
            raise ValueError(f"{text!r} holds characters that no code has")
        return text


class ProductResource(resources.ModelResource):
    """Products by SKU; unchanged rows are skipped, and rows go in by bulk."""

    sku = fields.Field("sku", "sku", widget=CodeWidget())
    gtin = fields.Field("gtin", "gtin", widget=CodeWidget(required=False))

    class Meta:
        model = Product
        import_id_fields: ClassVar = ("sku",)
        fields: ClassVar = (
            "sku", "gtin", "style", "name", "color", "size", "category", "weight_g", "length_mm",
            "width_mm", "height_mm", "price", "season_end", "active",
        )  # fmt: skip
        skip_unchanged = True
        use_bulk = True
        clean_model_instances = True
