"""How a capability is presented over HTTP: in one Authorization header, and nowhere else."""

from __future__ import annotations

from starlette.types import Scope

from capsvc.http.facts import header
from capsvc.http.problems import bad_request, unproven
from capsvc.node import Presentation


def unverified_presentation(scope: Scope, longest: int) -> Presentation:
    """Read ``Bearer <token>`` or ``Macaroon <root>,<discharge>…`` of at most so many characters.

    Raises a 401 where there is none, and a 400 where the header stands twice or is too long.
    """
    value = header(scope, "Authorization")
    if value is None:
        raise unproven()
    if len(value) > longest:
        raise bad_request(f"The header Authorization has at most {longest} characters.")
    scheme, _, credentials = value.partition(" ")
    if scheme.lower() == "bearer":
        return Presentation(credentials)
    if scheme.lower() == "macaroon":
        token, *discharges = credentials.split(",")
        return Presentation(token, tuple(discharges))
    raise unproven()
