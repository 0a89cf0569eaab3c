"""Product pictures, drawn on request.

`drawings/<kind>.svg` holds the shape of one kind of thing on a 400 x 400 stage, painted only with the paints mixed here
(`url(#body)`, `url(#metal)`, `url(#shadow)`, ... and `currentColor` for the plain colour of the variant). So one drawing
serves a kettle in black, sage and cream, and every picture in the shop is lit from the same side.
"""

from colorsys import hls_to_rgb, rgb_to_hls
from functools import lru_cache
from pathlib import Path
from string import Template

DRAWINGS = Path(__file__).parent / "drawings"
PLAIN_COLOUR = "8a8f94"

STAGE = Template("""\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 400 400" color="$base">
<defs>
<radialGradient id="wall" cx=".36" cy=".24" r=".95"><stop stop-color="$lit"/><stop offset="1" stop-color="$wall"/></radialGradient>
<linearGradient id="floor" x2="0" y2="1"><stop stop-color="$floor"/><stop offset="1" stop-color="$wall"/></linearGradient>
<radialGradient id="shadow"><stop stop-color="$deep" stop-opacity=".5"/><stop offset=".55" stop-color="$deep" stop-opacity=".22"/><stop offset="1" stop-color="$deep" stop-opacity="0"/></radialGradient>
<linearGradient id="body"><stop stop-color="$mid"/><stop offset=".22" stop-color="$light"/><stop offset=".5" stop-color="$base"/><stop offset="1" stop-color="$dark"/></linearGradient>
<linearGradient id="bodyv" x2="0" y2="1"><stop stop-color="$light"/><stop offset=".45" stop-color="$base"/><stop offset="1" stop-color="$dark"/></linearGradient>
<linearGradient id="inside" x2="0" y2="1"><stop stop-color="$darker"/><stop offset="1" stop-color="$dark"/></linearGradient>
<linearGradient id="pale" x2="1" y2="1"><stop stop-color="$palest"/><stop offset="1" stop-color="$light"/></linearGradient>
<linearGradient id="metal"><stop stop-color="#858c93"/><stop offset=".2" stop-color="#f2f4f5"/><stop offset=".45" stop-color="#b9bfc5"/><stop offset=".8" stop-color="#7f868d"/><stop offset="1" stop-color="#a4abb1"/></linearGradient>
<linearGradient id="metalv" x2="0" y2="1"><stop stop-color="#eef0f2"/><stop offset=".5" stop-color="#b4bac0"/><stop offset="1" stop-color="#7b8289"/></linearGradient>
<linearGradient id="brass"><stop stop-color="#9a7632"/><stop offset=".25" stop-color="#f3dd9d"/><stop offset=".55" stop-color="#cfa554"/><stop offset="1" stop-color="#8a6828"/></linearGradient>
<linearGradient id="wood"><stop stop-color="#b98450"/><stop offset=".25" stop-color="#d9ab76"/><stop offset="1" stop-color="#966138"/></linearGradient>
<linearGradient id="woodv" x2="0" y2="1"><stop stop-color="#d9ab76"/><stop offset="1" stop-color="#a06a3e"/></linearGradient>
<linearGradient id="ink"><stop stop-color="#3a3d42"/><stop offset=".25" stop-color="#5a5e64"/><stop offset=".55" stop-color="#2b2d31"/><stop offset="1" stop-color="#17181b"/></linearGradient>
<linearGradient id="paper"><stop stop-color="#fffdf8"/><stop offset="1" stop-color="#e4dccb"/></linearGradient>
<linearGradient id="china"><stop stop-color="#e6e2da"/><stop offset=".25" stop-color="#ffffff"/><stop offset=".55" stop-color="#f3f0ea"/><stop offset="1" stop-color="#c3bdb1"/></linearGradient>
<linearGradient id="glass"><stop stop-color="#ffffff" stop-opacity=".75"/><stop offset=".3" stop-color="#dfeaf0" stop-opacity=".35"/><stop offset="1" stop-color="#9fb4c0" stop-opacity=".6"/></linearGradient>
<linearGradient id="coffee"><stop stop-color="#5b3a28"/><stop offset=".3" stop-color="#7b523a"/><stop offset="1" stop-color="#2f1c13"/></linearGradient>
<linearGradient id="leather"><stop stop-color="#8d5a34"/><stop offset=".3" stop-color="#b5794a"/><stop offset="1" stop-color="#643c20"/></linearGradient>
<radialGradient id="glow"><stop stop-color="#fff6d8"/><stop offset=".4" stop-color="#ffe7a6" stop-opacity=".6"/><stop offset="1" stop-color="#ffd98a" stop-opacity="0"/></radialGradient>
<radialGradient id="bulb" cx=".4" cy=".35"><stop stop-color="#ffffff"/><stop offset=".6" stop-color="#fff0c2"/><stop offset="1" stop-color="#f0cd84"/></radialGradient>
<radialGradient id="ball" cx=".34" cy=".28" r=".8"><stop stop-color="$light"/><stop offset=".45" stop-color="$base"/><stop offset="1" stop-color="$dark"/></radialGradient>
<linearGradient id="leaf" x2="1" y2="1"><stop stop-color="#8fb573"/><stop offset="1" stop-color="#3d6b45"/></linearGradient>
</defs>
<path fill="url(#wall)" d="M0 0h400v400H0z"/><path fill="url(#floor)" d="M0 306q200-16 400 0v94H0z"/>
$drawing</svg>
""")


@lru_cache(maxsize=1024)
def picture(kind: str, colour: str = PLAIN_COLOUR) -> str:
    """Draw one kind of thing in one colour (six hex digits); raises FileNotFoundError for a kind nobody has drawn."""
    drawing = (DRAWINGS / f"{kind}.svg").read_text()
    return STAGE.substitute(paints(colour), drawing=drawing)


def kinds() -> list[str]:
    return sorted(path.stem for path in DRAWINGS.glob("*.svg"))


def paints(colour: str) -> dict[str, str]:
    hue, lightness, saturation = rgb_to_hls(*(int(colour[at : at + 2], 16) / 255 for at in (0, 2, 4)))

    def tone(light: float, colourful: float = 1.0) -> str:
        rgb = hls_to_rgb(hue, min(max(light, 0), 1), min(saturation * colourful, 1))
        return "#" + "".join(f"{round(part * 255):02x}" for part in rgb)

    # A pale thing needs a darker wall behind it, or a white cup is lost on a white page.
    wall = 0.80 if lightness > 0.78 else 0.87
    return {
        "base": tone(lightness),
        "mid": tone(lightness * 0.9),
        "light": tone(lightness + (1 - lightness) * 0.34),
        "palest": tone(lightness + (1 - lightness) * 0.7),
        "dark": tone(lightness * 0.62),
        "darker": tone(lightness * 0.38),
        "lit": tone(wall + 0.09, 0.42),
        "wall": tone(wall, 0.36),
        "floor": tone(wall - 0.06, 0.34),
        "deep": tone(0.12, 0.5),
    }
