"""Checks requests with the reference libraries of Standard Webhooks and CloudEvents.

Batches are for interop.cjs.
Reads a file with a list of requests: {"mode", "secret", "headers", "body", "expected": [event, ...]}, where a body is
a list of bytes and an event is {"id", "type", "source", "subject", "data"} with data as a list of bytes or JSON.
Prints, as JSON, headers that the reference library of Standard Webhooks has made for the body "{}", and exits with 1
if a request is not what it should be.
"""

import json
import sys
from datetime import datetime, timezone

from cloudevents.core.bindings import http
from cloudevents.core.bindings.http import HTTPMessage
from standardwebhooks.webhooks import Webhook, WebhookVerificationError


def events(mode, headers, body):
    if mode == "structured":
        assert headers["content-type"] == "application/cloudevents+json", headers["content-type"]
        return [http.from_structured_event(HTTPMessage(headers, body))]
    if mode == "binary":
        return [http.from_binary_event(HTTPMessage(headers, body))]
    raise AssertionError(f"there is no mode {mode}")


def check(request):
    headers, body = request["headers"], bytes(request["body"])
    found = events(request["mode"], headers, body)
    assert len(found) == len(request["expected"])
    for event, expected in zip(found, request["expected"]):
        data = event.get_data()
        got = {
            "id": event.get_id(),
            "type": event.get_type(),
            "source": event.get_source(),
            "subject": event.get_subject(),
            "data": list(data) if isinstance(data, (bytes, bytearray)) else data,
        }
        assert got == expected, f"{got} is not {expected}"
        assert event.get_specversion() == "1.0" and event.get_time() is not None
    secret = request["secret"]
    if secret is not None:
        Webhook(secret).verify(body, headers, json_parse=False)
        try:
            Webhook(secret).verify(body + b" ", headers, json_parse=False)
        except WebhookVerificationError:
            return
        raise AssertionError("another body was accepted")


requests = json.load(open(sys.argv[1], encoding="utf-8"))
for request in requests:
    # The library has no reader for batches: that for JavaScript has, see interop.cjs.
    if request["mode"] != "batched":
        check(request)
secret, now = requests[0]["secret"], datetime.now(timezone.utc)
signature = Webhook(secret).sign("msg_1", now, "{}")
print(json.dumps({"webhook-id": "msg_1", "webhook-timestamp": str(int(now.timestamp())), "webhook-signature": signature}))
