"""Law 8 over a whole run: nothing that anybody gets to read of a real service holds a secret that was used in it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from secrets import token_bytes
from typing import Any

import httpx2
import pytest
from typer.testing import CliRunner

from capsvc.cli import app
from capsvc.client import BoundAuth
from capsvc.console.sessions import ADMINISTRATION, MINE, Session
from capsvc.errors import CapsvcError
from capsvc.http.introspection import OneToken
from capsvc.http.leaks import Report
from capsvc.http.logins import Login
from capsvc.http.revocations import PasswordChange
from capsvc.http.service import Service
from capsvc.http.verification import Question
from capsvc.keyring import KeyRing
from capsvc.leaks import Leaks
from capsvc.node import Presentation
from capsvc.stores import NewUser
from capsvc.ticket_keys import PUBLIC, SHARED
from capsvc.tickets import Ticket
from caveats import Macaroon, MacaroonError, Prefix, chain, decode, prove
from caveats.encoding import encode_base64
from caveats.wire import encode_text
from tests.capsvc.console.browser import SAME_ORIGIN, Browser, issued
from tests.capsvc.http.serving import (
    ADMIN,
    PASSWORD,
    VERIFY,
    Serving,
    append,
    bearer,
    hashed,
    locked,
    make_home,
    narrow,
    raw,
    service_key,
    serving,
)
from tests.capsvc.installation import one_bit_off
from tests.capsvc.secrets_watched import Watch
from tests.serving import environment_for

WRONG, NEW = "the wrong pass phrase", "an entirely new pass phrase"
SETTINGS = "wrong_passwords = 10\n"
STATUSES = {200, 201, 202, 204, 303, 400, 401, 403, 404, 405, 409, 413, 415, 429, 503}


class Run:
    """One service of two workers, and a watch over it."""

    def __init__(self, service: Serving) -> None:
        self.service = service
        self.client = service.client
        self.watch = Watch()
        self.statuses: set[int] = set()
        self.client.event_hooks["response"].append(self._seen)

    def _seen(self, answer: Any) -> None:
        self.statuses.add(answer.status_code)
        self.watch.answer(answer)

    def tokens(self) -> None:
        """Log in rightly and wrongly, renew, present bound copies, change a password."""
        user = self.service.new_user("billing")
        own, named = self.service.log_in(user), self.service.log_in(user, salt="laptop", caveats=["method in GET POST"])
        self.service.log_in(user, "billing", format=1)
        for password in (WRONG, PASSWORD[:-1], "short", "\u00e9" * 40):
            self.client.post("/v1/tokens", json={"user": user, "password": password})
            self.client.post("/v1/tokens", json={"user": "nobody at all", "password": password})
        self.client.post("/v1/tokens", json={"user": user, "password": PASSWORD, "audience": ADMIN})
        self.client.post("/v1/tokens", json={"user": user, "password": PASSWORD, "caveats": [PASSWORD]})
        self.client.post("/v1/tokens", json={"user": user, "password": PASSWORD, "salt": f"x/{PASSWORD}"})
        for token in (own, named, own[:-1]):
            self.client.post("/v1/tokens/renew", headers=bearer(token), json={})
        auth = BoundAuth(own, self.service.url)
        self.client.post("/v1/tokens/renew", auth=auth, json={})
        for _ in range(3):
            self.client.get("/v1/salts", auth=auth)
        for current, new in ((WRONG, NEW), (PASSWORD, "x"), (PASSWORD, NEW)):
            self.client.post("/v1/password", headers=bearer(own), json={"current": current, "new": new})
        for _ in range(30):
            self.client.post("/v1/tokens", json={"user": "guessed at", "password": WRONG})

    def verdicts(self) -> None:
        """Ask about tokens of every kind, at every route that takes one."""
        asking = bearer(self.service.token(VERIFY))
        own = self.service.token()
        salted = append(own, f"salt = job.a1b2/{encode_base64(token_bytes(16))}".encode())
        misspelled = append(own, b"salt=job/" + encode_base64(token_bytes(16)).encode())
        tokens = [
            own,
            salted,
            misspelled,
            one_bit_off(own),
            own + "=",
            narrow(own, "path ^= /docs"),
            self.service.expired(),
        ]
        tokens += [self.service.revoked(), self.service.token("billing"), own[:200], "garbage of many characters"]
        tokens.append(
            encode_text(decode(own).entrust("https://third.example", token_bytes(32), b"ask", token_bytes(24)))
        )
        for token in tokens:
            question = {"token": token, "request": {"method": "GET", "path": "/x"}}
            self.client.post("/v1/verify", headers=asking, json=question)
            self.client.post("/v1/verify", headers=asking, json={**question, "discharges": [token, own]})
            self.client.post("/v1/introspect", headers=asking, data={"token": token, "token_type_hint": "x"})
            self.client.get(
                "/v1/auth", headers={**bearer(token), "X-Forwarded-Uri": "/docs", "X-Forwarded-Method": "GET"}
            )
            self.client.get("/v1/capability", headers=bearer(token))
            self.client.get("/v1/salts", headers={"Authorization": f"Macaroon {token},{own}"})
        for token in (*tokens[1:], tokens[0]):
            self.client.post("/v1/leaks", json={"token": token})
            self.client.post("/v1/revoke", data={"token": token})

    def revocations(self) -> None:
        """Take back by name, nonce and all; discharge; administer."""
        user = self.service.new_user(ADMIN)
        own, admin = self.service.log_in(user), self.service.log_in(user, ADMIN)
        for what in (
            {"name": "friend"},
            {"nonce": "A" * 22},
            {"name": own},
            {"nonce": own},
            {"user": "bob", "all": True},
        ):
            self.client.post("/v1/revocations", headers=bearer(own), json=what)
        for condition in (f"user = {user}", "user = bob", "colour = red"):
            ticket = Ticket.of(condition)
            self.watch.hide("a ticket's key", ticket.caveat_key)
            body = {"ticket": encode_base64(ticket.seal(service_key(self.service)))}
            self.client.post("/v1/discharges", headers=bearer(own), json=body)
        for password in (NEW, NEW, "short"):
            self.client.post("/v1/users", headers=bearer(admin), json={"user": "carol", "password": password})
        for body in ({"password": NEW + "!"}, {"disabled": True}, {"password": 1}):
            self.client.patch("/v1/users/carol", headers=bearer(admin), json=body)
        for path in ("/v1/users", "/v1/users/carol", "/v1/users/nobody", f"/v1/nothing/{user}"):
            self.client.get(path, headers=bearer(admin))
        self.client.post("/v1/revocations", headers=bearer(own), json={"all": True})

    def console(self) -> None:
        """Log in to the console and out of it, with forms that are right, wrong and of others."""
        user = self.service.new_user(ADMIN)
        browser, admin = Browser(self.service), Browser(self.service)
        for each, realm in ((browser, MINE), (admin, ADMINISTRATION)):
            each.log_in(user, WRONG, realm)
            each.log_in(user, PASSWORD, realm)
        handed_out = issued(browser.post("/mine/issue", name="app", lifetime="600", password=PASSWORD))
        browser.post("/mine/issue", name="app", lifetime="600", password=WRONG)
        browser.post("/mine/revoke", name=handed_out)
        browser.post("/mine/revoke", name="app")
        admin.administer("disable", "nobody at all")
        admin.administer("revoke", user)
        Browser(self.service, {MINE.cookie: "1.x." + handed_out}).get("/mine")
        browser = Browser(self.service)
        browser.log_in(user)
        browser.post("/mine/password", current=WRONG, new=NEW, again=NEW)
        browser.send("POST", "/logout", data={"form_token": "x" * 43}, headers=SAME_ORIGIN)
        browser.post("/logout")
        for page in ("/", "/narrow", "/mine", "/administration", "/nothing", "/static/style.css"):
            browser.get(page)

    def malformed(self) -> None:
        """Send what cannot be read, with secrets in it."""
        own = self.service.token()
        for body in (b"", b"{", b'{"token":"%s"' % own.encode(), b'{"password":"%s","password":1}' % PASSWORD.encode()):
            for path in ("/v1/tokens", "/v1/leaks", "/v1/verify", "/v1/introspect", "/v1/revoke"):
                for kind in ("application/json", "application/x-www-form-urlencoded", "text/plain"):
                    self.client.post(path, content=body, headers={**bearer(own), "Content-Type": kind})
        self.client.post("/v1/leaks", json={own: own})
        self.client.post("/v1/tokens", json={"user": own, "password": PASSWORD, "audience": own, "lifetime": own})
        self.client.post("/v1/leaks", json={"token": own * 1000})
        self.client.get("/v1/salts", headers={"Authorization": f"Bearer {own * 60}"})
        self.client.delete("/v1/salts", headers=bearer(own))
        for head in (f"Authorization: Bearer {own}\x01", f"Authorization : Bearer {own}", f"Cookie: a={own}; a={own}"):
            answer = raw(self.service, "GET /v1/salts HTTP/1.1", "Host: a", head)
            self.watch.read(head[:15], f"{answer.headers} {answer.body!r}")

    def commands(self, directory: Path) -> None:
        """Use the command line: what it prints is a token, or holds no secret."""
        home, user = self.service.home.path, self.service.new_user()
        token = self.service.log_in(user)

        def command(*words: str, gives: bool = False, stdin: str = "") -> str:
            done = CliRunner().invoke(app, words, stdin or None, environment_for(home))
            return self.watch.command(words[0], done, gives)

        copy = command("attenuate", token, "--revocable-as", "friend", gives=True)
        self.watch.hide_token("a copy", copy)
        command("login", user, "--password-stdin", stdin=WRONG)
        command("login", user, "--password-stdin", gives=True, stdin=PASSWORD)
        for words in (["inspect", copy], ["inspect", copy, "--json"], ["explain", copy, "--method", "GET"]):
            command(*words)
        command("verify", copy, "--method", "GET")
        command("verify", token[:-1])
        command("salts", token, "--url", f"http://{user}:{PASSWORD}@127.0.0.1")
        command("revoke", token, "--token", token)
        command("report-leak", "-", stdin=copy)
        imported = directory / "users.jsonl"
        imported.write_text(json.dumps({"user": "dora", "password": hashed()}) + "\n" + f'{{"user": "{PASSWORD}\n')
        command("user", "import", str(imported))
        command("user", "passwd", user, "--password-stdin", stdin=NEW)
        for words in (["add"], ["promote", "k2"], ["list"], ["retire", "k1"]):
            command("keys", *words)

    def failing_store(self) -> None:
        """Go on asking while the store cannot say."""
        user, own = self.service.new_user(), self.service.token()
        with locked(self.service.home, "EXCLUSIVE"):
            self.client.post("/v1/leaks", json={"token": own})
        Browser(self.service).log_in(user)
        database = self.service.home.path / "capsvc.db"
        database.rename(database.with_suffix(".gone"))
        for token in (own, own[:-1]):
            self.client.get("/v1/capability", headers=bearer(token))
            self.client.post("/v1/leaks", json={"token": token})
            self.client.post("/v1/tokens", json={"user": user, "password": PASSWORD})
        database.with_suffix(".gone").rename(database)

    def kept(self) -> None:
        """Read whatever stands in the home for others to read, and what the service tells of itself."""
        for path in ("/metrics", "/livez", "/readyz", "/openapi.json", "/.well-known/capsvc"):
            self.client.get(path)
        for path in self.service.home.path.rglob("*"):
            if path.is_file() and path.name not in ("capsvc.db", "keys.json") and "capsvc.db" not in path.name:
                self.watch.read(path.name, path.read_text("utf-8", "replace"))


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run through everything that a service does, to its end."""
    directory = tmp_path_factory.mktemp("watched")
    with serving(make_home(directory / "home", SETTINGS), "--workers", "2") as service:
        ran = Run(service)
        ran.watch.hide_home(service)
        ran.tokens()
        ran.verdicts()
        ran.revocations()
        ran.console()
        ran.malformed()
        ran.commands(directory)
        ran.watch.hide_home(service)
        ran.kept()
        ran.failing_store()
    ran.watch.read("the log", service.stderr())
    return ran


def test_law_8_no_log_answer_file_or_command_of_a_whole_run_holds_a_secret(watched: Run) -> None:
    assert watched.watch.found() == [], "\n".join(watched.watch.found())


def test_the_run_went_everywhere_and_what_it_kept_is_worth_a_search(watched: Run) -> None:
    assert watched.statuses >= STATUSES
    kinds = " ".join(watched.watch.secrets.values())
    used = ("the secret of k1", "the file share of k2", "the hash of", "a cookie of", "the discharge of", "a salt of")
    for kind in (
        *used,
        "the sealed of",
        "the signature of",
        "the password sent to",
        "the console key",
        "what the page",
    ):
        assert kind in kinds, kind
    log = [json.loads(line) for line in watched.service.stderr().splitlines() if line.startswith("{")]
    assert {each["event"] for each in log} >= {"mint", "renew", "revoke", "cannot answer"}
    assert {each.get("via") for each in log} >= {"console", "leak report"}
    assert len(watched.watch.texts) > 300


def test_what_slips_out_anywhere_is_found(watched: Run) -> None:
    for secret, what in watched.watch.secrets.items():
        planted = Watch({secret: what}, [("a line", f'{{"event": "login", "token": "{secret}"}}')])
        assert planted.found() == [f"{what} in a line"]


def _held(service: Service, user: str) -> Iterator[object]:
    """Every object of the core that holds a secret, and some that only might."""
    minted = asyncio.run(service.authority.log_in(user, PASSWORD, None, then=lambda minted: minted))
    token = minted.token
    macaroon = decode(token).append(f"salt = job.a1b2/{encode_base64(token_bytes(16))}".encode())
    presentation = Presentation(encode_text(macaroon))
    verdict = service.node.verify(presentation, service.node.request())
    ring = service.node.ring()
    root_key = ring.root_key(minted.written.key_name)
    assert root_key is not None
    yield from (minted, minted.written, minted.macaroon, macaroon, *macaroon.unverified_caveats, presentation, verdict)
    yield from (verdict.capability, verdict.capability.authority, *verdict.capability.holder_predicates)
    yield from (prove(macaroon, root_key), Prefix.of(chain.derive_key(root_key), b"k1"), service.node.request())
    yield from (ring, *ring.keys.values(), ring.ticket_key(SHARED, "k2"), ring.ticket_key(PUBLIC, "k2"))
    yield from (service, service.node, service.store, service.authority, service.passwords, service.settings)
    yield from (service.rates, service.slots, service.proxies, service.outcomes, service.node._verifying.verifiers)
    yield from (*service.store.keys()[1], NewUser("x", hashed()), service.store.issue_salt(user, "default", None, ""))
    yield from (service.store.read(user, ()), service.store.read(user, ()).salts, *service.store.salt_names(user))
    yield from (
        Login(user=user, password=PASSWORD),
        PasswordChange(PASSWORD, NEW),
        Question(token),
        OneToken(token),
        Report(token),
    )
    yield from (Session(MINE, user, "", encode_base64(macaroon.signature), token), BoundAuth(token, "http://127.0.0.1"))
    yield from (Ticket.of(f"user = {user}"), httpx2.Request("GET", "http://127.0.0.1", headers=bearer(token)))
    yield Leaks(service.node, service.store).take_back(token)
    for attempt in (
        lambda: service.node.verify(Presentation(token), service.node.request()),
        lambda: service.node.verify(Presentation(token[:-1]), service.node.request()),
        lambda: asyncio.run(service.authority.log_in(user, WRONG, None, then=lambda minted: minted)),
        lambda: service.passwords.verify(hashed(), WRONG),
    ):
        with suppress(MacaroonError, CapsvcError):
            try:
                attempt()
            except (MacaroonError, CapsvcError) as error:
                yield error
                yield error.args
                raise


def test_law_8_no_object_of_the_core_prints_a_secret(watched: Run) -> None:
    home = watched.service.home
    watch = Watch(dict(watched.watch.secrets))
    with closing(Service.of(home)) as service:
        with closing(home.open_store()) as store:
            user = "of-the-core"
            store.add_users([NewUser(user, hashed())], "2026-11-22T06:00:00Z")
        count = 0
        for held in _held(service, user):
            for each in (held.macaroon, held) if hasattr(held, "macaroon") else (held,):
                if isinstance(each, Macaroon):
                    watch.hide_token("a token of the core", encode_text(each))
            watch.read(type(held).__name__, f"{held!r} {held if isinstance(held, Exception) else ''}")
            count += 1
        watch.hide_home(watched.service)
        assert isinstance(service.node.ring(), KeyRing)
    assert count > 50
    assert watch.found() == []
