"""One plot: what a delta costs, by the length of the argument, as SVG."""

from collections.abc import Iterator, Mapping, Sequence
from math import ceil, log10
from xml.sax.saxutils import escape

__all__ = ["plot"]

WIDTH, HEIGHT = 760, 440
LEFT, RIGHT, TOP, BOTTOM = 64, 150, 40, 48
COLOURS = ("#0b6e4f", "#1b9e77", "#2a9d8f", "#66a61e", "#a6d854", "#006d77")
GREYS = ("#7b3294", "#d95f02", "#e7298a", "#a6761d", "#666666", "#e31a1c", "#6a3d9a", "#b15928", "#1f78b4")


def plot(lines: Mapping[str, Mapping[int, float]], ours: Sequence[str]) -> str:
    """A line for each competitor, ours bold: by the length of the argument, times what the floor takes."""
    sizes = sorted({size for line in lines.values() for size in line})
    highest = ceil(max(log10(value) for line in lines.values() for value in line.values()))
    lowest = min(0.0, *(log10(value) for line in lines.values() for value in line.values()))

    def x(size: int) -> float:
        span = log10(sizes[-1] / sizes[0]) or 1
        return LEFT + (WIDTH - LEFT - RIGHT) * log10(size / sizes[0]) / span

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (log10(value) - lowest) / (highest - lowest)

    colours = dict(zip([name for name in lines if name in ours], COLOURS, strict=False))
    colours |= dict(zip([name for name in lines if name not in ours], GREYS, strict=False))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        _text(LEFT, 22, "CPU time of a delta of 4 characters, times the floor", size=14),
        *(_grid(LEFT, y(10**power), WIDTH - RIGHT, f"{10**power:g}") for power in range(highest + 1)),
        *(_text(x(size), HEIGHT - BOTTOM + 18, f"{size / 1024:g} kB", "middle") for size in sizes),
        _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, "length of the argument", "middle"),
        *_legend(colours, ours),
    ]
    for name, line in lines.items():
        points = " ".join(f"{x(size):.1f},{y(value):.1f}" for size, value in sorted(line.items()))
        width = 3 if name in ours else 1.3
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{colours[name]}" stroke-width="{width}"/>'
        )
    return "\n".join([*parts, "</svg>"]) + "\n"


def _legend(colours: Mapping[str, str], ours: Sequence[str]) -> Iterator[str]:
    for place, (name, colour) in enumerate(colours.items()):
        top = TOP + 18 * place
        left = WIDTH - RIGHT + 16
        width = 3 if name in ours else 1.3
        yield f'<line x1="{left}" y1="{top}" x2="{left + 20}" y2="{top}" stroke="{colour}" stroke-width="{width}"/>'
        yield _text(left + 26, top + 4, name, weight="bold" if name in ours else "normal")


def _grid(left: float, y: float, right: float, label: str) -> str:
    line = f'<line x1="{left}" y1="{y:.1f}" x2="{right}" y2="{y:.1f}" stroke="#ddd"/>'
    return line + _text(left - 8, y + 4, label, "end")


def _text(
    x: float, y: float, text: str, anchor: str = "start", size: int = 12, weight: str = "normal"
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" font-weight="{weight}">'
        f"{escape(text)}</text>"
    )
