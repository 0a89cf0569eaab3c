"""A mail provider on a loopback port that speaks Postmark's API, and the webhooks providers send, as they send them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import django
from django.test import Client, override_settings

SECRET = "shop:a-long-secret"
SIGNING_KEY = "mailgun-signs-with-this"
ANYMAIL = {
    "WEBHOOK_SECRET": SECRET,
    "MAILGUN_WEBHOOK_SIGNING_KEY": SIGNING_KEY,
    "POSTMARK_SERVER_TOKEN": "token",
}
KNOWN = {"Authorization": f"Basic {base64.b64encode(SECRET.encode()).decode()}"}
_numbers = itertools.count(1)


@contextmanager
def postmark(*, inactive=()):
    """Takes mails over HTTP as Postmark does, but for some addresses; yields the payloads it was given."""
    taken = []

    class Api(BaseHTTPRequestHandler):
        def do_POST(self):
            payload = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            taken.append(payload)
            answer = {"To": payload["To"], "MessageID": f"pm-{len(taken)}", "ErrorCode": 0, "Message": "OK"}
            is_refused = payload["To"] in inactive
            if is_refused:
                told = (
                    f"You tried to send to recipient(s) that have been marked as inactive. Found inactive addresses: {payload['To']}. "
                    "Inactive recipients are ones that have generated a hard bounce, a spam complaint, or a manual suppression."
                )
                answer = {"ErrorCode": 406, "Message": told}
            body = json.dumps(answer).encode()
            self.send_response(422 if is_refused else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    backend = "anymail.backends.postmark.EmailBackend"
    mail = {"MAILERS": {"default": {"BACKEND": backend}}} if django.VERSION >= (6, 1) else {"EMAIL_BACKEND": backend}
    api = f"http://127.0.0.1:{server.server_port}/"
    try:
        with override_settings(ANYMAIL={**ANYMAIL, "POSTMARK_API_URL": api}, **mail):
            yield taken
    finally:
        server.shutdown()
        server.server_close()


def post(url, body, *, headers=KNOWN):
    data = body if isinstance(body, (bytes, str)) else json.dumps(body)
    client = Client(raise_request_exception=False)
    return client.post(f"/anymail/{url}/tracking/", data, content_type="application/json", headers=headers)


def postmark_says(record, mail, *, email, **more):
    """``record``: Bounce, SpamComplaint, SubscriptionChange or Delivery, of the mail with this provider's id."""
    event = {"RecordType": record, "MessageID": mail, **more}
    event["Recipient" if record in ("SubscriptionChange", "Delivery") else "Email"] = email
    event.setdefault("Metadata", {})
    return event


def bounce(mail, *, email, kind="HardBounce", **more):
    about = {"ID": next(_numbers), "Type": kind, "Details": f"550 5.1.1 <{email}> no such user"}
    return postmark_says("Bounce", mail, email=email, BouncedAt="2026-03-02T10:05:00Z", **about, **more)


def left(mail, *, email, at="2026-03-02T11:00:00Z", **more):
    about = {"SuppressSending": True, "SuppressionReason": "ManualSuppression", "ChangedAt": at}
    return postmark_says("SubscriptionChange", mail, email=email, **about, **more)


def mailgun_says(event, *, message_id, email, signed_with=SIGNING_KEY, **more):
    token, second = f"token-{next(_numbers)}", "1772445900"
    signature = hmac.new(signed_with.encode(), f"{second}{token}".encode(), hashlib.sha256).hexdigest()
    about = {"event": event, "recipient": email, "timestamp": float(second), "user-variables": {}, **more}
    return {
        "signature": {"token": token, "timestamp": second, "signature": signature},
        "event-data": {**about, "message": {"headers": {"message-id": message_id.strip("<>")}}},
    }
