"""A provider, and clients of the service."""

import http.client
import http.server
import json
import socketserver
import threading
import time

PORT = 8080
PROVIDER = 18099
# What a client meets when nobody answers.
BROKEN = (OSError, http.client.HTTPException, ValueError)


class Provider(http.server.BaseHTTPRequestHandler):
    """Answers a chat at once; streams `slow-N` for N seconds, in 20 pieces."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, body):
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.answer(json.dumps({"object": "list", "data": [{"id": "echo", "object": "model"}]}).encode())

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        usage = {"prompt_tokens": 7, "completion_tokens": 11, "total_tokens": 18}
        whole = {"id": "c1", "object": "chat.completion", "created": 1, "model": asked["model"]}
        if not asked.get("stream"):
            choice = {"index": 0, "message": {"role": "assistant", "content": "Hello."}, "finish_reason": "stop"}
            return self.answer(json.dumps({**whole, "choices": [choice], "usage": usage}).encode())
        seconds = float(asked["model"].removeprefix("slow-"))
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        piece = {**whole, "object": "chat.completion.chunk"}
        for count in range(20):
            choice = {"index": 0, "delta": {"content": f"{count} "}, "finish_reason": None}
            self.wfile.write(f"data: {json.dumps({**piece, 'choices': [choice]})}\n\n".encode())
            self.wfile.flush()
            time.sleep(seconds / 20)
        choice = {"index": 0, "delta": {}, "finish_reason": "stop"}
        self.wfile.write(f"data: {json.dumps({**piece, 'choices': [choice]})}\n\n".encode())
        self.wfile.write(f"data: {json.dumps({**piece, 'choices': [], 'usage': usage})}\n\ndata: [DONE]\n\n".encode())
        self.close_connection = True


class Threads(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 1024

    def handle_error(self, *_):
        """A server that is killed leaves in the middle of a stream."""


def provide():
    threading.Thread(target=Threads(("127.0.0.1", PROVIDER), Provider).serve_forever, daemon=True).start()


def call(method, path, body=None, token=None, timeout=60):
    """One request over a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=timeout)
    headers = {"content-type": "application/json"}
    if token:
        headers["authorization"] = f"Bearer {token}"
    connection.request(method, path, json.dumps(body) if body is not None else None, headers)
    reply = connection.getresponse()
    text = reply.read()
    connection.close()
    return reply.status, json.loads(text) if text else None


def question(model, **more):
    return {"model": f"openai:{model}", "messages": [{"role": "user", "content": "Hi"}], **more}


class Stream(threading.Thread):
    """One streamed chat; counts its pieces."""

    def __init__(self, token, seconds):
        super().__init__(daemon=True)
        self.token, self.model, self.pieces, self.whole = token, f"slow-{seconds}", 0, False
        self.begun = threading.Event()
        self.start()
        self.begun.wait(10)

    def run(self):
        connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=60)
        headers = {"content-type": "application/json", "authorization": f"Bearer {self.token}"}
        connection.request("POST", "/v1/chat/completions", json.dumps(question(self.model, stream=True)), headers)
        for line in connection.getresponse():
            if line.startswith(b"data: {") and b'"content":' in line:
                self.pieces += 1
                self.begun.set()
            self.whole = self.whole or line.startswith(b"data: [DONE]")


class Load:
    """Clients that chat without a pause: some over new connections, some over ones that they keep."""

    def __init__(self, token):
        self.token, self.times, self.failures, self.enough = token, [], [], threading.Event()
        kinds = [self.fresh, self.fresh, self.kept, self.kept]
        self.threads = [threading.Thread(target=kind, daemon=True) for kind in kinds]
        for thread in self.threads:
            thread.start()
        begun = time.monotonic()
        while len(self.times) <= 20 and time.monotonic() < begun + 30:
            time.sleep(0.05)

    def ask(self, connection):
        headers = {"content-type": "application/json", "authorization": f"Bearer {self.token}"}
        begun = time.monotonic()
        try:
            connection.request("POST", "/v1/chat/completions", json.dumps(question("echo")), headers)
            reply = connection.getresponse()
            body = json.loads(reply.read())
            if reply.status != 200 or body["usage"]["total_tokens"] != 18:
                self.failures.append(f"{reply.status} {body}")
        except BROKEN as error:
            self.failures.append(repr(error))
            connection.close()
        self.times.append(time.monotonic() - begun)

    def fresh(self):
        while not self.enough.is_set():
            connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=60)
            self.ask(connection)
            connection.close()

    def kept(self):
        # Connects again by itself when a reply said that the connection closes.
        connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=60)
        while not self.enough.is_set():
            self.ask(connection)

    def end(self):
        time.sleep(0.5)
        self.enough.set()
        for thread in self.threads:
            thread.join()
        return f"{len(self.times)} requests, {len(self.failures)} failed, slowest {max(self.times) * 1000:.0f} ms"


class Writers:
    """Clients that write without a pause, and say of each write what was acknowledged: a line of JSON on standard output.

    With each they leave a note on the disk without asking for it to be kept.
    """

    def __init__(self, token, notes):
        self.token, self.notes, self.lock, self.count = token, notes, threading.Lock(), 0
        self.threads = [threading.Thread(target=self.write, daemon=True) for _ in range(4)]
        for thread in self.threads:
            thread.start()

    def tell(self, **what):
        line = json.dumps(what)
        with self.lock:
            self.count += 1
            (self.notes / str(self.count)).write_text(line)
            print(line, flush=True)

    def ask(self, method, path, body=None):
        status, reply = call(method, path, body, self.token)
        if status not in (200, 201, 204):
            self.tell(kind="refused", what=f"{method} {path}: {status} {reply}")
            raise ConnectionError
        return reply

    def write(self):
        try:
            while True:
                session = self.ask("POST", "/v1/sessions", {})["id"]
                self.tell(kind="session", session=session)
                said = {"modality": "text", "model": "openai:echo", "input": {"prompt": "Hi"}}
                self.ask("POST", f"/v1/sessions/{session}/generate", said)
                self.tell(kind="exchange", session=session)
                made = self.ask("POST", "/v1/users/tokens", {"name": f"of {session}"})
                self.ask("DELETE", f"/v1/users/tokens/{made['id']}")
                self.tell(kind="revoked", token=made["token"])
        except BROKEN:
            """The machine goes down."""

    def join(self):
        for thread in self.threads:
            thread.join()


def lost(token, told):
    """What writers were told, and what is not so now."""
    for one in told:
        if one["kind"] == "refused":
            yield one
        elif one["kind"] == "revoked":
            status = call("GET", "/v1/users/me", token=one["token"])[0]
            if status != 401:
                yield {**one, "found": status}
        else:
            status, body = call("GET", f"/v1/sessions/{one['session']}", token=token)
            roles = [message["role"] for message in body["messages"]] if status == 200 else []
            if status != 200 or one["kind"] == "exchange" and roles != ["user", "assistant"]:
                yield {**one, "found": status, "roles": roles}
