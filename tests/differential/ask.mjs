// Puts the same requests to a server and makes its answers comparable.
import { isDeepStrictEqual } from 'node:util';
import * as accounts from './accounts.mjs';
import * as records from './records.mjs';

const KINDS = { accounts, records };

async function call(base, token, { method, path, body }) {
  const headers = { ...(body !== undefined && { 'Content-Type': 'application/json' }), ...(token && { Authorization: token }) };
  const response = await fetch(base + path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  const text = await response.text();
  let json = null;
  try { json = JSON.parse(text); } catch { /* no JSON is an answer too */ }
  return { status: response.status, json };
}

/** Dates of the day, generated ids and wording differ from server to server. */
function comparable({ status, json }) {
  const walk = (value, name) => {
    if (Array.isArray(value)) return value.map((item) => walk(item));
    if (value === null || typeof value !== 'object') return typeof value === 'string' && (name === 'created' || name === 'changed') && value ? 'now' : value;
    if (typeof value.code === 'string' && 'message' in value) return value.code;
    const sorted = Object.keys(value).sort().map((key) => [key, walk(value[key], key)]);
    return Object.fromEntries(sorted.filter(([key, item]) => key !== 'collectionId' && !(key === 'expand' && isDeepStrictEqual(item, {}))));
  };
  if (status >= 400) return { status, data: walk(json?.data ?? null) };
  return { status, body: walk(json) };
}

/** The answers of a server to `count` requests of a kind (a file beside this one) and a seed. */
export async function answers(base, email, password, kind, seed, count) {
  const { collections, requests } = KINDS[kind];
  const name = `df${kind}${seed}`;
  const signedIn = await call(base, '', { method: 'POST', path: '/api/collections/_superusers/auth-with-password', body: { identity: email, password } });
  const token = signedIn.json?.token;
  if (!token) throw new Error(`cannot sign in to ${base}: ${signedIn.status}`);
  const ids = {};
  for (const collection of collections(name)) {
    const text = JSON.stringify(collection).replace(/"@(\w+)"/g, (_, other) => JSON.stringify(ids[other]));
    const made = await call(base, token, { method: 'POST', path: '/api/collections', body: JSON.parse(text) });
    if (made.status !== 200) throw new Error(`cannot define ${collection.name}: ${JSON.stringify(made.json)}`);
    ids[collection.name] = made.json.id;
  }
  // A token of the account as it is now, whatever happened to it.
  const tokenOf = async (who) => {
    if (who === 'guest' || who === 'superuser') return who === 'guest' ? '' : token;
    const issued = await call(base, token, { method: 'POST', path: `/api/collections/${name}_u/impersonate/${who}`, body: { duration: 60 } });
    return issued.json?.token ?? '';
  };
  const given = [];
  for (const request of requests(name, seed, count)) {
    given.push({ ...request, answer: comparable(await call(base, await tokenOf(request.as), request)) });
  }
  for (const collection of collections(name).reverse()) await call(base, token, { method: 'DELETE', path: `/api/collections/${collection.name}` });
  return given;
}
