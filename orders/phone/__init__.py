"""Orders that staff enter for a customer on the phone."""
