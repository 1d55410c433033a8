"""Pages: templates and values in, an answer with all headers out."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response

from capsvc.console.headers import PAGE
from capsvc.console.sessions import Session
from capsvc.http.problems import Problem

_templates = Environment(
    loader=PackageLoader("capsvc.console"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def page(name: str, status: int = 200, *, session: Session | None = None, **values: object) -> Response:
    """Render the template of a name; for a session, with a way to end it."""
    text = _templates.get_template(f"{name}.html").render(page=name, session=session, **values)
    answer = HTMLResponse(text, status, PAGE)
    if session is not None and session.renewed:
        answer.headers.append("Set-Cookie", session.renewed)
    return answer


def refusal(problem: Problem) -> Response:
    """Render a problem, where the API would answer it as JSON."""
    answer = page("problem", problem.status, problem=problem)
    answer.headers.update(problem.headers)
    return answer


def see(path: str) -> Response:
    """Send the browser on to a page of the console, after a form or for want of a session."""
    return Response(status_code=303, headers={**PAGE, "Location": path})
