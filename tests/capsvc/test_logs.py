"""Logs: a line of JSON an event, and of errors the way they came, without what they say."""

from __future__ import annotations

import json
import logging
import logging.config

import pytest

from capsvc.logs import SERVER_LOGS, ServerLogHandler, logger, told_error

SECRET = "AgEcdG9rZW4tb2Ytc29tZWJvZHk"


def _raise(secret: str) -> None:
    local = secret
    try:
        raise KeyError(local)
    except KeyError as first:
        raise ValueError(f"cannot read {local}") from first


def test_an_error_is_told_by_its_code_lines_and_types_and_never_by_its_words_or_locals() -> None:
    with pytest.raises(ValueError, match=SECRET) as raised:
        _raise(SECRET)
    told = told_error(raised.value)
    assert SECRET not in told
    assert "builtins.ValueError" in told
    assert "builtins.KeyError" in told
    assert "in _raise" in told


def test_an_endless_chain_of_errors_is_told_to_an_end() -> None:
    one, other = ValueError(), KeyError()
    one.__cause__, other.__cause__ = other, one
    assert told_error(one).count("Traceback") == 8


def test_what_a_library_logs_is_one_line_of_json_without_the_words_of_the_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log = logging.Logger("uvicorn.error")
    log.addHandler(ServerLogHandler())
    try:
        _raise(SECRET)
    except ValueError:
        log.exception("Exception in ASGI application\n")
    (line,) = capsys.readouterr().err.splitlines()
    told = json.loads(line)
    assert (told["event"], told["level"], told["logger"]) == ("Exception in ASGI application", "error", "uvicorn.error")
    assert "Traceback" in told["exception"]
    assert SECRET not in line


def test_what_a_library_says_on_further_lines_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    log = logging.Logger("asyncio")
    log.addHandler(ServerLogHandler())
    log.error(f"Task exception was never retrieved\nfuture: <Task exception=KeyError('{SECRET}')>")
    (line,) = capsys.readouterr().err.splitlines()
    assert json.loads(line)["event"] == "Task exception was never retrieved"
    assert SECRET not in line


def test_the_servers_logs_are_configured_by_a_dictionary_that_names_our_handler() -> None:
    logging.config.DictConfigurator(SERVER_LOGS)
    assert SERVER_LOGS["handlers"]["capsvc"]["class"] == f"{ServerLogHandler.__module__}.{ServerLogHandler.__name__}"


def test_outside_of_a_request_no_line_has_an_id(capsys: pytest.CaptureFixture[str]) -> None:
    logger().info("something")
    assert "request_id" not in json.loads(capsys.readouterr().err)
