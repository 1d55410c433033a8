"""The static files: scripts and the stylesheet, each of a type that does not depend on the machine."""

from __future__ import annotations

import os
from pathlib import Path, PurePath
from typing import Any

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from capsvc.console.headers import FILE

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}


class Files(StaticFiles):
    """Serves the directory ``static`` with a tag by which a browser asks whether a file is still the same."""

    def __init__(self) -> None:
        super().__init__(directory=Path(__file__).parent / "static")

    def file_response(
        self, full_path: str | os.PathLike[str], stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        """Answer with one file, or that it is still the same."""
        response = super().file_response(full_path, stat_result, scope, status_code)
        headers: dict[str, Any] = dict(FILE)
        if response.status_code == 200:
            headers["Content-Type"] = _TYPES.get(PurePath(full_path).suffix, "application/octet-stream")
        response.headers.update(headers)
        return response
