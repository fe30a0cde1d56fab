"""A target whose exemplar steps back in time on purpose.

It shows that the counter the test wants at 0 moves when it should.
"""

import http.server
import threading
import time


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    scrapes = 0

    def do_GET(self) -> None:
        cls = type(self)
        cls.scrapes += 1
        # Every second scrape shows another exemplar, ten seconds older.
        stamp = time.time() - (10 if cls.scrapes % 2 == 0 else 0)
        body = (
            "# TYPE control_requests counter\n"
            f'control_requests_total {cls.scrapes} # {{trace_id="{cls.scrapes:032x}"}} 1.0 {stamp:.3f}\n'
            "# EOF\n"
        ).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/openmetrics-text; version=1.0.0; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args) -> None:
        pass


class ControlTarget:
    def __init__(self) -> None:
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> "ControlTarget":
        self._thread.start()
        return self

    def __exit__(self, *_exc) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=20)
