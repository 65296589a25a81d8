"""Files of orders that people upload: CSV or XLSX, with a column mapping that is kept.

fields.py says what a file may hold, mapping.py which of its columns holds it, reading.py makes
orders of rows, checking.py compares them with what is there and places them, files.py is the job.
orders/imports.py is the same for Shopify's export, which needs no mapping.
"""

from orders.order_files.files import UploadForm, apply, check
from orders.order_files.pages import columns_page

__all__ = ["UploadForm", "apply", "check", "columns_page"]
