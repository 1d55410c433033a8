"""The static files: scripts, the stylesheet and pictures, read once, and sent compressed to who takes that."""

from __future__ import annotations

import gzip
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from capsvc.console.headers import FILE

_STATIC = Path(__file__).parent / "static"
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
"""What is served, by its ending; nothing here depends on the machine."""

_TAG_CHARACTERS = 32


@dataclass(frozen=True, slots=True)
class _File:
    """A file as it goes over the wire. None of them holds a secret, so that compression tells nobody anything."""

    type: str
    plain: bytes = field(repr=False)
    compressed: bytes = field(repr=False)
    tag: str

    @classmethod
    def read(cls, path: Path) -> _File:
        plain = path.read_bytes()
        tag = sha256(plain).hexdigest()[:_TAG_CHARACTERS]
        return cls(_TYPES[path.suffix], plain, gzip.compress(plain, mtime=0), tag)


class Files:
    """Serves the directory ``static``, with a tag by which a browser asks whether a file is still the same."""

    def __init__(self) -> None:
        found = [path for path in _STATIC.rglob("*") if path.suffix in _TYPES]
        self._files = {path.relative_to(_STATIC).as_posix(): _File.read(path) for path in found}

    async def show(self, request: Request) -> Response:
        """``GET /static/{path}``. Raises HTTPException for what there is not."""
        file = self._files.get(request.path_params["path"])
        if file is None:
            raise HTTPException(404)
        is_compressed = "gzip" in request.headers.get("accept-encoding", "")
        tag = f'"{file.tag}{"z" if is_compressed else ""}"'
        headers = {**FILE, "ETag": tag, "Vary": "Accept-Encoding"}
        if request.headers.get("if-none-match") == tag:
            return Response(None, 304, headers)
        if is_compressed:
            headers["Content-Encoding"] = "gzip"
        return Response(file.compressed if is_compressed else file.plain, 200, headers, file.type)
