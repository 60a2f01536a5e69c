"""Asks the server that the environment names (see scripts/with-server.sh) everything that its OpenAPI
document describes, with values good and bad: no answer may be a fault of the server, or other than the
document says. Usage: run.py [EXAMPLES], the number of tries of each operation."""

import json
import os
import subprocess
import sys
import tempfile
import urllib.request

URL = os.environ["HOLDALL_URL"]
HERE = os.path.dirname(os.path.abspath(__file__))
# That casts accept nearly anything, and that the wrong method is 404, is how the protocol has it.
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance"


def ask(method, path, body=None, token=""):
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", "Authorization": token}
    request = urllib.request.Request(URL + path, data, headers, method=method)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def field(name, kind, **options):
    return {"name": name, "type": kind, **options}


KINDS = ["text", "number", "bool", "email", "url", "editor", "date", "json", "geoPoint"]
EVERYONE = {name: "" for name in ["listRule", "viewRule", "createRule", "updateRule", "deleteRule"]}
THINGS = {
    "name": "things",
    **EVERYONE,
    "fields": [field("a_" + kind, kind) for kind in KINDS]
    + [
        field("whole", "number", onlyInt=True),
        field("one", "select", values=["a", "b"]),
        field("some", "select", values=["a", "b"], maxSelect=2),
        field("owner", "relation", collectionId="_pb_users_auth_"),
        field("owners", "relation", collectionId="_pb_users_auth_", maxSelect=3),
        field("secret", "text", hidden=True),
        field("made", "autodate", onCreate=True),
    ],
    "indexes": ["CREATE UNIQUE INDEX things_text ON things (a_text) WHERE a_text != ''"],
}
VIEW = {"name": "totals", "type": "view", "listRule": "", "viewQuery": "SELECT id, a_number + 1 AS more FROM things"}


def main():
    examples = sys.argv[1] if len(sys.argv) > 1 else "8"
    identity = {"identity": os.environ["HOLDALL_ADMIN_EMAIL"], "password": os.environ["HOLDALL_ADMIN_PASSWORD"]}
    token = ask("POST", "/api/collections/_superusers/auth-with-password", identity)["token"]
    ask("POST", "/api/collections", THINGS, token)
    ask("POST", "/api/collections", VIEW, token)
    ask("POST", "/api/collections/things/records", {"a_text": "one", "some": ["a"]}, token)
    with tempfile.TemporaryDirectory() as scratch:
        failed = 0
        # Guests first: a superuser may change the settings so that guests are sent away.
        for caller in ["", token]:
            document = os.path.join(scratch, "openapi.json")
            with open(document, "w", encoding="utf-8") as file:
                json.dump(ask("GET", "/api/openapi.json", token=caller), file)
            command = [
                os.path.join(os.path.dirname(sys.executable), "schemathesis"),
                "--config-file", os.path.join(HERE, "schemathesis.toml"), "run", document, "--url", URL, "--no-color",
                "--checks", CHECKS, "--phases", "coverage,fuzzing", "--max-examples", examples, "--seed", "1",
            ]
            if caller:
                command += ["--header", "Authorization: " + caller]
            done = subprocess.run(command, cwd=scratch, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            if done.returncode:
                failed = 1
                print(done.stdout)
            else:
                print(done.stdout.strip().splitlines()[-1].strip("= "))
        sys.exit(failed)


main()
