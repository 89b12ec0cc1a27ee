// Written by the harness for Node programs under test (`NODE_OPTIONS=--require`).
//
// Node up to 22 knows no proxy settings, and `fetch` has no agent that could be replaced from outside. All of its
// clients (fetch, http, https, http2, tls, net and whatever packages build on them) open their sockets in one place,
// though. There, connections to the web ports of any other machine are led to the harness, which tells the host by the
// name in the TLS handshake. Names are not even looked up. Whom the program trusts is not touched here: see
// NODE_EXTRA_CA_CERTS.
'use strict';

const net = require('node:net');

const PORTS = new Set([80, 443]);
const gateway = /^(.*):(\d+)$/.exec(process.env.HARNESS_GATEWAY || '');

/** Hosts that are left alone: this machine, and what NO_PROXY names (suffixes as usual). */
const exempt = (process.env.NO_PROXY || process.env.no_proxy || '')
  .split(',')
  .map((name) => name.trim().toLowerCase().replace(/^\*?\./, ''))
  .filter((name) => name !== '');

function isHere(host) {
  const name = String(host).toLowerCase().replace(/^\[|\]$/g, '');
  if (name === '' || name === 'localhost' || name === '::1' || /^127\.\d+\.\d+\.\d+$/.test(name)) {
    return true;
  }
  return exempt.some((other) => name === other || name.endsWith('.' + other));
}

if (gateway) {
  const host = gateway[1].replace(/^\[|\]$/g, '');
  const port = Number(gateway[2]);
  const connect = net.Socket.prototype.connect;

  net.Socket.prototype.connect = function (...given) {
    // Callers within Node hand over what `net.connect` made of its arguments: a list of options and callback.
    const args = Array.isArray(given[0]) ? given[0] : net._normalizeArgs(given);
    const options = args[0] || {};
    const wanted = options.host || options.hostname || 'localhost';
    if (options.path || !PORTS.has(Number(options.port)) || isHere(wanted)) {
      return connect.apply(this, given);
    }
    if (typeof this.setServername === 'function' && !options.servername && !net.isIP(wanted)) {
      // A bare `tls.connect` sends no name by itself, and the harness could not tell who is meant.
      this.setServername(wanted);
    }
    args[0] = Object.assign({}, options, { host, port });
    // They belong to the way that is not taken.
    for (const name of ['lookup', 'localAddress', 'localPort', 'family', 'autoSelectFamily']) {
      delete args[0][name];
    }
    return connect.call(this, args);
  };
}
