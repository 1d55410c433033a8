"""What lies in deploy/: checked by systemd itself, and held to the hardening that the documentation claims."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

from capsvc.settings import Settings
from tests.examples import ROOT

DEPLOY = ROOT / "deploy"
_MOST_EXPOSED = 20
"""In tenths: systemd calls up to 2.0 "ok", and 10.0 is a service without any protection."""


def _unit(tmp_path: Path) -> Path:
    """The unit, with commands that are there: `verify` looks for them."""
    unit = tmp_path / "capsvc.service"
    text = (DEPLOY / "capsvc.service").read_text()
    unit.write_text(text.replace("/opt/capsvc/bin/capsvc", shutil.which("true") or ""))
    return unit


def _analyze(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False
    )


def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    done = _analyze("verify", "--man=no", _unit(tmp_path))
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_systemd_calls_the_unit_little_exposed(tmp_path: Path) -> None:
    done = _analyze("security", "--offline=true", f"--threshold={_MOST_EXPOSED}", "--json=short", _unit(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout), "the checks are listed"


def test_the_unit_claims_what_the_documentation_says() -> None:
    text = (DEPLOY / "capsvc.service").read_text()
    lines = text.splitlines()
    for line in (
        "User=capsvc", "StateDirectory=capsvc", "UMask=0077", "ProtectSystem=strict", "PrivateTmp=yes",
        "NoNewPrivileges=yes", "CapabilityBoundingSet=", "MemoryDenyWriteExecute=yes", "LimitCORE=0",
        "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX", "SystemCallFilter=@system-service",
        "SystemCallFilter=sched_setscheduler setpriority",
    ):  # fmt: skip
        assert line in lines, line
    (seconds,) = re.findall(r"^TimeoutStopSec=(\d+)$", text, re.MULTILINE)
    (graceful,) = re.findall(r"timeout_graceful_shutdown=(\d+)", (ROOT / "capsvc/cli/home.py").read_text())
    assert int(seconds) > int(graceful), "systemd does not kill what ends gracefully"


def _instructions() -> list[tuple[str, str]]:
    """The instructions of the Containerfile, with lines that go on joined."""
    text = re.sub(r"\\\n\s*", " ", (DEPLOY / "Containerfile").read_text())
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in lines)]


def test_the_container_runs_as_its_own_user_on_a_root_that_it_need_not_write() -> None:
    instructions = _instructions()
    last = [name for name, _ in instructions].index("FROM", 1)
    final = instructions[last:]
    assert [rest for name, rest in final if name == "USER"] == ["10001:10001"]
    assert [rest for name, rest in final if name == "VOLUME"] == ["/var/lib/capsvc"]
    environment = " ".join(rest for name, rest in final if name == "ENV")
    assert "CAPSVC_HOME=/var/lib/capsvc/" in environment
    names = {each.lower() for each in re.findall(r"CAPSVC_([A-Z_]+)=", environment)} - {"home"}
    assert names <= set(Settings.__struct_fields__)
    assert not re.search("PASSWORD|SECRET|TOKEN|ARG ", (DEPLOY / "Containerfile").read_text())
    assert any(name == "COPY" and "--from=build --chown=root:root" in rest for name, rest in final)


def test_the_container_runs_the_commands_that_the_wheels_test_runs_and_asks_readyz() -> None:
    instructions = dict(_instructions())
    built = next(rest for name, rest in _instructions() if name == "RUN")
    assert re.search(r"pip install .*\.whl\)\[service,postgres,oidc\]", built)
    shell, flag, command = json.loads(instructions["CMD"])
    assert (shell, flag) == ("/bin/sh", "-c")
    assert command.split(" && ")[1:] == [
        "/opt/capsvc/bin/capsvc init --if-missing",
        "exec /opt/capsvc/bin/capsvc serve",
    ]
    asked = instructions["HEALTHCHECK"]
    assert "/readyz" in asked
    program = json.loads(asked.partition(" CMD ")[2])
    compile(program[2], "HEALTHCHECK", "exec")


def test_the_audit_log_is_rotated_where_the_unit_keeps_it() -> None:
    rotated = (DEPLOY / "capsvc.logrotate").read_text()
    (home,) = re.findall(r"^Environment=CAPSVC_HOME=(\S+)$", (DEPLOY / "capsvc.service").read_text(), re.MULTILINE)
    assert f"{home}/audit.jsonl {{" in rotated
    assert "copytruncate" not in rotated, "what is written meanwhile would be lost"
