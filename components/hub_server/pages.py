"""The pages for a browser: each is one file of HTML without scripts."""

import html
from collections.abc import Mapping

import markdown_it

HEADERS = {
    # A card is text of whoever made the model: it may load and run nothing.
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'",
    "x-content-type-options": "nosniff",
}

_STYLE = (
    "body{font:16px/1.5 sans-serif;max-width:50em;margin:2em auto;padding:0 1em}"
    "pre,code{background:#f2f2f2}pre{padding:1em;overflow:auto}"
    "table{border-collapse:collapse}td,th{border:1px solid #bbb;padding:.2em .6em}"
)


def list_page(title: str, links: Mapping[str, str]) -> str:
    """Returns a page of links.

    Args:
      title: what is listed.
      links: for each text its path.
    """
    items = "".join(f"<li>{_link(path, text)}</li>" for text, path in links.items())
    return _page(title, f"<h1>{html.escape(title)}</h1><ul>{items}</ul>")


def model_page(publisher: str, model: str, version: str, card: str | None) -> str:
    """Returns the page of a version: its model card, and how to load it.

    Args:
      publisher: who published the model.
      model: its name.
      version: its version.
      card: the model card in Markdown, if there is one; HTML in it is shown, not used.
    """
    path = f"/{publisher}/{model}/{version}"
    above = f"{_link('/', 'hub')} / {_link(f'/{publisher}', publisher)} / {model} / {version}"
    archive = _link(f"{path}?tf-hub-format=compressed", f"{version}.tar.gz")
    use = f"<p><code>hub.load</code> takes the address of this page. Download: {archive}</p>"
    body = _markdown(card) if card is not None else "<p>This version has no model card.</p>"
    return _page(path, f"<p>{above}</p>{use}<hr>{body}")


def _link(path: str, text: str) -> str:
    return f'<a href="{html.escape(path)}">{html.escape(text)}</a>'


def _markdown(text: str) -> str:
    parser = markdown_it.MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
    return parser.render(text)


def _page(title: str, body: str) -> str:
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style></head>"
        f"<body>{body}</body></html>\n"
    )
