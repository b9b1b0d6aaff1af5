"""A stand-in for the hub of Hugging Face: the few calls that its library makes to upload a folder of a dataset."""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Hub:
    """`files` are those of the repository after the last commit; parquet goes by LFS, texts in the commit."""

    url: str = ""
    token: str = "hf_right"
    files: dict[str, bytes] = field(default_factory=dict)
    stored: dict[str, bytes] = field(default_factory=dict)
    """LFS objects by their SHA-256."""
    created: dict[str, Any] = field(default_factory=dict)
    commits: list[str] = field(default_factory=list)

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        if path == "/api/repos/create":
            self.created = json.loads(body)
            return 200, {"url": f"{self.url}/datasets/{self.created['organization']}/{self.created['name']}"}
        if path == "/api/validate-yaml":
            return 200, {"errors": [], "warnings": []}
        if "/preupload/" in path:
            modes = [
                (f["path"], "lfs" if f["path"].endswith("parquet") else "regular")
                for f in json.loads(body)["files"]
            ]
            return 200, {"files": [{"path": p, "uploadMode": m, "shouldIgnore": False} for p, m in modes]}
        if path.endswith("/info/lfs/objects/batch"):
            return 200, {"transfer": "basic", "objects": [self.place(o) for o in json.loads(body)["objects"]]}
        if path.startswith("/lfs/") and method == "PUT":
            assert hashlib.sha256(body).hexdigest() == path.removeprefix("/lfs/")
            self.stored[path.removeprefix("/lfs/")] = body
            return 200, {}
        if "/commit/" in path:
            self.commit([json.loads(line) for line in body.splitlines()])
            return 200, {
                "commitUrl": f"{self.url}/datasets/org/name/commit/{'a' * 40}",
                "commitOid": "a" * 40,
            }
        if "/tree/" in path:
            return 200, [
                {"type": "file", "path": p, "size": len(b), "oid": "0" * 40} for p, b in self.files.items()
            ]
        if method == "GET":
            return 200, {
                "id": "org/name",
                "sha": "b" * 40,
                "siblings": [{"rfilename": p} for p in self.files],
            }
        return 404, {"error": f"the stand-in does not know {method} {path}"}

    def mode(self, path: str) -> dict[str, Any]:
        way = "lfs" if path.endswith("parquet") else "regular"
        return {"path": path, "uploadMode": way, "shouldIgnore": False}

    def place(self, wanted: dict[str, Any]) -> dict[str, Any]:
        href = {"href": f"{self.url}/lfs/{wanted['oid']}"}
        return {"oid": wanted["oid"], "size": wanted["size"], "actions": {"upload": href}}

    def commit(self, lines: list[dict[str, Any]]) -> None:
        for line in lines:
            value = line["value"]
            match line["key"]:
                case "header":
                    self.commits.append(value["summary"])
                case "file":
                    self.files[value["path"]] = base64.b64decode(value["content"])
                case "lfsFile":
                    self.files[value["path"]] = self.stored[value["oid"]]
                case "deletedFile":
                    del self.files[value["path"]]


@contextmanager
def hub() -> Iterator[Hub]:
    found = Hub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = self.path.split("?")[0]
            is_known = self.headers.get("Authorization") == f"Bearer {found.token}" or path.startswith(
                "/lfs/"
            )
            status, said = (
                found.answer(self.command, path, body) if is_known else (401, {"error": "bad token"})
            )
            content = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_any

        def log_message(self, *_: object) -> None:
            """Not into the output of the tests."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield found
        finally:
            server.shutdown()
            thread.join()
