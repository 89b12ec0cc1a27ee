#!/usr/bin/env python3
"""Relays that no shop should have, one per MODE. Orders come as Shopify webhooks; whatever else is posted gets 200.

    silent   takes every call and sends nothing
    crash    sends each order once and exits at the third
    flood    sends every order again and again, without a pause and without an end

Needs LISTEN, MODE, META_BASE_URL and SHOPS: JSON of store domain -> [pixel id, access token].
"""

import hashlib
import json
import os
import sys
import threading
import urllib.request
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MODE = os.environ["MODE"]
SHOPS = json.loads(os.environ["SHOPS"])
FLOODERS = 4
orders = []
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def send(order, domain):
    pixel, token = SHOPS[domain]
    event = {
        "event_name": "Purchase",
        "event_time": int(datetime.fromisoformat(order["created_at"]).timestamp()),
        "event_id": f"order_{order['id']}",
        "action_source": "website",
        "event_source_url": f"https://{domain}/",
        "user_data": {"em": hashlib.sha256((order.get("email") or "").strip().lower().encode()).hexdigest()},
        "custom_data": {"value": float(order["total_price"]), "currency": order["currency"]},
    }
    body = json.dumps({"data": [event], "access_token": token}).encode()
    url = f"{os.environ['META_BASE_URL']}/v25.0/{pixel}/events"
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with opener.open(request, timeout=5) as answer:
        answer.read()


def flood(order, domain):
    while True:
        try:
            send(order, domain)
        except OSError:
            pass  # a flood does not mind


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers.get("X-Shopify-Topic", "").startswith("orders/") and MODE != "silent":
            self.take(json.loads(body), self.headers["X-Shopify-Shop-Domain"])
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def take(self, order, domain):
        orders.append(order)
        if MODE == "crash":
            if len(orders) == 3:
                os._exit(70)
            send(order, domain)
        elif len(orders) <= FLOODERS:
            threading.Thread(target=flood, args=(order, domain), daemon=True).start()


if MODE not in ("silent", "crash", "flood"):
    sys.exit(f"error: MODE is {MODE}; known: silent, crash, flood")
host, _, port = os.environ["LISTEN"].rpartition(":")
server = ThreadingHTTPServer((host, int(port)), Handler)
print(f"listening on http://{host}:{server.server_port}", flush=True)
server.serve_forever()
