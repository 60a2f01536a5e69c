// What the SDK's auth methods do: signing in and up, refreshing, changing oneself, acting as others.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { createPublicKey, verify } from 'node:crypto';
import { PASSWORD, fresh, guest, member, refused, superuser } from './house.mjs';

const admin = await superuser();

test('superuser is one to the SDK', async () => {
  assert.ok(admin.authStore.isValid);
  assert.ok(admin.authStore.isSuperuser);
  assert.equal(admin.authStore.record.collectionName, '_superusers');
});

test('guest signs up, signs in and is who it says', async () => {
  const email = `${fresh('u')}@example.com`;
  const pb = guest();
  const record = await pb.collection('users').create({ email, password: PASSWORD, passwordConfirm: PASSWORD, name: 'Ada' });
  assert.equal(record.email, undefined);
  const auth = await pb.collection('users').authWithPassword(email, PASSWORD);
  assert.equal(auth.record.id, record.id);
  assert.equal(auth.record.email, email);
  assert.ok(pb.authStore.isValid);
  assert.equal(pb.authStore.isSuperuser, false);
  assert.equal((await pb.collection('users').getOne(record.id)).email, email);
});

test('sign-in takes fields and headers like any call', async () => {
  const pb = await member(admin, 'users');
  const auth = await guest().collection('users').authWithPassword(pb.account.email, PASSWORD, { fields: 'token,record.id' });
  assert.deepEqual(Object.keys(auth.record), ['id']);
});

test('wrong details are 400 without a field', async () => {
  const error = await refused(guest().collection('users').authWithPassword('nobody@example.com', 'wrong'), 400);
  assert.deepEqual(error.response.data, {});
});

test('auth methods are listed', async () => {
  const methods = await guest().collection('users').listAuthMethods();
  assert.deepEqual(methods.password, { enabled: true, identityFields: ['email'] });
  assert.deepEqual(methods.oauth2.providers, []);
});

test('refresh gives a token that works, and a guest none', async () => {
  const pb = await member(admin, 'users');
  const before = pb.authStore.token;
  const auth = await pb.collection('users').authRefresh();
  assert.equal(auth.record.id, pb.account.id);
  assert.equal(pb.authStore.token, auth.token);
  const other = guest();
  other.authStore.save(before, auth.record);
  await other.collection('users').authRefresh();
  await refused(guest().collection('users').authRefresh(), 401);
});

test('own password changes by the old one and ends the session', async () => {
  const pb = await member(admin, 'users');
  const change = { password: 'another-horse', passwordConfirm: 'another-horse' };
  await refused(pb.collection('users').update(pb.account.id, change), 400, 'oldPassword', 'validation_required');
  await pb.collection('users').update(pb.account.id, { ...change, oldPassword: PASSWORD });
  await refused(pb.collection('users').authRefresh(), 401);
  await pb.collection('users').authWithPassword(pb.account.email, 'another-horse');
});

test('superuser acts as somebody by a client of its own', async () => {
  const pb = await member(admin, 'users');
  const acting = await admin.collection('users').impersonate(pb.account.id, 60);
  assert.equal(acting.authStore.record.id, pb.account.id);
  assert.ok(acting.authStore.isValid);
  const seen = await acting.collection('users').getFullList();
  assert.deepEqual(seen.map((record) => record.id), [pb.account.id]);
  await refused(pb.collection('users').impersonate(pb.account.id, 60), 403);
});

test('other services verify the token with the published key', async () => {
  const pb = await member(admin, 'users');
  const [header, payload, signature] = pb.authStore.token.split('.');
  const { kid, alg } = JSON.parse(Buffer.from(header, 'base64url'));
  const { keys } = await (await fetch(`${pb.baseURL}/.well-known/jwks.json`)).json();
  const key = createPublicKey({ key: keys.find((key) => key.kid === kid), format: 'jwk' });
  assert.equal(alg, 'RS256');
  assert.ok(verify('sha256', Buffer.from(`${header}.${payload}`), key, Buffer.from(signature, 'base64url')));
});

test('settings are read and changed by superusers', async () => {
  const before = await admin.settings.getAll();
  const name = fresh('Acme');
  const after = await admin.settings.update({ meta: { appName: name } });
  assert.equal(after.meta.appName, name);
  assert.deepEqual({ ...after, meta: before.meta }, before);
  await refused(guest().settings.getAll(), 401);
  await admin.settings.update({ meta: before.meta });
});
