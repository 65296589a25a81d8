"""Pictures drawn on our own server: SVG without tiles, scripts or anything from outside.

Colors are classes of the style sheet, so light, dark and paper look right. Every picture has a
title and a description for who cannot see it, and its page has the same in a table.
"""

from .charts import Mark, scatter, trade_off
from .maps import Leg, Place, Role, draw, out_of_sight

__all__ = ["Leg", "Mark", "Place", "Role", "draw", "out_of_sight", "scatter", "trade_off"]
