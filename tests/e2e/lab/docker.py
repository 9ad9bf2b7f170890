"""A Docker engine without containers: it answers what the test says, in the words of docker 28.

Asked by a recorded `docker` on hosts without docker, or by the real one through a socket.
"""

import copy
import http.server
import json
import socketserver
import threading
import urllib.parse
from pathlib import Path

RECORDED = json.loads(Path(__file__).with_name("docker-28-inspect.json").read_text())[0]

# The queries that the real client sends for `docker ps` and `docker inspect`, and what it prints of the
# answers.
CLIENT = """#!/usr/bin/python3
import json, sys
args = sys.argv[1:]
with open({state!r}) as f:
    state = json.load(f)
with open({asked!r}, "a") as f:
    f.write(json.dumps(args) + "\\n")
if state["down"]:
    print("Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
          file=sys.stderr)
    sys.exit(1)
if args[0] == "ps":
    assert args[1:4] == ["--quiet", "--no-trunc", "--filter"] and args[4] == "status=running", args
    name, _, label = args[6].partition("=")
    assert name == "label", args
    key, exact, value = label.strip().partition("=")
    for c in state["containers"]:
        found = c["Config"]["Labels"].get(key)
        if c["State"]["Status"] == "running" and (found == value if exact else found is not None):
            print(c["Id"])
elif args[:2] == ["container", "inspect"]:
    found = [c for c in state["containers"] if c["Id"] in args[2:]]
    print(json.dumps(found, indent=4))
    if len(found) != len(args[2:]):
        print("Error response from daemon: No such container: x", file=sys.stderr)
        sys.exit(1)
elif args[:4] == ["image", "inspect", "--format", "{{{{json .Config.Labels}}}}"]:
    if args[4] not in state["images"]:
        print("Error response from daemon: No such image: x", file=sys.stderr)
        sys.exit(1)
    print(json.dumps(state["images"][args[4]]))
else:
    sys.exit("docker: unknown: " + " ".join(args))
"""


class Engine:
    """engine.containers: inspected containers; engine.images: labels of each image.  Call engine.save() after
    a change.
    """

    def __init__(self, directory):
        self.dir = directory
        self.socket = directory / "docker.sock"
        self.containers = []
        self.images = {RECORDED["Image"]: None}
        self.down = False
        self.server = None
        self.save()

    def container(self, login="alice", status="running", networks=None, piper=None, **labels):
        """Add a container with labels sallyport.NAME, or those of sshpiper in piper; returns its inspected form."""
        c = copy.deepcopy(RECORDED)
        c["Id"] = f"{len(self.containers):064x}"
        c["State"].update(Status=status, Running=status in ("running", "paused"))
        c["Config"]["Labels"].update({"sallyport.login": login, **{f"sallyport.{k}": v for k, v in labels.items()}})
        if piper is not None:
            c["Config"]["Labels"] = {f"sshpiper.{k}": v for k, v in piper.items()}
            c["Name"] = f"/box{len(self.containers)}"
        shape = c["NetworkSettings"]["Networks"].popitem()[1]
        for name, (v4, v6) in (networks or {"people_ssh": ("172.20.0.5", "")}).items():
            c["NetworkSettings"]["Networks"][name] = {**shape, "IPAddress": v4, "GlobalIPv6Address": v6}
        self.containers.append(c)
        self.save()
        return c

    def save(self):
        state = {"containers": self.containers, "images": self.images, "down": self.down}
        (self.dir / "state.json").write_text(json.dumps(state))

    def asked(self):
        file = self.dir / "asked"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    # The recorded client.

    def install_client(self, where):
        where.mkdir(exist_ok=True)
        client = where / "docker"
        client.write_text(CLIENT.format(state=str(self.dir / "state.json"), asked=str(self.dir / "asked")))
        client.chmod(0o755)

    # The server side of the real client.

    def serve(self):
        engine = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_HEAD(self):
                self.do_GET()

            def do_GET(self):
                url = urllib.parse.urlsplit(self.path)
                path = url.path.strip("/").split("/")
                if path[0].startswith("v1."):
                    path = path[1:]
                status, body = engine.answer(path, urllib.parse.parse_qs(url.query))
                body = json.dumps(body).encode()
                self.send_response(status)
                for name, value in (("Api-Version", "1.50"), ("Ostype", "linux"), ("Server", "Docker/28.2.2 (linux)"),
                                    ("Content-Type", "application/json"), ("Content-Length", str(len(body)))):
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def address_string(self):
                return "unix"

            def log_message(self, *args):
                pass

        class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
            daemon_threads = True

        self.server = Server(str(self.socket), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, path, query):
        if path == ["_ping"]:
            return 200, "OK"
        if path == ["containers", "json"]:
            filters = json.loads(query["filters"][0])
            assert set(filters) == {"status", "label"} and list(filters["status"]) == ["running"], filters
            (label,) = filters["label"]
            key, exact, value = label.partition("=")
            return 200, [{"Id": c["Id"], "Labels": c["Config"]["Labels"], "State": "running"} for c in self.containers
                         if c["State"]["Status"] == "running" and key in c["Config"]["Labels"]
                         and (not exact or c["Config"]["Labels"][key] == value)]
        if path[0] == "containers" and path[2:] == ["json"]:
            for c in self.containers:
                if c["Id"] == path[1]:
                    return 200, c
        if path[0] == "images" and path[2:] == ["json"] and path[1] in self.images:
            return 200, {"Id": path[1], "Config": {"Labels": self.images[path[1]]}}
        return 404, {"message": f"No such {path[0][:-1]}: {path[1]}"}

    def close(self):
        if self.server:
            self.server.shutdown()
            self.server.server_close()
