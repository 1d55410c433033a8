"""How a capability is presented over HTTP: in one Authorization header, and nowhere else."""

from __future__ import annotations

from capsvc.http.facts import Headers
from capsvc.http.problems import bad_request, unproven
from capsvc.node import Presentation

_new = tuple.__new__  # past the argument handling of NamedTuple, half of its cost: there is one a request


def unverified_presentation(headers: Headers, longest: int) -> Presentation:
    """Read ``Bearer <token>`` or ``Macaroon <root>,<discharge>…`` of at most so many characters.

    Raises a 401 where there is none, and a 400 where the header is too long.
    """
    value = headers.get(b"authorization")
    if value is None:
        raise unproven()
    if len(value) > longest:
        raise bad_request(f"The header Authorization has at most {longest} characters.")
    if value.startswith(b"Bearer "):  # as nearly everybody writes it
        return _new(Presentation, (value[7:].decode("latin-1"), ()))
    scheme, _, credentials = value.decode("latin-1").partition(" ")
    scheme = scheme.lower()
    if scheme == "bearer":
        return Presentation(credentials)
    if scheme == "macaroon":
        token, *discharges = credentials.split(",")
        return Presentation(token, tuple(discharges))
    raise unproven()
