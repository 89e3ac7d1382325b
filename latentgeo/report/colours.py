"""The colours of a figure drawn for white ground, on a dark one."""

from colorsys import hls_to_rgb, rgb_to_hls

from latentgeo.figures import ON_IMAGES

GROUND = "#14171b"
_LEAST = 4.5  # contrast; WCAG asks for 3 of lines and for 4.5 of small text
_GREY = 0.12  # spread of red, green and blue up to which a colour is a grey


def on_dark(colour: str) -> str:
    """Return a colour as it is seen on dark ground as clearly as it was on white.

    What stands on images keeps its colour, as they do. Greys change places, so that black on white
    is white on black; other colours are made lighter until they stand out.

    Parameters
    ----------
    colour : str
        "#rrggbb".

    Returns
    -------
    str
        The same form.
    """
    if colour in ON_IMAGES:
        return colour
    red, green, blue = _parts(colour)
    hue, light, strong = rgb_to_hls(red, green, blue)
    if max(red, green, blue) - min(red, green, blue) <= _GREY:
        top, foot = _parts("#e4e8ec"), _parts(GROUND)
        return _hex([a + (b - a) * light for a, b in zip(top, foot, strict=True)])
    while contrast(colour, GROUND) < _LEAST and light < 1:
        light = min(light + 0.02, 1.0)
        colour = _hex(hls_to_rgb(hue, light, strong))
    return colour


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of WCAG 2, from 1 to 21."""
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    linear = [
        part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4
        for part in _parts(colour)
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _parts(colour: str) -> list[float]:
    return [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]


def _hex(parts: tuple[float, ...] | list[float]) -> str:
    return "#" + "".join(f"{round(255 * part):02x}" for part in parts)
