"""The style and the script of a page, and the policy that lets in nothing else."""

from base64 import b64encode
from functools import cache
from hashlib import sha256
from importlib.resources import files

from latentgeo.report.pictures import Gallery


def page_parts(gallery: Gallery, models: int) -> dict[str, str]:
    """Return what stands in the head of a page.

    Parameters
    ----------
    gallery : Gallery
        Its figures.
    models : int
        How many models can be shown and hidden.

    Returns
    -------
    dict of str to str
        `style`, `script`, and `policy`: a content-security policy that allows these two alone, by
        their hashes, images inside the page, and no network.
    """
    switches = "\n".join(
        f"body:has(#show-{place}:not(:checked)) [data-model='{place}']{{display:none}}"
        for place in range(models)
    )
    style = "\n".join([_text("report.css"), gallery.css, switches])
    script = _text("report.js")
    policy = (
        "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; "
        f"style-src '{_hash(style)}'; script-src '{_hash(script)}'"
    )
    return {"style": style, "script": script, "policy": policy}


@cache
def _text(name: str) -> str:
    return (files("latentgeo.report") / "templates" / name).read_text(encoding="utf-8").strip()


def _hash(text: str) -> str:
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"
