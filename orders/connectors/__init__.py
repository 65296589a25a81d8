"""Order formats that exist in the world, read into the canonical order payload of the REST API.

Pure parsing: a connector knows a format, not the database. It maps what a source says and names
what it cannot map; the rules of the trade are checked afterwards, by the same serializer and the
same `orders.capture.place` that every other order passes.
"""
