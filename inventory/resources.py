"""Master data in and out of files (django-import-export)."""

from typing import ClassVar

from import_export import fields, resources
from import_export.widgets import CharWidget

from inventory.models import Product


class CodeWidget(CharWidget):
    """A code is text: what a spreadsheet turned into a number is refused with a hint."""

    def clean(self, value: object, row: object = None, **options: object) -> str:
        if isinstance(value, float) or (isinstance(value, str) and "E+" in value.upper()):
            raise ValueError(f"{value!r} looks like a number; format the column as text")
        return str(value or "").strip()


class ProductResource(resources.ModelResource):
    """Products by SKU; unchanged rows are skipped, and rows go in by bulk."""

    sku = fields.Field("sku", "sku", widget=CodeWidget())
    gtin = fields.Field("gtin", "gtin", widget=CodeWidget())

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
