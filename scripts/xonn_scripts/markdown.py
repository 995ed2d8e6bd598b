"""Tables and figures as the pages of docs/ show them."""

from __future__ import annotations


def table(head: list[str], rows: list[list[str]], words: int = 1) -> list[str]:
    """Lines of a Markdown table, and an empty one; columns behind the first ``words`` are right-aligned."""
    rule = ["---"] * words + ["---:"] * (len(head) - words)
    return ["| " + " | ".join(row) + " |" for row in (head, rule, *rows)] + [""]


def cells(line: str) -> list[str]:
    """The cells of a line of a Markdown table."""
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def fill(template: str, parts: dict[str, list[str] | str]) -> str:
    """A page with each ``{{name}}`` replaced by its part; a name without a part is an error."""
    for name, part in parts.items():
        shown = part if isinstance(part, str) else "\n".join(part).rstrip()
        template = template.replace("{{" + name + "}}", shown)
    if "{{" in template:
        left = template.split("{{", 1)[1].split("}}", 1)[0]
        raise ValueError(
            f"nothing was given for {{{{{left}}}}} of the page, expected one of {', '.join(parts)}"
        )
    return template


def duration(seconds: float) -> str:
    """A time in ms or s, with two or three digits."""
    if seconds < 1:
        return f"{seconds * 1e3:.0f} ms" if seconds >= 0.02 else f"{seconds * 1e3:.1f} ms"
    return f"{seconds:.1f} s" if seconds < 100 else f"{seconds:.0f} s"


def mb(size: float) -> str:
    """Bytes as megabytes."""
    size /= 1e6
    return f"{size:,.0f}" if size >= 100 else f"{size:.1f}" if size >= 10 else f"{size:.2f}"


def kb(size: float) -> str:
    """Bytes as kilobytes."""
    size /= 1e3
    return f"{size:,.0f}" if size >= 100 else f"{size:.1f}"
