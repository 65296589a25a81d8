"""Products."""

from django.contrib import admin
from import_export.admin import ImportExportModelAdmin
from unfold.contrib.import_export.forms import ExportForm, ImportForm

from config.console import ModelAdmin
from inventory.models import Product
from inventory.resources import ProductResource


@admin.register(Product)
class ProductAdmin(ModelAdmin, ImportExportModelAdmin):
    """SKUs; big files go through import with a preview."""

    resource_classes = (ProductResource,)
    import_form_class = ImportForm
    export_form_class = ExportForm
    list_display = ("sku", "name", "color", "size", "category", "price", "gtin", "active")
    list_filter = ("category", "active")
    search_fields = ("sku", "gtin", "name", "style")
