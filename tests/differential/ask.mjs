// Puts the same requests to a server and makes its answers comparable.
import { isDeepStrictEqual } from 'node:util';
import * as accounts from './accounts.mjs';
import * as batches from './batches.mjs';
import * as forms from './forms.mjs';
import * as imports from './imports.mjs';
import * as lists from './lists.mjs';
import * as records from './records.mjs';
import * as schemas from './schemas.mjs';
import * as selects from './selects.mjs';
import * as signin from './signin.mjs';
import * as views from './views.mjs';

const KINDS = { accounts, batches, forms, imports, lists, records, schemas, selects, signin, views };

/** What is sent: `body` as JSON, `form` as urlencoded pairs, `parts` as multipart, or `text` of a `type`. */
function content({ body, form, parts, text, type }) {
  if (form) return { body: new URLSearchParams(form) };
  if (parts) {
    const made = new FormData();
    for (const [name, value] of parts) made.append(name, value);
    return { body: made };
  }
  if (text !== undefined) return { body: text, type: type ?? 'application/json' };
  return body === undefined ? {} : { body: JSON.stringify(body), type: 'application/json' };
}

async function call(base, token, request) {
  const { body, type } = content(request);
  const headers = { ...(type && { 'Content-Type': type }), ...(token && { Authorization: token }), ...request.headers };
  const response = await fetch(base + request.path, { method: request.method, headers, body });
  const text = await response.text();
  let json = null;
  try { json = JSON.parse(text); } catch { /* no JSON is an answer too */ }
  return { status: response.status, json };
}

/** Dates of the day, generated ids and wording differ from server to server. */
function comparable({ status, json }, { forget = ['collectionId'], params = false, unordered = [] }) {
  const walk = (value, name) => {
    if (Array.isArray(value)) {
      const list = value.map((item) => walk(item));
      return unordered.includes(name) ? list.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)) : list;
    }
    if (value === null || typeof value !== 'object') return typeof value === 'string' && ['created', 'changed', 'updated'].includes(name) && value ? 'now' : value;
    if ('response' in value) return { code: value.code, response: walk(value.response) };
    if (typeof value.status === 'number' && 'message' in value) return { status: value.status, data: walk(value.data) };
    if (typeof value.code === 'string' && 'message' in value) return params && value.params && !value.params.threshold && name !== 'pass' ? { code: value.code, params: value.params } : value.code;
    const sorted = Object.keys(value).sort().map((key) => [key, walk(value[key], key)]);
    return Object.fromEntries(sorted.filter(([key, item]) => !forget.includes(key) && !(key === 'expand' && isDeepStrictEqual(item, {}))));
  };
  if (status >= 400) return { status, data: walk(json?.data ?? null) };
  return { status, body: walk(json) };
}

/** Deletes what is called by `name` and more, what refers to others before the others. */
async function clear(base, token, name) {
  for (let round = 0; round < 6; round++) {
    const page = await call(base, token, { method: 'GET', path: '/api/collections?perPage=1000&fields=id,name' });
    const left = page.json.items.filter((item) => item.name.toLowerCase().startsWith(name));
    if (!left.length) return;
    for (const item of left.reverse()) await call(base, token, { method: 'DELETE', path: `/api/collections/${item.id}` });
  }
}

/** The answers of a server to `count` requests of a kind (a file beside this one) and a seed. */
export async function answers(base, email, password, kind, seed, count) {
  const { collections, requests, settings, ...comparing } = KINDS[kind];
  const name = `df${kind}${seed}`;
  const signedIn = await call(base, '', { method: 'POST', path: '/api/collections/_superusers/auth-with-password', body: { identity: email, password } });
  const token = signedIn.json?.token;
  if (!token) throw new Error(`cannot sign in to ${base}: ${signedIn.status}`);
  await clear(base, token, name);
  if (settings) await call(base, token, { method: 'PATCH', path: '/api/settings', body: settings });
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
    given.push({ ...request, answer: comparable(await call(base, await tokenOf(request.as), request), comparing) });
  }
  await clear(base, token, name);
  return given;
}
