#!/usr/bin/env node
// A conversion relay for one WooCommerce store: order webhooks in, Meta Conversions API and TikTok Events API out.
//
// Needs Node 20 and nothing else. State is one append-only journal (DATA_DIR/journal.ndjson) that is on disk before
// any request is answered; it holds digests of contact data, never the data. README.md in the folder above lists the
// environment variables, the routes and the values of BREAK, each of which switches on one well-known mistake.

import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';

const env = process.env;
const required = (name) => env[name] || fail(`${name} is not set`);
const broken = new Set((env.BREAK ?? '').split(',').filter(Boolean));
const config = {
  listen: env.LISTEN ?? '127.0.0.1:8080',
  dataDir: env.DATA_DIR ?? '.',
  storeUrl: required('STORE_URL').replace(/\/+$/, ''),
  secrets: required('WC_WEBHOOK_SECRETS').split(',').filter(Boolean),
  adminToken: required('ADMIN_TOKEN'),
  requestTimeout: Number(env.REQUEST_TIMEOUT_MS ?? 10_000),
  retryBase: Number(env.RETRY_BASE_MS ?? 1_000),
  retryCap: Number(env.RETRY_CAP_MS ?? 300_000),
  giveUpAfter: Number(env.GIVE_UP_HOURS ?? 144) * 3_600_000,
  stitchGrace: Number(env.STITCH_GRACE_MS ?? 5_000),
};
const DAY = 86_400_000;
const CLICK_LIFETIME = 90 * DAY;
const LONGEST_RETRY_AFTER = 3_600_000;
const BODY_LIMIT = 1 << 20;

function fail(message) {
  console.error(`error: ${message}`);
  process.exit(2);
}

const log = (message) => console.error(`${new Date().toISOString()} ${message}`);
const sha256 = (text) => createHash('sha256').update(text).digest('hex');
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function sameText(a, b) {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}

// Integers beyond 2^53 become strings: order ids must survive as they are written.
function parseJson(text) {
  const token = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
  return JSON.parse(text.replace(token, (t) => (/^-?\d{16,}$/.test(t) ? `"${t}"` : t)));
}

// ---- Consent: four questions, each answered `allow` or `deny`, or not answered ------------------------------------

const QUESTIONS = ['storage', 'ads', 'contact', 'profile'];

// `storage:allow,ads:deny`; Google's gcs and gcd signals. Undefined: nothing was said at all.
function readChoice(list, gcs, gcd) {
  const said = [list && choiceOfList(list), gcs && choiceOfGcs(gcs), gcd && choiceOfGcd(gcd)].filter(Boolean);
  if (said.length === 0) return undefined;
  const choice = {};
  for (const question of QUESTIONS) {
    // gcs has no opinion on contact and profile; otherwise only a unanimous yes is one.
    const answers = said.filter((s) => question in s || !s.partial).map((s) => s[question]);
    if (answers.includes('deny')) choice[question] = 'deny';
    else if (answers.length > 0 && answers.every((a) => a === 'allow')) choice[question] = 'allow';
  }
  return choice;
}

function choiceOfList(text) {
  const pairs = text.split(/[,;]/).map((pair) => pair.split(/[:=]/, 2));
  return Object.fromEntries(pairs.filter(([q, a]) => QUESTIONS.includes(q) && (a === 'allow' || a === 'deny')));
}

function choiceOfGcs(text) {
  const digit = /^G1([01])[01]$/.exec(text)?.[1];
  const answer = { 1: 'allow', 0: 'deny' }[digit];
  return { partial: true, storage: answer, ads: answer };
}

function choiceOfGcd(text) {
  const letters = /^\d\d([a-z])\d[a-z]\d([a-z])\d([a-z])\d$/.exec(text);
  const answer = (letter) => ('rtvn'.includes(letter) ? 'allow' : 'pqum'.includes(letter) ? 'deny' : undefined);
  if (!letters || /[^lpqrtuvmn\d]/.test(text)) return {};
  const [, storage, contact, profile] = letters;
  return { storage: answer(storage), ads: answer(storage), contact: answer(contact), profile: answer(profile) };
}

function stricter(one = {}, other = {}) {
  const merge = (q) => [one[q], other[q]].find((a) => a === 'deny') ?? one[q] ?? other[q];
  return Object.fromEntries(QUESTIONS.map((q) => [q, merge(q)]));
}

// ---- Clicks -------------------------------------------------------------------------------------------------------

const CLICK_IDS = ['fbclid', 'ttclid'];

// Names in any case; the first value that is not empty; decoded once by URLSearchParams and never touched again.
function clicksOf(address, at) {
  const found = {};
  if (!URL.canParse(address)) return found;
  for (const [name, value] of new URL(address).searchParams) {
    const known = name.toLowerCase();
    if (!CLICK_IDS.includes(known) || value === '' || known in found) continue;
    found[known] = { id: broken.has('lower_case_click_id') ? value.toLowerCase() : value, at };
  }
  return found;
}

// Where the shopper was, without anything that could be about the shopper.
function pageOf(address) {
  if (!URL.canParse(address)) return undefined;
  const { origin, pathname } = new URL(address);
  return /^(\/[\w.~-]{0,60}){1,6}$/.test(pathname) ? origin + pathname : `${origin}/`;
}

const cookieFbc = (text) => (/^fb\.[0-2]\.\d{10,13}\.[\w.-]+$/.test(text ?? '') ? text : undefined);
const cookieFbp = (text) => (/^fb\.[0-2]\.\d{10,13}\.\d+(\.[\w-]+)?$/.test(text ?? '') ? text : undefined);

// The cookie for this very click is kept byte for byte; otherwise the id is built from its first observation.
function fbcOf(touch) {
  const click = touch?.clicks?.fbclid;
  if (!click) return touch?.fbc?.text;
  if (touch.fbc?.text.split('.')[3] === click.id) return touch.fbc.text;
  return `fb.1.${broken.has('fbc_in_seconds') ? Math.trunc(click.at / 1000) : click.at}.${click.id}`;
}

// ---- Contact data: normalised and hashed on the way in ---------------------------------------------------------------

const DIAL = { AT: 43, AU: 61, BE: 32, CA: 1, CH: 41, CZ: 420, DE: 49, DK: 45, ES: 34, FI: 358, FR: 33, GB: 44, GR: 30,
  HU: 36, IE: 353, IN: 91, IT: 39, JP: 81, LU: 352, NL: 31, NO: 47, NZ: 64, PL: 48, PT: 351, RO: 40, SE: 46, SK: 421, US: 1 };

function given(text) {
  const plain = typeof text === 'string' ? text.normalize('NFC').trim() : '';
  return /^(|-|null|undefined|none|nan|n\/?a)$/i.test(plain) ? undefined : plain;
}

// `+` and digits; undefined if the country code is not known.
function international(typed, country) {
  const text = given(typed)?.replace('(0)', '');
  if (!text || /[a-z]/i.test(text)) return undefined;
  let digits = text.replace(/\D/g, '');
  if (!text.startsWith('+')) {
    const dial = DIAL[country];
    const exit = dial === 1 ? /^011/ : /^00/;
    if (exit.test(digits)) digits = digits.replace(exit, '');
    else if (!dial) return undefined;
    else if (!(dial === 1 && /^1\d{10}$/.test(digits))) digits = dial + (country === 'IT' ? digits : digits.replace(/^0/, ''));
  }
  return digits.length >= 7 && digits.length <= 15 ? `+${digits}` : undefined;
}

function matchKeys(billing) {
  const hash = (text) => (text === undefined || text === '' ? undefined : /^[0-9a-f]{64}$/i.test(text) ? text.toLowerCase() : sha256(text));
  const bare = (text) => given(text)?.toLowerCase().replace(/[\p{P}\p{S}\s]/gu, '');
  const country = /^[a-z]{2}$/i.test(given(billing.country) ?? '') ? given(billing.country).toUpperCase() : undefined;
  const email = given(billing.email)?.toLowerCase();
  const usable = email && (/^[^\s@]+@[^\s@]+$/.test(email) || /^[0-9a-f]{64}$/.test(email));
  const phone = international(billing.phone, country);
  const postcode = given(billing.postcode)?.toLowerCase().replace(/[\s-]/g, '');
  const zip = country === 'US' ? /^(\d{5})(\d{4})?$/.exec(postcode ?? '')?.[1] : postcode;
  const state = bare(billing.state);
  return {
    email: usable ? (broken.has('unhashed_email') ? email : hash(email)) : undefined,
    phone: hash(phone),
    phoneDigits: hash(phone?.slice(1)),
    first: hash(bare(billing.first_name)),
    last: hash(bare(billing.last_name)),
    city: hash(bare(billing.city)),
    state: country === 'US' && state?.length === 2 ? hash(state) : undefined,
    zip: hash(zip),
    country: hash(country?.toLowerCase()),
  };
}

// ---- State and its journal ----------------------------------------------------------------------------------------

const visitors = new Map(); // id -> { choice, touch }
const visitorOfCart = new Map(); // cart hash -> visitor id
const orders = new Map(); // id -> order, as journaled, with its deliveries

const journal = {
  path: join(config.dataDir, 'journal.ndjson'),
  waiting: [],
  writing: undefined,

  async start() {
    mkdirSync(config.dataDir, { recursive: true });
    let text = '';
    try {
      text = readFileSync(this.path, 'utf8');
    } catch (error) {
      if (error.code !== 'ENOENT') throw error;
    }
    // A torn last line was never acknowledged; a newline keeps it apart from what follows.
    for (const line of text.split('\n')) {
      try {
        if (line) apply(JSON.parse(line));
      } catch {
        log('journal: a torn line was left out');
      }
    }
    this.file = await open(this.path, 'a');
    if (text && !text.endsWith('\n')) await this.file.appendFile('\n');
  },

  // Resolves when the record is on disk. Records that come while a write is under way share the next one.
  append(record) {
    return new Promise((resolve, reject) => {
      this.waiting.push({ line: `${JSON.stringify(record)}\n`, resolve, reject });
      this.writing ??= this.drain();
    });
  },

  async drain() {
    while (this.waiting.length > 0) {
      const batch = this.waiting.splice(0);
      try {
        await this.file.appendFile(batch.map((entry) => entry.line).join(''));
        await this.file.datasync();
        batch.forEach((entry) => entry.resolve());
      } catch (error) {
        batch.forEach((entry) => entry.reject(error));
      }
    }
    // In the same breath as the look at an empty list: a record that comes later has to start a drain of its own.
    this.writing = undefined;
  },
};

// The only place where state changes, live and when the journal is read back.
function apply(record) {
  if (record.type === 'visitor') {
    visitors.set(record.id, { choice: record.choice, touch: record.touch });
    if (record.cart) visitorOfCart.set(record.cart, record.id);
  } else if (record.type === 'order') {
    orders.set(record.order.id, { ...record.order, deliveries: {} });
  } else if (record.type === 'settled') {
    orders.get(record.order).settled = record.settled;
  } else if (record.type === 'delivery') {
    orders.get(record.order).deliveries[record.destination] = record.delivery;
  }
}

const save = (record) => (apply(record), journal.append(record));

// ---- Intake -------------------------------------------------------------------------------------------------------

function noteVisitor(id, { choice, gpc, address, cookies, cart, device, at }) {
  const known = visitors.get(id) ?? {};
  const current = gpc ? { ...(choice ?? known.choice), ads: 'deny' } : (choice ?? known.choice);
  // Without any answer there is nothing that may be remembered, not even that somebody was here.
  if (current === undefined) return undefined;
  let touch = known.touch;
  if (current?.storage !== 'allow') {
    // Nothing is kept without a yes, and a no clears what was kept.
    touch = undefined;
    cart = undefined;
  } else if (address !== undefined) {
    const clicks = clicksOf(address, at);
    const old = touch?.clicks ?? {};
    for (const name of CLICK_IDS) if (old[name] && old[name].id === clicks[name]?.id) clicks[name] = old[name];
    const fbc = cookieFbc(cookies._fbc);
    touch = {
      clicks: { ...old, ...clicks },
      fbc: fbc ? { text: fbc, at } : touch?.fbc,
      fbp: cookieFbp(cookies._fbp) ?? touch?.fbp,
      ttp: cookies._ttp || touch?.ttp,
      page: pageOf(address) ?? touch?.page,
      ...device,
    };
  }
  return save({ type: 'visitor', id, choice: current, touch, cart });
}

// What the webhook tells, reduced to what a conversion needs; `problem` names what makes it undeliverable.
function readOrder(body) {
  const meta = new Map((body.meta_data ?? []).filter((m) => m?.key).map((m) => [m.key, String(m.value ?? '')]));
  const utc = (text) => (typeof text === 'string' ? Date.parse(`${text}Z`) : NaN);
  const at = [utc(body.date_created_gmt), utc(body.date_paid_gmt), Date.now()].find((time) => !Number.isNaN(time));
  const amount = /^\d+(\.\d+)?$/.test(String(body.total ?? '')) ? Number(body.total) : undefined;
  const currency = /^[A-Z]{3}$/.test(body.currency ?? '') ? body.currency : undefined;
  const lines = Array.isArray(body.line_items) ? body.line_items : [];
  return {
    id: String(body.id),
    at,
    received: Date.now(),
    amount: broken.has('value_in_minor_units') && amount !== undefined ? Math.round(amount * 100) : amount,
    currency,
    problem: amount === undefined ? 'the total is no amount' : currency ? undefined : 'there is no currency',
    contents: lines.map((line) => ({ id: String(line.sku || line.product_id || line.id), quantity: Number(line.quantity) || 1 })),
    match: matchKeys(body.billing ?? {}),
    visitor: meta.get('_relay_visitor') || undefined,
    cart: body.cart_hash || undefined,
    choice: readChoice(meta.get('_relay_consent')),
    entry: clicksOf(meta.get('_wc_order_attribution_session_entry') ?? '', at),
    ip: body.customer_ip_address || undefined,
    agent: body.customer_user_agent || undefined,
  };
}

// Only what a shopper bought and paid for on the website is a conversion.
function isSale(body) {
  const paid = ['processing', 'completed'].includes(body.status);
  const website = ['checkout', 'store-api'].includes(body.created_via);
  return paid && website && !/^(bogus|test|dummy)/i.test(body.payment_method ?? '');
}

async function takeOrder(body) {
  const order = readOrder(body);
  if (broken.has('no_dedup') && orders.has(order.id)) order.id += `-${orders.size}`;
  const known = orders.get(order.id);
  // Of several copies at one moment the first is being written: the others are answered when it is.
  if (known) return known.saved;
  const saving = broken.has('ack_before_store') ? apply({ type: 'order', order }) : save({ type: 'order', order });
  const stored = orders.get(order.id);
  stored.saved = Promise.resolve(saving);
  await stored.saved;
  for (const name of Object.keys(destinations)) void deliver(stored, name);
}

const visitorOf = (order) => [order.visitor, visitorOfCart.get(order.cart)].find((id) => visitors.has(id));

// ---- Destinations: how a conversion is written, and what an answer means ---------------------------------------------

const conversionId = (order) => `order_${order.id}${broken.has('random_event_id') ? `_${Math.random()}` : ''}`;
const money = (order) => ({ value: order.amount, currency: order.currency });

const destinations = {
  meta: {
    url: () => `${env.META_BASE_URL ?? 'https://graph.facebook.com'}/v25.0/${required('META_PIXEL_ID')}/events`,
    headers: () => ({}),
    body(order, { touch, choice }) {
      const m = choice.contact === 'allow' ? order.match : {};
      return {
        access_token: required('META_ACCESS_TOKEN'),
        data: [{
          event_name: 'Purchase',
          event_time: Math.trunc(order.at / 1000),
          event_id: conversionId(order),
          action_source: 'website',
          event_source_url: touch?.page ?? `${config.storeUrl}/`,
          user_data: {
            em: m.email, ph: m.phoneDigits, fn: m.first, ln: m.last, ct: m.city, st: m.state, zp: m.zip, country: m.country,
            fbc: fbcOf(touch), fbp: touch?.fbp,
            client_ip_address: touch?.ip ?? order.ip, client_user_agent: touch?.agent ?? order.agent,
          },
          custom_data: {
            ...money(order),
            order_id: order.id,
            content_type: 'product',
            contents: order.contents.map(({ id, quantity }) => ({ id, quantity })),
          },
        }],
      };
    },
    // https://developers.facebook.com/docs/graph-api/guides/error-handling: the code decides, not the status.
    judge(status, reply) {
      if (reply?.error) {
        const { code, error_subcode: subcode, is_transient: transient } = reply.error;
        if (transient || [1, 2, 4, 17, 32, 341, 368, 613, 5000, 21009].includes(code) || (code >= 80000 && code <= 80014)) return 'retry';
        if ([3, 10, 102, 104, 190, 294].includes(code) || (code >= 200 && code <= 299) || subcode === 33) return 'parked';
        if (code === 100) return 'dead';
      }
      return status === 200 && reply?.events_received === 1 ? 'delivered' : byStatus(status);
    },
    trace: (reply) => reply?.fbtrace_id ?? reply?.error?.fbtrace_id,
  },
  tiktok: {
    url: () => `${env.TIKTOK_BASE_URL ?? 'https://business-api.tiktok.com'}/open_api/v1.3/event/track/`,
    headers: () => ({ 'Access-Token': required('TIKTOK_ACCESS_TOKEN') }),
    body(order, { touch, choice }) {
      const m = choice.contact === 'allow' ? order.match : {};
      return {
        event_source: 'web',
        event_source_id: required('TIKTOK_PIXEL_CODE'),
        data: [{
          event: 'Purchase',
          event_time: Math.trunc(order.at / 1000),
          event_id: conversionId(order),
          user: {
            email: m.email, phone: m.phone, ttclid: touch?.clicks?.ttclid?.id, ttp: touch?.ttp,
            ip: touch?.ip ?? order.ip, user_agent: touch?.agent ?? order.agent,
          },
          page: { url: touch?.page ?? `${config.storeUrl}/` },
          properties: {
            ...money(order),
            order_id: order.id,
            content_type: 'product',
            contents: order.contents.map(({ id, quantity }) => ({ content_id: id, quantity })),
          },
        }],
      };
    },
    // Failures come with status 200; success is code 0.
    judge(status, reply) {
      if (status === 200 && broken.has('trusts_status')) return 'delivered';
      const code = reply?.code;
      if (code === 0 && status === 200) return 'delivered';
      if (code === 40100 || code >= 50000) return 'retry';
      if (code === 40001 || (code >= 40101 && code <= 40105)) return 'parked';
      return code >= 40000 && status === 200 ? 'dead' : byStatus(status);
    },
    trace: (reply) => reply?.request_id,
  },
};

function byStatus(status) {
  if ([408, 425, 429].includes(status) || status >= 500) return 'retry';
  if ([401, 403].includes(status)) return 'parked';
  // A success without the platform's own words is none; whatever else there is will not get better.
  return status < 300 ? 'retry' : 'dead';
}

// ---- Delivery: one loop per conversion and destination -----------------------------------------------------------------

let stopping = false;
const underWay = new Set();
const slots = Object.fromEntries(Object.keys(destinations).map((name) => [name, { free: 32, queue: [] }]));

async function withSlot(name, work) {
  const pool = slots[name];
  if (pool.free > 0) pool.free -= 1;
  else await new Promise((resolve) => pool.queue.push(resolve));
  try {
    return await work();
  } finally {
    const next = pool.queue.shift();
    if (next) next();
    else pool.free += 1;
  }
}

// What is known of the shopper, frozen with the first decision so that every attempt carries the same click.
function settle(order) {
  const id = visitorOf(order);
  const touch = visitors.get(id)?.touch;
  const fresh = (thing) => thing && order.at - thing.at <= CLICK_LIFETIME;
  const own = Object.entries(touch?.clicks ?? {}).filter(([, click]) => fresh(click));
  const clicks = own.length > 0 || touch?.fbc ? Object.fromEntries(own) : order.entry;
  const settled = { visitor: id, touch: { ...touch, clicks, fbc: fresh(touch?.fbc) ? touch.fbc : undefined } };
  return save({ type: 'settled', order: order.id, settled });
}

async function deliver(order, name) {
  const delivery = order.deliveries[name] ?? { state: 'pending', attempts: [] };
  order.deliveries[name] = delivery;
  if (delivery.state !== 'pending' && delivery.state !== 'parked') return;
  const end = (state, reason) => {
    Object.assign(delivery, { state, reason });
    log(`order ${order.id} ${name}: ${state}${reason ? ` (${reason})` : ''}`);
    return journal.append({ type: 'delivery', order: order.id, destination: name, delivery });
  };
  // The landing may still be on its way when the store is quicker than the browser.
  const patience = order.received + config.stitchGrace;
  while ((order.visitor || order.cart) && !order.settled && !visitorOf(order) && Date.now() < patience && !stopping) await sleep(25);
  while (!stopping) {
    if (!order.settled) await settle(order);
    // Asked before every attempt: what was allowed when the order came may have been withdrawn since.
    const choice = stricter(order.choice, visitors.get(order.settled.visitor)?.choice);
    if (choice.ads !== 'allow' && !broken.has('ignore_consent')) return end('withheld', choice.ads ? 'ads refused' : 'no consent known');
    if (order.problem) return end('dead', order.problem);
    if (Date.now() - order.at > 7 * DAY) return end('dead', 'older than the platform takes');
    if (Date.now() - order.received > config.giveUpAfter) return end('dead', 'tried for too long');
    const touch = choice.storage === 'allow' ? order.settled.touch : undefined;
    const work = withSlot(name, () => attempt(destinations[name], destinations[name].body(order, { touch, choice })));
    underWay.add(work);
    const result = await work.finally(() => underWay.delete(work));
    delivery.attempts.push({ at: new Date().toISOString(), ...result, wait: undefined });
    if (delivery.attempts.length > 50) delivery.attempts.shift();
    if (result.outcome === 'retry' && broken.has('no_retry')) return end('dead', 'not tried again');
    if (result.outcome === 'dead' && broken.has('retries_refusals')) result.outcome = 'retry';
    if (result.outcome !== 'retry') return end(result.outcome, result.outcome === 'delivered' ? undefined : result.reason);
    delivery.reason = result.reason;
    log(`order ${order.id} ${name}: attempt ${delivery.attempts.length} failed (${result.reason})`);
    const backoff = Math.min(config.retryCap, config.retryBase * 2 ** Math.min(delivery.attempts.length - 1, 20));
    await sleep(Math.max(backoff * (0.5 + Math.random() / 2), broken.has('ignores_retry_after') ? 0 : result.wait));
  }
}

async function attempt(destination, body) {
  try {
    const response = await fetch(destination.url(), {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', ...destination.headers() },
      body: JSON.stringify(body),
      redirect: 'manual',
      signal: AbortSignal.timeout(config.requestTimeout),
    });
    const text = await response.text();
    let reply;
    try {
      reply = JSON.parse(text);
    } catch {
      // Not the platform's own answer; judged by its status.
    }
    const outcome = destination.judge(response.status, reply);
    const reason = `status ${response.status}, code ${reply?.error?.code ?? reply?.code ?? 'none'}`;
    return { status: response.status, outcome, reason, trace: destination.trace(reply), wait: retryAfter(response.headers) };
  } catch (error) {
    return { outcome: 'retry', reason: error.cause?.code ?? error.name, wait: 0 };
  }
}

// Seconds, or a date that is read against the sender's own clock.
function retryAfter(headers) {
  const text = headers.get('retry-after') ?? '';
  const date = Date.parse(text) - (Date.parse(headers.get('date') ?? '') || Date.now());
  const wait = /^\d+$/.test(text) ? Number(text) * 1000 : /[a-z]/i.test(text) && date > 0 ? date : 0;
  return Math.min(wait, LONGEST_RETRY_AFTER);
}

// ---- HTTP ---------------------------------------------------------------------------------------------------------

async function readBody(request) {
  const chunks = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size <= BODY_LIMIT) chunks.push(chunk);
  }
  return size > BODY_LIMIT ? undefined : Buffer.concat(chunks);
}

function isSigned(request, raw) {
  if (broken.has('no_signature_check')) return true;
  const given = request.headers['x-wc-webhook-signature'] ?? '';
  const expected = config.secrets.map((secret) => createHmac('sha256', secret).update(raw).digest('base64'));
  return expected.map((signature) => sameText(signature, given)).includes(true);
}

async function webhook(request, raw) {
  // WooCommerce announces a new hook by an unsigned form; it says nothing and changes nothing.
  const isPing = /^webhook_id=\d+$/.test(raw.subarray(0, 64).toString());
  if (isPing && !broken.has('refuses_pings')) return { status: 200 };
  if (!isSigned(request, raw)) return { status: 401, error: 'the signature is not right' };
  let body;
  try {
    body = parseJson(raw.toString());
  } catch {
    return { status: 400, error: 'the body is no JSON' };
  }
  const topic = request.headers['x-wc-webhook-topic'] ?? '';
  if (!/^order\.(created|updated|restored)$/.test(topic)) return { status: 200, ignored: 'topic' };
  if (!/^\d+$/.test(String(body?.id))) return { status: 400, error: 'the order has no id' };
  if (!isSale(body)) return { status: 200, ignored: 'not a paid order of the website' };
  await takeOrder(body);
  return { status: 200 };
}

function shopper(request, query) {
  const cookies = {};
  for (const part of (request.headers.cookie ?? '').split(/;\s*/)) {
    const split = part.indexOf('=');
    if (split > 0) cookies[part.slice(0, split)] = decodeURIComponent(part.slice(split + 1));
  }
  // We stand behind one proxy of our own: the last entry is its word, all before are anybody's.
  const forwarded = (request.headers['x-forwarded-for'] ?? '').split(',').at(-1).trim();
  const seen = Number(query.get('t'));
  return {
    choice: readChoice(query.get('consent'), query.get('gcs'), query.get('gcd')),
    gpc: request.headers['sec-gpc'] === '1',
    cookies,
    cart: query.get('cart') || undefined,
    device: { ip: forwarded || request.socket.remoteAddress, agent: request.headers['user-agent'] },
    at: seen > 0 && seen <= Date.now() ? seen : Date.now(),
  };
}

function listing(id) {
  const entries = [...orders.values()].filter((order) => !id || order.id === id).slice(-500);
  const deliveries = entries.flatMap((order) => Object.entries(order.deliveries).map(([destination, delivery]) => (
    { key: `${order.id}/${destination}`, order: order.id, destination, ...delivery })));
  return { status: 200, deliveries };
}

async function route(request) {
  const url = new URL(request.url, 'http://relay');
  const raw = await readBody(request);
  if (raw === undefined) return { status: 413, error: 'the body is too long' };
  if (stopping) return { status: 503, error: 'shutting down' };
  const call = `${request.method} ${url.pathname}`;
  if (call === 'POST /hooks/woocommerce') return webhook(request, raw);
  if (call === 'GET /collect' || call === 'POST /choice') {
    const id = url.searchParams.get('vid');
    const address = call === 'GET /collect' ? (url.searchParams.get('u') ?? '') : undefined;
    if (!id || id.length > 200) return { status: 400, error: 'vid is missing or too long' };
    await noteVisitor(id, { ...shopper(request, url.searchParams), address });
    return { status: 204 };
  }
  if (call === 'GET /ready') return { status: 200 };
  if (call !== 'GET /deliveries') return { status: 404, error: 'no such route' };
  if (!sameText(request.headers.authorization ?? '', `Bearer ${config.adminToken}`)) return { status: 401, error: 'not allowed' };
  return listing(url.searchParams.get('order'));
}

const server = createServer(async (request, response) => {
  let answer;
  try {
    answer = await route(request);
  } catch (error) {
    log(`${request.method} failed: ${error.code ?? error.name}`);
    answer = { status: 500, error: 'not stored' };
  }
  const { status, ...body } = answer;
  response.writeHead(status, { 'Content-Type': 'application/json' });
  response.end(status === 204 ? undefined : JSON.stringify(body));
});

process.on('SIGTERM', async () => {
  stopping = true;
  server.close();
  await Promise.allSettled([...underWay]);
  await journal.writing;
  process.exit(0);
});

await journal.start();
for (const order of orders.values()) for (const name of Object.keys(destinations)) void deliver(order, name);
const [host, port] = config.listen.split(':');
server.listen(Number(port), host, () => console.log(`relay ready at http://${host}:${server.address().port}`));
