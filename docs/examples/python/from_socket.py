"""Takes a secret from the sidecar's socket, and follows it. Standard library only.

    python3 from_socket.py /run/secretref/agent.sock STRIPE_API_KEY           once
    python3 from_socket.py /run/secretref/agent.sock STRIPE_API_KEY --follow  and each new version
"""

import hashlib
import http.client
import json
import socket
import sys
import time


class Socket(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path):
        # A request that waits is answered within 60 s.
        super().__init__("secretref", timeout=70)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def read(path, name, query=""):
    """The value and its version; None where the version that we have is still the one."""
    connection = Socket(path)
    try:
        connection.request("GET", f"/v1/secrets/{name}{query}")
        answer = connection.getresponse()
        body = answer.read()
    finally:
        connection.close()
    if answer.status == 304:
        return None
    if answer.status != 200:
        why = json.loads(body)
        raise LookupError(f"{why['error']}. Fix: {why['fix']}")
    return body, int(answer.headers["SecretRef-Version"])


def follow(path, name):
    """Each version as it comes, the present one first. Outlives a restart of the sidecar."""
    version = 0
    while True:
        try:
            found = read(path, name, f"?version={version}&wait=60s")
        except (OSError, http.client.HTTPException, LookupError) as error:
            # It is restarting, or has no value now: what we have may still be good.
            print(f"no news of {name}: {error}", file=sys.stderr)
            time.sleep(1)
            continue
        if found is not None:
            version = found[1]
            yield found


def use(name, value, version):
    """Stands for an agent's work: here a client would be made anew with the value."""
    print(f"{name} v{version} sha256 {hashlib.sha256(value).hexdigest()}", flush=True)


if __name__ == "__main__":
    _, path, name, *options = sys.argv
    if "--follow" in options:
        for value, version in follow(path, name):
            use(name, value, version)
    else:
        use(name, *read(path, name))
