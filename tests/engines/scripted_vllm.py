"""Stands in for vLLM's server where no model is needed: takes the same command line, answers, and dies on request.

A prompt that holds `deadly` ends the process with a last word; `refused` is answered by 400. Each answer takes
`--latency` seconds and names the process. `--no-health` never becomes healthy. The first process that is given
`--stuck FILE` answers four times and then no more, though it says that it is healthy and at work.
"""

import json
import os
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def option(name: str, otherwise: str) -> str:
    return sys.argv[sys.argv.index(name) + 1] if name in sys.argv else otherwise


def first(file: str) -> bool:
    """Whether no process before this one was given the file."""
    try:
        os.close(os.open(file, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


STUCK = "--stuck" in sys.argv and first(option("--stuck", ""))
answered = 0


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/health":
            self.say(503 if "--no-health" in sys.argv else 200, {})
        elif self.path == "/metrics" and STUCK:
            page = (
                f"vllm:num_requests_waiting 0\nvllm:num_requests_running 2\nvllm:generation_tokens_total {answered}\n"
            )
            self.say(200, page)
        elif self.path == "/v1/models":
            self.say(200, {"data": [{"id": option("--model", "?")}]})
        else:
            self.say(404, {})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.path != "/v1/chat/completions":
            return self.say(404, {})
        asked = body["messages"][-1]["content"]
        if "deadly" in asked:
            print("Traceback ...\nRuntimeError: a deadly prompt", file=sys.stderr, flush=True)
            os._exit(1)
        if "refused" in asked:
            return self.say(400, {"error": {"message": "such a prompt is refused"}})
        time.sleep(float(option("--latency", "0.02")))
        global answered
        answered += 1
        if STUCK and answered > 4:
            answered = 4
            time.sleep(600)
        choice = {"message": {"role": "assistant", "content": f"{os.getpid()}"}, "finish_reason": "stop"}
        self.say(200, {"choices": [choice], "usage": {"prompt_tokens": 3, "completion_tokens": 1}})

    def say(self, status: int, body: object) -> None:
        payload = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, format: str, *arguments: object) -> None:
        pass


if __name__ == "__main__":
    if "--broken" in sys.argv:
        sys.exit("api_server.py: error: unrecognized arguments: --broken")
    print("loading the weights", flush=True)
    # As vLLM's engine core, a process that does not end by itself when its parent is gone.
    subprocess.Popen(["sleep", "600"])
    ThreadingHTTPServer(("127.0.0.1", int(option("--port", "0"))), Handler).serve_forever()
