// The server that the environment names, and people who call it through the official SDK.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import PocketBase, { BaseAuthStore } from 'pocketbase';

const { HOLDALL_URL, HOLDALL_ADMIN_EMAIL, HOLDALL_ADMIN_PASSWORD } = process.env;
if (!HOLDALL_URL) throw new Error('HOLDALL_URL is not set: run this under `holdall exec --`');

export const EVERYONE = { listRule: '', viewRule: '', createRule: '', updateRule: '', deleteRule: '' };
export const PASSWORD = 'correct-horse-9';

/** A name that no other test has. */
export const fresh = (hint) => `${hint}_${randomBytes(5).toString('hex')}`;

export function guest() {
  const pb = new PocketBase(HOLDALL_URL, new BaseAuthStore());
  pb.autoCancellation(false);
  return pb;
}

export async function superuser() {
  const pb = guest();
  await pb.collection('_superusers').authWithPassword(HOLDALL_ADMIN_EMAIL, HOLDALL_ADMIN_PASSWORD);
  return pb;
}

/** Somebody signed in to the auth collection `users`. */
export async function member(admin, users, values = {}) {
  const email = `${fresh('m')}@example.com`;
  const account = await admin.collection(users).create({ email, password: PASSWORD, passwordConfirm: PASSWORD, ...values });
  const pb = guest();
  await pb.collection(users).authWithPassword(email, PASSWORD);
  return Object.assign(pb, { account: { ...account, email } });
}

/** What the SDK rejects with: its status, and the code of a field. */
export async function refused(promise, status, field, code) {
  const error = await promise.then(() => null, (error) => error);
  assert.ok(error, 'the call should be refused');
  assert.equal(error.status, status, JSON.stringify(error.response));
  if (field) assert.equal(error.response.data?.[field]?.code, code, JSON.stringify(error.response));
  return error;
}
