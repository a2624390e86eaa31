"""Small grey pictures in the terminal."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from rich.style import Style
from rich.text import Text

__all__ = ["draw"]

_SHADES: Final = " .:+#@"
_INK: Final = 16


def draw(pixels: NDArray[np.generic] | None, *, colour: bool) -> Text:
    """A picture of shape (8, 8) with values 0 to 16, as 8 lines of 16 characters.

    Args:
        pixels: The picture, of any shape with 64 values; None gives a blank one.
        colour: Whether the terminal has grey; if not, characters of growing weight are used.
    """
    picture = np.zeros((8, 8)) if pixels is None else pixels.astype(np.float64).reshape(8, 8)
    text = Text()
    for number, row in enumerate(picture):
        if number:
            text.append("\n")
        for value in row:
            share = float(np.clip(value / _INK, 0, 1))
            if colour:
                grey = 24 + round(share * 231)
                text.append("  ", Style(bgcolor=f"rgb({grey},{grey},{grey})"))
            else:
                text.append(_SHADES[round(share * (len(_SHADES) - 1))] * 2)
    return text
