// Raw requests to the server that the environment names, and what is said of their answers.
import assert from 'node:assert/strict';
import { EVERYONE, PASSWORD, fresh } from '../sdk/house.mjs';

export { EVERYONE, PASSWORD, fresh };
const { HOLDALL_URL, HOLDALL_ADMIN_EMAIL, HOLDALL_ADMIN_PASSWORD } = process.env;

export const DATE = /^\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}\.\d{3}Z$/;

/** Sends `body` as JSON unless it is a form or text already; `as` is a token. */
export async function call(method, path, { body, as, headers = {} } = {}) {
  const plain = body === undefined || typeof body === 'string' || body instanceof FormData || body instanceof URLSearchParams;
  const sent = plain ? body : JSON.stringify(body);
  const typed = typeof sent === 'string' ? { 'Content-Type': 'application/json' } : {};
  const response = await fetch(HOLDALL_URL + path, { method, body: sent, redirect: 'manual', headers: { ...typed, ...(as && { Authorization: as }), ...headers } });
  const text = await response.text();
  let json;
  try { json = JSON.parse(text); } catch { /* some answers have no body */ }
  return { status: response.status, headers: response.headers, text, json };
}

let token;
/** The token of the superuser. */
export async function root() {
  token ??= call('POST', '/api/collections/_superusers/auth-with-password', { body: { identity: HOLDALL_ADMIN_EMAIL, password: HOLDALL_ADMIN_PASSWORD } }).then((answer) => good(answer).token);
  return token;
}

export const su = async (method, path, body) => call(method, path, { body, as: await root() });

/** The body of an answer that is all right. */
export function good(answer, status = 200) {
  assert.equal(answer.status, status, answer.text.slice(0, 400));
  return answer.json;
}

/** The `data` of a refusal, whose envelope is as it should be. */
export function bad(answer, status = 400) {
  assert.equal(answer.status, status, answer.text.slice(0, 400));
  assert.equal(answer.json?.status, status);
  assert.ok(typeof answer.json.message === 'string' && answer.json.message, answer.text);
  assert.ok(answer.json.data && typeof answer.json.data === 'object' && !Array.isArray(answer.json.data), answer.text);
  return answer.json.data;
}

/** Refused with exactly these codes, named by the path to each: `{ 'fields.1.name': 'validation_…' }`. */
export function codes(answer, expected, status = 400) {
  const found = {};
  const walk = (node, path) => {
    if (typeof node.code === 'string' && typeof node.message === 'string') { assert.ok(node.message); found[path] = node.code; return; }
    for (const [name, inner] of Object.entries(node)) walk(inner, path ? `${path}.${name}` : name);
  };
  walk(bad(answer, status), '');
  assert.deepEqual(found, expected, answer.text);
}

/** A collection that is open to everybody unless `more` says otherwise. */
export async function collection(hint, fields = [], more = {}) {
  return good(await su('POST', '/api/collections', { name: fresh(hint), type: 'base', ...EVERYONE, fields, ...more }));
}

export const records = (of, id = '') => `/api/collections/${of.name ?? of}/records${id && `/${encodeURIComponent(id)}`}`;

/** A record, made by the superuser. */
export const record = async (of, body) => good(await su('POST', records(of), body));

/** An account and its token. */
export async function account(of, values = {}) {
  const email = `${fresh('w')}@example.com`;
  const made = await record(of, { email, password: PASSWORD, passwordConfirm: PASSWORD, ...values });
  const signedIn = good(await call('POST', `/api/collections/${of.name}/auth-with-password`, { body: { identity: email, password: PASSWORD } }));
  return { ...made, email, token: signedIn.token };
}
