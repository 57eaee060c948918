"""The lab's client of an API server, before a server that says what one says while it starts."""

import http.client
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lab.cluster.store import ApiError
from lab.real.api import Api

Answer = tuple[int, dict[str, str], bytes]
STARTING: Answer = (503, {"Retry-After": "0"}, b'{"reason": "ServiceUnavailable", "message": "please try again"}')
DONE: Answer = (200, {}, b'{"kind": "Pod"}')


@contextmanager
def server(answers: list[Answer]) -> Iterator[Api]:
    """Gives these answers, the last one for ever."""

    class One(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

        def do_GET(self) -> None:
            status, headers, text = answers.pop(0) if len(answers) > 1 else answers[0]
            self.send_response(status)
            for key, value in {**headers, "Content-Length": str(len(text))}.items():
                self.send_header(key, value)
            self.end_headers()
            self.wfile.write(text)

    with http.server.HTTPServer(("127.0.0.1", 0), One) as listening:
        threading.Thread(target=listening.serve_forever, args=(0.01,), daemon=True).start()
        yield PlainApi(f"https://127.0.0.1:{listening.server_port}")
        listening.shutdown()


class PlainApi(Api):
    """Without certificates: what is tested is what comes behind them."""

    def __init__(self, url: str) -> None:
        super().__init__(url, "", "token")

    def _connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self.host, self.port)


def test_a_server_that_says_when_to_come_again_is_asked_again() -> None:
    with server([STARTING, STARTING, DONE]) as api:
        assert api.request("GET", "/api/v1/pods") == {"kind": "Pod"}


def test_a_server_that_only_puts_off_is_a_refusal_in_the_end() -> None:
    with server([STARTING]) as api, pytest.raises(ApiError, match="please try again"):
        api.request("GET", "/api/v1/pods")


def test_a_refusal_without_a_time_is_one_at_once() -> None:
    with server([(503, {}, STARTING[2]), DONE]) as api, pytest.raises(ApiError, match="please try again"):
        api.request("GET", "/api/v1/pods")
