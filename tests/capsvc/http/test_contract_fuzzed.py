"""schemathesis asks a running service whatever its contract allows, and whatever it does not.

On: not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance,
response_headers_conformance, negative_data_rejection, positive_data_acceptance, missing_required_header,
unsupported_method, allow_header_conformance and ignored_auth, each in its phases ``examples``, ``coverage`` and
``fuzzing``. Formats that JSON Schema does not know are made by ``contract_hooks``.

Off: use_after_free and ensure_resource_availability, since nothing that is made here can be deleted or is named by
its maker; object_level_authorization, which needs two users and links between operations, and is held by
test_salts_revocations.py and test_users.py; the phase ``stateful``, since the contract has no links.

``make contract`` runs more of it, with chance that differs each time.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from capsvc.tickets import Ticket
from caveats.encoding import encode_base64
from tests.capsvc.http.conftest import SETTINGS
from tests.capsvc.http.serving import hashed, make_home, service_key, serving

REPOSITORY = Path(__file__).parents[3]
EXAMPLES = os.environ.get("CONTRACT_EXAMPLES", "4")
OFF = "use_after_free,ensure_resource_availability,object_level_authorization"


def test_nothing_that_is_asked_of_the_service_is_answered_otherwise_than_its_contract_says(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", SETTINGS)
    with serving(home) as service:
        paths = service.client.get("/openapi.json").json()["paths"]
        key = service_key(service)
        tickets = [encode_base64(Ticket.of(f"user = {name}").seal(key)) for name in ("alice", "bob")]
        environment = {
            **os.environ, "SCHEMATHESIS_HOOKS": "tests.capsvc.http.contract_hooks", "CONTRACT_HOME": str(home.path),
            "CONTRACT_HASH": hashed(), "CONTRACT_TICKETS": " ".join(tickets), "PYTHONPATH": str(REPOSITORY),
        }  # fmt: skip
        command = [
            sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()", "run",
            f"{service.url}/openapi.json", "--exclude-checks", OFF, "--phases", "examples,coverage,fuzzing",
            "--max-examples", EXAMPLES, "--continue-on-failure", "--no-color", "--warnings", "off",
            *([] if "CONTRACT_EXAMPLES" in os.environ else ["--seed", "1"]),
        ]  # fmt: skip
        asked = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert "Traceback" not in service.stderr(), service.stderr()
    assert asked.returncode == 0, asked.stdout + asked.stderr
    assert f"Tested: {sum(map(len, paths.values()))}\n" in asked.stdout, asked.stdout
