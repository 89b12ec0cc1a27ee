#!/usr/bin/env python3
"""A conversion relay for one Segment source: `track` calls in, Meta Conversions API and Google Data Manager API out.

Needs Python 3.11 and nothing else. The vendors' hosts are fixed; HTTPS_PROXY and SSL_CERT_FILE are honoured as urllib
does. Every order is committed to SQLite before its call is answered. README.md in the folder above lists the environment
variables, the routes and the values of BREAK, each of which switches on one well-known mistake.
"""

import base64
import email.utils
import hashlib
import heapq
import hmac
import json
import logging
import os
import queue
import random
import re
import signal
import sqlite3
import ssl
import sys
import threading
import time
import unicodedata
import urllib.error
import urllib.parse
import urllib.request
from concurrent.futures import Future
from datetime import datetime, timezone
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

log = logging.getLogger("relay")
BROKEN = set(filter(None, os.environ.get("BREAK", "").split(",")))
DAY = 86_400
TRUSTED_SKEW = 60  # seconds; less is the way of the call, not a wrong clock
BODY_LIMIT = 512 * 1024
LONGEST_RETRY_AFTER = 3_600
WORKERS_PER_DESTINATION = 8


def setting(name, default=None):
    value = os.environ.get(name, default)
    if value is None:
        print(f"error: {name} is not set", file=sys.stderr)
        sys.exit(2)
    return value


class Config:
    """Read once, so that a missing setting stops the start and not an order."""

    def __init__(self):
        self.listen = setting("LISTEN", "127.0.0.1:8080")
        self.database = setting("DATABASE", "relay.sqlite")
        self.write_key = setting("SEGMENT_WRITE_KEY")
        self.operator_key = setting("OPERATOR_KEY")
        self.site = setting("SITE_URL").rstrip("/") + "/"
        self.timeout = float(setting("TIMEOUT_SECONDS", "10"))
        self.retry_base = float(setting("RETRY_BASE_SECONDS", "1"))
        self.retry_cap = float(setting("RETRY_CAP_SECONDS", "300"))
        self.give_up_after = float(setting("GIVE_UP_HOURS", "144")) * 3_600
        # Which consent category answers which question; a category that is not listed answers none.
        self.categories = {
            "ads": setting("CONSENT_ADS", "Advertising"),
            "storage": setting("CONSENT_STORAGE", "Storage"),
            "user_data": setting("CONSENT_USER_DATA", "AdUserData"),
            "personalisation": setting("CONSENT_PERSONALISATION", "AdPersonalization"),
        }
        self.pixel = setting("META_PIXEL_ID")
        self.meta_token = setting("META_ACCESS_TOKEN")
        self.google_account = setting("GOOGLE_ACCOUNT")
        self.google_login = os.environ.get("GOOGLE_LOGIN_ACCOUNT")
        self.google_action = setting("GOOGLE_CONVERSION_ACTION")
        self.google_grant = {
            "grant_type": "refresh_token",
            "client_id": setting("GOOGLE_CLIENT_ID"),
            "client_secret": setting("GOOGLE_CLIENT_SECRET"),
            "refresh_token": setting("GOOGLE_REFRESH_TOKEN"),
        }


# ---- What a track call tells ----------------------------------------------------------------------------------------


def given(value):
    """Text that says something; placeholders of empty form fields do not."""
    text = unicodedata.normalize("NFC", str(value)).strip() if isinstance(value, (str, int)) else ""
    return None if re.fullmatch(r"|-|null|none|undefined|nan|n/?a", text, re.I) else text


def mapping(value):
    return value if isinstance(value, dict) else {}


def whole(number):
    return int(number) if isinstance(number, (int, Decimal)) and 0 < number < 1_000_000 else 1


def seconds(text):
    try:
        return datetime.fromisoformat(str(text).replace("Z", "+00:00")).timestamp()
    except ValueError:
        return None


def placed_at(call, now):
    """The client's clock may be wrong; the distance between its own two readings is right."""
    made, sent = seconds(call.get("originalTimestamp")), seconds(call.get("sentAt"))
    if made is None:
        return seconds(call.get("timestamp")) or now
    skew = now - sent if sent is not None else 0
    return made if abs(skew) < TRUSTED_SKEW else made + skew


def click_ids(address, at):
    """Names in any case, the first value that is not empty, decoded once and not touched again."""
    found = {}
    query = urllib.parse.urlsplit(address if isinstance(address, str) else "").query
    for name, value in urllib.parse.parse_qsl(query):
        name = name.lower()
        if name in ("fbclid", "gclid", "gbraid", "wbraid") and name not in found:
            found[name] = value.lower() if "lower_case_click_id" in BROKEN else value
    return {name: {"id": value, "at": at} for name, value in found.items()}


def clean_page(address):
    """The page without its query, and without its path where that could be about a person."""
    parts = urllib.parse.urlsplit(address if isinstance(address, str) else "")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return None
    path = parts.path if re.fullmatch(r"(/[\w.~-]{0,60}){1,6}", parts.path, re.ASCII) else "/"
    return f"{parts.scheme}://{parts.hostname}{path}"


def consent_of(call, categories):
    """True, False or None per question. Without the object nobody was asked; an empty one means no."""
    consent = mapping(mapping(call.get("context")).get("consent"))
    if "categoryPreferences" not in consent:
        return dict.fromkeys(categories)
    answers = {k.casefold(): v for k, v in mapping(consent["categoryPreferences"]).items()}
    answer = lambda category: answers.get(category.casefold(), None if answers else False)
    return {q: a if isinstance(a := answer(c), bool) else None for q, c in categories.items()}


def read_order(call, config, now):
    """A conversion's facts; contact data only as digests. `problem` says why it can be delivered nowhere."""
    properties, context = mapping(call.get("properties")), mapping(call.get("context"))
    traits = {**mapping(context.get("traits")), **{k: v for k, v in properties.items() if k in ("email", "phone")}}
    page, at = mapping(context.get("page")), placed_at(call, now)
    amount, currency = properties.get("total"), properties.get("currency")
    is_amount = isinstance(amount, (int, Decimal)) and not isinstance(amount, bool) and amount >= 0
    problem = None if is_amount else "total is no amount"
    if not re.fullmatch(r"[A-Z]{3}", str(currency)):
        problem = problem or "there is no currency"
    factor = 100 if "value_in_minor_units" in BROKEN else 1
    products = [p for p in properties.get("products") or [] if isinstance(p, dict)]
    return {
        "id": str(properties["order_id"]),
        "at": now if "event_time_now" in BROKEN else at,
        "received": now,
        "value": float(amount * factor) if is_amount else None,
        "currency": currency,
        "problem": problem,
        "consent": consent_of(call, config.categories),
        "clicks": click_ids(page.get("url"), at),
        "page": clean_page(page.get("url")) or config.site,
        "ip": given(context.get("ip")),
        "agent": given(context.get("userAgent")),
        "match": match_keys(traits),
        "products": [{"id": str(p.get("sku") or p.get("product_id")), "quantity": whole(p.get("quantity"))} for p in products],
    }


# ---- Contact data, in the form that each platform compares ------------------------------------------------------------

DIALLING = {
    "AT": "43", "AU": "61", "BE": "32", "CA": "1", "CH": "41", "CZ": "420", "DE": "49", "DK": "45", "ES": "34",
    "FI": "358", "FR": "33", "GB": "44", "GR": "30", "HU": "36", "IE": "353", "IN": "91", "IT": "39", "JP": "81",
    "LU": "352", "NL": "31", "NO": "47", "NZ": "64", "PL": "48", "PT": "351", "SE": "46", "SK": "421", "US": "1",
}  # fmt: skip


def digest(text):
    if not text or re.fullmatch(r"[0-9a-fA-F]{64}", text):
        return text.lower() if text else None
    return hashlib.sha256(text.encode()).hexdigest()


def e164(typed, country):
    text = (given(typed) or "").replace("(0)", "")
    if not text or any(c.isalpha() for c in text):
        return None
    digits = "".join(str(unicodedata.digit(c)) for c in text if c.isdigit())
    code = DIALLING.get(country)
    if not text.startswith("+"):
        exit_code = "011" if code == "1" else "00"
        if digits.startswith(exit_code):
            digits = digits[len(exit_code) :]
        elif code is None:
            return None
        elif not (code == "1" and len(digits) == 11 and digits.startswith("1")):
            digits = code + (digits if country == "IT" else digits.removeprefix("0"))
    return f"+{digits}" if 7 <= len(digits) <= 15 else None


def without_gmail_extras(address):
    local, _, domain = address.partition("@")
    if domain in ("gmail.com", "googlemail.com"):
        local = local.split("+")[0].replace(".", "")
    return f"{local}@{domain}" if domain else address


def match_keys(traits):
    home = mapping(traits.get("address"))
    country = (given(home.get("country")) or "").upper()
    country = country if re.fullmatch("[A-Z]{2}", country) else None
    address = (given(traits.get("email")) or "").lower()
    if not re.fullmatch(r"[^\s@]+@[^\s@]+|[0-9a-f]{64}", address):
        address = None
    phone = e164(traits.get("phone"), country)
    first, last = given(traits.get("firstName")), given(traits.get("lastName"))
    postcode = given(home.get("postalCode"))
    bare = lambda text: "".join(c for c in text.lower() if unicodedata.category(c)[0] not in "PSZ") if text else None
    zipped = re.sub(r"[\s-]", "", postcode.lower()) if postcode else None
    if zipped and country == "US":
        zipped = zipped[:5] if re.fullmatch(r"\d{5}(\d{4})?", zipped) else None
    hashed = (lambda text: text) if "unhashed_email" in BROKEN else digest
    keys = {
        "email": hashed(address),
        "google_email": digest(without_gmail_extras(address)) if address else None,
        "phone": digest(phone),
        "phone_digits": digest(phone and phone[1:]),
        "first": digest(bare(first)),
        "last": digest(bare(last)),
        "city": digest(bare(given(home.get("city")))),
        "zip": digest(zipped),
        "country": digest(country and country.lower()),
    }
    if first and last and postcode and country:
        keys["google_address"] = {
            "givenName": digest(first.lower()),
            "familyName": digest(last.lower()),
            "regionCode": country,
            "postalCode": postcode,
        }
    return {name: value for name, value in keys.items() if value}


# ---- Store ------------------------------------------------------------------------------------------------------------

SCHEMA = """
create table if not exists orders (id text primary key, facts text not null);
create table if not exists deliveries (
    order_id text not null references orders, destination text not null, state text not null, reason text,
    tries integer not null default 0, due real not null, attempts text not null default '[]',
    primary key (order_id, destination)
);
"""


class Store:
    """One thread writes, in batches: a commit waits for the disk, and all that came meanwhile share the next one."""

    def __init__(self, path):
        self.path, self.waiting = path, queue.SimpleQueue()
        self.reading, self.read_lock = self.connect(), threading.Lock()
        self.reading.executescript(SCHEMA)
        threading.Thread(target=self.write_batches, args=(self.connect(),), daemon=True).start()

    def connect(self):
        db = sqlite3.connect(self.path, check_same_thread=False, isolation_level=None, timeout=30)
        db.row_factory = sqlite3.Row
        db.execute("pragma journal_mode = wal")
        db.execute("pragma synchronous = full")
        return db

    def write_batches(self, db):
        while True:
            batch = [self.waiting.get()]
            while not self.waiting.empty() and len(batch) < 500:
                batch.append(self.waiting.get())
            try:
                db.execute("begin immediate")
                changed = [[db.execute(*statement).rowcount for statement in statements] for statements, _ in batch]
                db.execute("commit")
            except Exception as error:
                if db.in_transaction:
                    db.execute("rollback")
                for _, done in batch:
                    done.set_exception(error)
            else:
                for (_, done), counts in zip(batch, changed):
                    done.set_result(counts)

    def write(self, *statements):
        """Returns when they are on disk, with how many rows each changed."""
        done = Future()
        self.waiting.put((statements, done))
        return done.result()

    def read(self, text, *parameters):
        with self.read_lock:
            return [dict(row) for row in self.reading.execute(text, parameters)]

    def add(self, order, destinations):
        """False if the order is known: then nothing changes."""
        statements = [("insert or ignore into orders values (?, ?)", (order["id"], json.dumps(order)))]
        add_delivery = "insert or ignore into deliveries (order_id, destination, state, due) values (?, ?, 'pending', ?)"
        statements += [(add_delivery, (order["id"], name, order["received"])) for name in destinations]
        return self.write(*statements)[0] == 1

    def order(self, order_id):
        return json.loads(self.read("select facts from orders where id = ?", order_id)[0]["facts"])

    def delivery(self, order_id, destination):
        found = self.read("select * from deliveries where order_id = ? and destination = ?", order_id, destination)
        return found[0] if found else None

    def note(self, d):
        change = "update deliveries set state = ?, reason = ?, tries = ?, due = ?, attempts = ? where order_id = ? and destination = ?"
        values = (d["state"], d["reason"], d["tries"], d["due"], d["attempts"], d["order_id"], d["destination"])
        self.write((change, values))


# ---- Calling out --------------------------------------------------------------------------------------------------------


class NoRedirects(urllib.request.HTTPRedirectHandler):
    """A payload goes to the host it is meant for, or nowhere."""

    def redirect_request(self, *_):
        return None


class Web:
    def __init__(self, timeout):
        self.timeout = timeout
        tls = urllib.request.HTTPSHandler(context=ssl.create_default_context())
        self.opener = urllib.request.build_opener(*([tls] if "follows_redirects" in BROKEN else [tls, NoRedirects]))

    def post(self, url, body, headers):
        """Status, JSON (None if it is none) and seconds to wait; OSError and friends if there was no whole answer."""
        request = urllib.request.Request(url, body, headers, method="POST")
        try:
            answer = self.opener.open(request, timeout=self.timeout)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            text = answer.read(BODY_LIMIT)
            try:
                reply = json.loads(text)
            except ValueError:
                reply = None
            return answer.status, reply if isinstance(reply, dict) else None, retry_after(answer.headers)


def retry_after(headers):
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        wait = int(text)
    else:
        # A date is read against the sender's own clock.
        until, now = email.utils.parsedate_tz(text), email.utils.parsedate_tz(headers.get("Date", ""))
        wait = email.utils.mktime_tz(until) - (email.utils.mktime_tz(now) if now else time.time()) if until else 0
    return min(max(wait, 0), LONGEST_RETRY_AFTER)


def by_status(status):
    if status in (408, 409, 425, 429) or status >= 500:
        return "retry"
    if status in (401, 403):
        return "parked"
    # A success that is not in the platform's own words is none.
    return "retry" if status < 300 else "dead"


def event_id(order):
    return f"purchase.{order['id']}" + (f".{random.random()}" if "random_event_id" in BROKEN else "")


def trimmed(fields):
    return {name: value for name, value in fields.items() if value not in (None, {}, [])}


class Meta:
    """https://developers.facebook.com/docs/marketing-api/conversions-api"""

    PASSING = {1, 2, 4, 17, 32, 341, 368, 613, 5000, 21009, *range(80_000, 80_015)}
    CREDENTIAL = {3, 10, 102, 104, 190, 294, *range(200, 300)}

    def __init__(self, config, web):
        self.config, self.web = config, web

    def send(self, order, consent):
        keys = order["match"] if consent["user_data"] else {}
        click = order["clicks"].get("fbclid") if consent["storage"] else None
        person = {
            "em": keys.get("email"),
            "ph": keys.get("phone_digits"),
            "fn": keys.get("first"),
            "ln": keys.get("last"),
            "ct": keys.get("city"),
            "zp": keys.get("zip"),
            "country": keys.get("country"),
            "fbc": click and f"fb.1.{int(click['at'] * 1000)}.{click['id']}",
            "client_ip_address": order["ip"],
            "client_user_agent": order["agent"],
        }
        event = {
            "event_name": "Purchase",
            "event_time": int(order["at"]),
            "event_id": event_id(order),
            "action_source": "website",
            "event_source_url": order["page"],
            "user_data": trimmed(person),
            "custom_data": {
                "value": order["value"],
                "currency": order["currency"],
                "order_id": order["id"],
                "contents": order["products"],
                "content_type": "product",
            },
        }
        url = f"https://graph.facebook.com/v25.0/{self.config.pixel}/events"
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.config.meta_token}"}
        status, reply, wait = self.web.post(url, json.dumps({"data": [event]}).encode(), headers)
        return status, self.judge(status, reply or {}), wait

    def judge(self, status, reply):
        # The code decides: throttling, bad tokens and bad events all come with 400.
        error = mapping(reply.get("error"))
        code = error.get("code")
        if error.get("is_transient") or code in self.PASSING:
            return "retry"
        if code in self.CREDENTIAL or error.get("error_subcode") == 33:
            return "parked"
        if status == 200 and reply.get("events_received") == 1:
            return "delivered"
        return "dead" if code == 100 else by_status(status)


class DataManager:
    """https://developers.google.com/data-manager/api/devguides/events/send-events"""

    PASSING = {"UNAVAILABLE", "DEADLINE_EXCEEDED", "INTERNAL", "UNKNOWN", "ABORTED", "RESOURCE_EXHAUSTED"}

    def __init__(self, config, web):
        self.config, self.web = config, web
        self.token, self.expires, self.lock = None, 0.0, threading.Lock()

    def send(self, order, consent):
        keys = order["match"] if consent["user_data"] else {}
        clicks = order["clicks"] if consent["storage"] else {}
        first = next((name for name in ("gclid", "gbraid", "wbraid") if name in clicks), None)
        people = [{"emailAddress": keys.get("google_email")}, {"phoneNumber": keys.get("phone")}, {"address": keys.get("google_address")}]
        people = [person for person in people if any(person.values())]
        if not first and not people:
            return None, "withheld", 0
        said = {True: "CONSENT_GRANTED", False: "CONSENT_DENIED"}
        event = {
            "transactionId": event_id(order),
            "eventTimestamp": datetime.fromtimestamp(int(order["at"]), timezone.utc).isoformat(),
            "eventSource": "WEB",
            "conversionValue": order["value"],
            "currency": order["currency"],
            "adIdentifiers": {first: clicks[first]["id"]} if first else None,
            "userData": {"userIdentifiers": people} if people else None,
            "consent": trimmed({"adUserData": said.get(consent["user_data"]), "adPersonalization": said.get(consent["personalisation"])}),
        }
        account = lambda number: {"accountType": "GOOGLE_ADS", "accountId": number}
        destination = {
            "operatingAccount": account(self.config.google_account),
            "loginAccount": account(self.config.google_login) if self.config.google_login else None,
            "productDestinationId": self.config.google_action,
        }
        body = json.dumps({"destinations": [trimmed(destination)], "encoding": "HEX", "events": [trimmed(event)]}).encode()
        for last in (False, True):
            token, refused = self.bearer()
            if refused:
                return refused
            headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
            status, reply, wait = self.web.post("https://datamanager.googleapis.com/v1/events:ingest", body, headers)
            if status != 401 or last:
                return status, self.judge(status, reply or {}), wait
            self.forget(token)

    def bearer(self):
        """An access token, or the answer that stands in for the attempt's. One refresh at a time serves all."""
        with self.lock:
            if time.time() < self.expires:
                return self.token, None
            form = urllib.parse.urlencode(self.config.google_grant).encode()
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            status, reply, wait = self.web.post("https://oauth2.googleapis.com/token", form, headers)
            token = (reply or {}).get("access_token")
            if status == 200 and token:
                self.token, self.expires = token, time.time() + int(reply.get("expires_in", 300)) - 60
                return token, None
            outcome = "parked" if (reply or {}).get("error") in ("invalid_grant", "invalid_client", "unauthorized_client") else by_status(status)
            return None, (status, outcome, wait)

    def forget(self, token):
        with self.lock:
            if token == self.token:
                self.expires = 0.0

    def judge(self, status, reply):
        if status == 200 and reply.get("requestId"):
            return "delivered"
        return "retry" if mapping(reply.get("error")).get("status") in self.PASSING else by_status(status)


# ---- Delivery -----------------------------------------------------------------------------------------------------------


class Lane:
    """The queue of one destination: a slow platform holds up nobody else's orders, a waiting order not its followers."""

    def __init__(self, name, destination, store, config):
        self.name, self.destination, self.store, self.config = name, destination, store, config
        self.queue, self.wake, self.stopping = [], threading.Condition(), False
        self.threads = [threading.Thread(target=self.work, daemon=True) for _ in range(WORKERS_PER_DESTINATION)]

    def start(self):
        open_orders = "select order_id from deliveries where destination = ? and state in ('pending', 'parked')"
        for row in self.store.read(open_orders, self.name):
            self.push(time.time(), row["order_id"])
        for thread in self.threads:
            thread.start()

    def stop(self):
        with self.wake:
            self.stopping = True
            self.wake.notify_all()
        for thread in self.threads:
            thread.join(self.config.timeout + 1)

    def push(self, due, order_id):
        with self.wake:
            heapq.heappush(self.queue, (due, order_id))
            self.wake.notify()

    def work(self):
        while True:
            with self.wake:
                while not self.stopping and (not self.queue or self.queue[0][0] > time.time()):
                    self.wake.wait(self.queue[0][0] - time.time() if self.queue else None)
                if self.stopping:
                    return
                _, order_id = heapq.heappop(self.queue)
            try:
                self.deliver(order_id)
            except Exception as error:  # the database is away, or a defect of ours: the order stays and is tried again
                log.error("order %s %s: %s", order_id, self.name, type(error).__name__)
                self.push(time.time() + self.config.retry_cap, order_id)

    def deliver(self, order_id):
        order, d = self.store.order(order_id), self.store.delivery(order_id, self.name)
        now = time.time()
        d["state"], d["reason"] = self.forbids(order, now)
        if d["state"] == "pending":
            d["tries"] += 1
            status, outcome, wait = self.attempt(order)
            outcome = "dead" if outcome == "retry" and "no_retry" in BROKEN else outcome
            outcome = "retry" if outcome == "dead" and "retries_refusals" in BROKEN else outcome
            attempts = [*json.loads(d["attempts"]), {"at": now, "status": status, "outcome": outcome}]
            d["attempts"] = json.dumps(attempts[-50:])
            d["state"] = "pending" if outcome == "retry" else outcome
            d["reason"] = self.reason(status, outcome)
            backoff = min(self.config.retry_cap, self.config.retry_base * 2 ** min(d["tries"] - 1, 20)) * random.uniform(0.5, 1)
            d["due"] = time.time() + max(backoff, 0 if "ignores_retry_after" in BROKEN else wait)
        self.store.note(d)
        log.info("order %s %s: %s (%s)", order_id, self.name, d["state"], d["reason"])
        if d["state"] == "pending":
            self.push(d["due"], order_id)

    def reason(self, status, outcome):
        if outcome == "withheld":
            return "nothing to match by may be sent"
        return None if outcome == "delivered" else f"status {status}" if status else "no answer"

    def forbids(self, order, now):
        if not order["consent"]["ads"] and "ignore_consent" not in BROKEN:
            return "withheld", "consent " + ("unknown" if order["consent"]["ads"] is None else "denied")
        if order["problem"]:
            return "dead", order["problem"]
        if self.name == "meta" and now - order["at"] > 7 * DAY:
            return "dead", "older than the platform takes"
        if now - order["received"] > self.config.give_up_after:
            return "dead", "tried for too long"
        return "pending", None

    def attempt(self, order):
        try:
            return self.destination.send(order, order["consent"])
        except (OSError, urllib.error.URLError, ValueError) as error:
            log.info("order %s %s: %s", order["id"], self.name, type(error).__name__)
        except Exception as error:  # http.client has exceptions of its own for answers that are cut short
            log.info("order %s %s: %s", order["id"], self.name, type(error).__name__)
        return None, "retry", 0


# ---- HTTP ---------------------------------------------------------------------------------------------------------------


class Relay:
    def __init__(self, config):
        self.config = config
        if "ack_before_store" in BROKEN:
            # As good as memory: what was there is gone with a restart.
            for end in ("", "-wal", "-shm"):
                Path(config.database + end).unlink(missing_ok=True)
        self.store = Store(config.database)
        web = Web(config.timeout)
        destinations = {"meta": Meta(config, web), "data_manager": DataManager(config, web)}
        self.lanes = {name: Lane(name, d, self.store, config) for name, d in destinations.items()}

    def track(self, call):
        event = call.get("event")
        sale = event == "Order Completed" or (event == "Order Updated" and "counts_updates" in BROKEN)
        if call.get("type", "track") != "track" or not sale:
            # Cancelled, refunded and updated orders change nothing at platforms that take no adjustments from us.
            return 200, {"success": True, "ignored": True}
        if not given(mapping(call.get("properties")).get("order_id")):
            return 400, {"success": False, "error": "properties.order_id is missing"}
        order = read_order(call, self.config, time.time())
        if event == "Order Updated":
            order["id"] += "-updated"
        if "no_dedup" in BROKEN:
            order["id"] += f"-{call.get('messageId') or random.random()}-{time.time()}" if self.store.delivery(order["id"], "meta") else ""
        if self.store.add(order, self.lanes):
            for lane in self.lanes.values():
                lane.push(order["received"], order["id"])
        return 200, {"success": True}

    def deliveries(self, order_id):
        listed = "select * from deliveries where order_id = ? or ? = '' order by due desc limit 500"
        rows = self.store.read(listed, order_id, order_id)
        return [{**row, "id": f"{row['destination']}/{row['order_id']}", "attempts": json.loads(row["attempts"])} for row in rows]

    def replay(self, key):
        """A dead or parked delivery is put back, with its order's own id, time and consent."""
        destination, _, order_id = key.partition("/")
        d = self.store.delivery(order_id, destination)
        if not d or d["state"] not in ("dead", "parked"):
            return (409, {"error": "nothing to replay"}) if d else (404, {"error": "unknown"})
        self.store.note({**d, "state": "pending", "reason": "replayed", "due": time.time()})
        self.lanes[destination].push(time.time(), order_id)
        return 202, {}

    def health(self):
        stuck = self.store.read("select count(*) as stuck from deliveries where state = 'parked'")[0]["stuck"]
        return (503 if stuck else 200), {"parked": stuck}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    relay: Relay

    def log_message(self, *_):
        pass

    def answer(self, status, body):
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def authorized(self, expected):
        return hmac.compare_digest(self.headers.get("Authorization", "").encode(), expected.encode())

    def from_source(self):
        """Segment sends the write key as the user name, without a password."""
        key = base64.b64encode(f"{self.relay.config.write_key}:".encode()).decode()
        return self.authorized(f"Basic {key}") or "no_auth_check" in BROKEN

    def from_operator(self):
        return self.authorized(f"Bearer {self.relay.config.operator_key}")

    def body(self):
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not length.isdigit() or int(length) > BODY_LIMIT:
            self.close_connection = True
            return None
        return self.rfile.read(int(length))

    def do_POST(self):
        self.answer(*self.guarded(self.post))

    def do_GET(self):
        self.answer(*self.guarded(self.get))

    def guarded(self, route):
        try:
            return route(urllib.parse.urlsplit(self.path))
        except sqlite3.Error as error:
            log.error("not stored: %s", type(error).__name__)
            return 503, {"error": "not stored"}

    def post(self, url):
        raw = self.body()
        if raw is None:
            return 413, {"error": "too long, or of unknown length"}
        if url.path.startswith("/v1/replay/"):
            key = urllib.parse.unquote(url.path.removeprefix("/v1/replay/"))
            return self.relay.replay(key) if self.from_operator() else (401, {"error": "not allowed"})
        if url.path not in ("/v1/track", "/v1/page", "/v1/identify"):
            return 404, {"error": "no such route"}
        if not self.from_source():
            return 401, {"success": False, "error": "the write key is not right"}
        try:
            call = json.loads(raw, parse_float=Decimal)
        except (ValueError, RecursionError):
            return 400, {"success": False, "error": "the body is no JSON"}
        if not isinstance(call, dict):
            return 400, {"success": False, "error": "the body is no object"}
        return self.relay.track(call) if url.path == "/v1/track" else (200, {"success": True})

    def get(self, url):
        if url.path == "/health":
            return self.relay.health()
        if url.path != "/v1/deliveries":
            return 404, {"error": "no such route"}
        if not self.from_operator():
            return 401, {"error": "not allowed"}
        order_id = urllib.parse.parse_qs(url.query).get("order", [""])[0]
        return 200, {"deliveries": self.relay.deliveries(order_id)}


class Server(ThreadingHTTPServer):
    request_queue_size = 256
    daemon_threads = True


def main():
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(message)s")
    config = Config()
    Handler.relay = relay = Relay(config)
    host, _, port = config.listen.rpartition(":")
    server = Server((host, int(port)), Handler)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    for lane in relay.lanes.values():
        lane.start()
    print(f"relay ready at http://{host}:{server.server_port}", flush=True)
    server.serve_forever(poll_interval=0.05)
    for lane in relay.lanes.values():
        lane.stop()


if __name__ == "__main__":
    main()
