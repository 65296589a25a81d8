"""Products in and out of files."""

import pytest
from tablib import Dataset

from inventory.models import Product
from inventory.resources import ProductResource

HEADER = ["sku", "gtin", "name", "price", "weight_g", "length_mm", "width_mm", "height_mm",
          "active"]  # fmt: skip
REST = ["9.90", "100", "1", "1", "1", "1"]


def load(*rows):
    data = Dataset(*([*row, *REST] for row in rows), headers=HEADER)
    return ProductResource().import_data(data)


@pytest.mark.django_db
def test_codes_keep_their_zeros_and_products_without_a_gtin_do_not_clash():
    result = load(["0017", "", "Button"], ["SAGE+BLUE", None, "Scarf"], ["A", "4006381333931", "B"])
    assert not result.has_errors(), result.row_errors()
    assert list(Product.objects.order_by("sku").values_list("sku", "gtin")) == [
        ("0017", None), ("A", "4006381333931"), ("SAGE+BLUE", None),
    ]  # fmt: skip


@pytest.mark.django_db
@pytest.mark.parametrize("sku", [17, 17.0, "8.00123E+12", "1,00E+05", True, "TEE\u202e"])
def test_a_code_that_became_a_number_is_refused_with_a_hint(sku):
    result = load([sku, "", "Button"])
    problems = [str(error.error) for _, row in result.row_errors() for error in row]
    problems += [str(row.error) for row in result.invalid_rows]
    assert any("is a number" in words or "characters" in words for words in problems), problems
    assert not Product.objects.exists()


@pytest.mark.django_db
def test_what_was_exported_comes_back_unchanged():
    load(["0017", "", "Button"], ["A", "4006381333931", "B"])
    exported = ProductResource().export()
    again = ProductResource().import_data(Dataset().load(exported.csv, format="csv"))
    assert not again.has_errors(), again.row_errors()
    assert again.totals["skip"] == 2
