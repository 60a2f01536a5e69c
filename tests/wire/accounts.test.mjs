// Accounts: signing up and in, tokens, changing oneself, acting for others.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { EVERYONE, PASSWORD, account, bad, call, codes, collection, fresh, good, record, records, root, su } from './house.mjs';

let people;
let other;
const at = (of, action) => `/api/collections/${of.name ?? of}/${action}`;
const signIn = (of, body, query = '') => call('POST', at(of, 'auth-with-password') + query, { body });
const refresh = (of, as) => call('POST', at(of, 'auth-refresh'), { as });
const payload = (token) => JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));
const change = (of, who, body, as = who.token) => call('PATCH', records(of, who.id), { body, as });

before(async () => {
  const name = fresh('people');
  people = good(await su('POST', '/api/collections', {
    name, type: 'auth', ...EVERYONE, fields: [{ name: 'username', type: 'text' }, { name: 'role', type: 'text' }], manageRule: "@request.auth.role = 'boss'",
    indexes: [`CREATE UNIQUE INDEX idx_${name} ON ${name} (username COLLATE NOCASE) WHERE username != ''`], passwordAuth: { enabled: true, identityFields: ['email', 'username'] },
  }));
  other = await collection('other', [], { type: 'auth' });
});

test('a token says who it is for', async () => {
  const who = await account(people);
  const { exp, id, collectionId, type, refreshable } = payload(who.token);
  assert.deepEqual([id, collectionId, type, refreshable], [who.id, people.id, 'auth', true]);
  assert.ok(exp > Date.now() / 1000);
});

test('signing in answers token and record, shaped as asked for', async () => {
  const who = await account(people);
  const body = { identity: who.email, password: PASSWORD };
  const answer = good(await signIn(people, body));
  assert.deepEqual(Object.keys(answer).sort(), ['record', 'token']);
  assert.equal(answer.record.email, who.email);
  assert.ok(!('password' in answer.record) && !('tokenKey' in answer.record));
  assert.deepEqual(good(await signIn(people, body, '?fields=record.id')), { record: { id: who.id } });
});

test('an identity is tried in every field, or in one', async () => {
  const username = fresh('Name');
  const who = await account(people, { username });
  const status = async (body) => (await signIn(people, { password: PASSWORD, ...body })).status;
  assert.deepEqual([await status({ identity: username }), await status({ identity: username.toUpperCase() }), await status({ identity: who.email.toUpperCase() })], [200, 200, 400]);
  assert.deepEqual([await status({ identity: who.email, identityField: 'email' }), await status({ identity: username, identityField: 'email' })], [200, 400]);
  codes(await signIn(people, { identity: who.email, password: PASSWORD, identityField: 'role' }), { identityField: 'validation_in_invalid' });
  codes(await call('POST', records(people), { body: { email: `${fresh('e')}@example.com`, password: PASSWORD, passwordConfirm: PASSWORD, username: username.toLowerCase() } }), { username: 'validation_not_unique' });
});

test('who can not sign in', async () => {
  const who = await account(people);
  for (const body of [{ identity: who.email, password: 'wrong' }, { identity: 'nobody@example.com', password: PASSWORD }, { identity: 5, password: PASSWORD }, { identity: who.email, password: [] }, '[]', '{']) assert.deepEqual(bad(await signIn(people, body)), {}, JSON.stringify(body));
  codes(await signIn(people, {}), { identity: 'validation_required', password: 'validation_required' });
  const base = await collection('base');
  for (const name of [base.name, 'nothing']) bad(await signIn(name, { identity: 'x', password: 'y' }), 404);
  const off = await collection('off', [], { type: 'auth', passwordAuth: { enabled: false } });
  bad(await signIn(off, { identity: 'x', password: 'y' }), 403);
});

test('the rule of a collection decides who comes in', async () => {
  const verified = await collection('verified', [], { type: 'auth', authRule: 'verified = true' });
  const closed = await collection('shut', [], { type: 'auth', authRule: null });
  for (const [of, values, status] of [[verified, { verified: true }, 200], [verified, {}, 403], [closed, {}, 403]]) {
    const email = `${fresh('r')}@example.com`;
    await record(of, { email, password: PASSWORD, passwordConfirm: PASSWORD, ...values });
    assert.equal((await signIn(of, { identity: email, password: PASSWORD })).status, status);
  }
});

test('the methods of a collection', async () => {
  const fields = '?fields=mfa,otp,password,oauth2';
  assert.deepEqual(good(await call('GET', at(people, 'auth-methods') + fields)), { password: { enabled: true, identityFields: ['email', 'username'] }, oauth2: { enabled: false, providers: [] }, mfa: { enabled: false, duration: 0 }, otp: { enabled: false, duration: 0 } });
  const off = await collection('off', [], { type: 'auth', passwordAuth: { enabled: false } });
  assert.deepEqual(good(await call('GET', at(off, 'auth-methods') + fields)).password, { enabled: false, identityFields: [] });
  bad(await call('GET', at('nothing', 'auth-methods')), 404);
});

test('refreshing needs a token of the same collection', async () => {
  const who = await account(people);
  const fresher = good(await refresh(people, who.token));
  assert.equal(fresher.record.id, who.id);
  assert.equal(payload(fresher.token).type, 'auth');
  bad(await refresh(people), 401);
  bad(await refresh(people, 'x.y.z'), 401);
  bad(await refresh(other, who.token), 403);
});

test('signing up', async () => {
  const up = (body) => call('POST', records(people), { body });
  const email = () => `${fresh('up')}@example.com`;
  codes(await up({}), { password: 'validation_required', passwordConfirm: 'validation_required' });
  codes(await up({ email: email(), password: PASSWORD, passwordConfirm: 'other-password' }), { passwordConfirm: 'validation_values_mismatch' });
  codes(await up({ email: email(), password: 'short', passwordConfirm: 'short' }), { password: 'validation_min_text_constraint' });
  codes(await up({ email: email(), password: 'x'.repeat(72), passwordConfirm: 'x'.repeat(72) }), { password: 'validation_max_text_constraint' });
  codes(await up({ email: 'wrong', password: PASSWORD, passwordConfirm: PASSWORD }), { email: 'validation_is_email' });
  codes(await up({ email: email(), password: PASSWORD, passwordConfirm: PASSWORD, verified: true }), { verified: 'validation_values_mismatch' });
  const taken = email();
  const made = good(await up({ email: taken, password: PASSWORD, passwordConfirm: PASSWORD, tokenKey: 'x'.repeat(40), verified: false }));
  assert.ok(!('email' in made) && made.verified === false);
  codes(await up({ email: taken, password: PASSWORD, passwordConfirm: PASSWORD }), { email: 'validation_not_unique' });
});

test('changing oneself', async () => {
  const who = await account(people);
  codes(await change(people, who, { email: `${fresh('n')}@example.com` }), { email: 'validation_values_mismatch' });
  codes(await change(people, who, { verified: true }), { verified: 'validation_values_mismatch' });
  codes(await change(people, who, { password: 'new-password-1', passwordConfirm: 'new-password-1' }), { oldPassword: 'validation_required' });
  codes(await change(people, who, { password: 'new-password-1', passwordConfirm: 'new-password-1', oldPassword: 'wrong' }), { oldPassword: 'validation_invalid_old_password' });
  codes(await change(people, who, { password: 'new-password-1', passwordConfirm: 'other', oldPassword: PASSWORD }), { passwordConfirm: 'validation_values_mismatch' });
  good(await change(people, who, { role: 'x', email: who.email, verified: false }));
  good(await change(people, who, { password: 'new-password-1', passwordConfirm: 'new-password-1', oldPassword: PASSWORD }));
  bad(await refresh(people, who.token), 401);
  good(await signIn(people, { identity: who.email, password: 'new-password-1' }));
});

test('managers and superusers change it without the old password', async () => {
  const boss = await account(people, { role: 'boss' });
  for (const as of [boss.token, await root()]) {
    const who = await account(people);
    codes(await change(people, who, { password: 'new-password-1' }, as), { passwordConfirm: 'validation_required' });
    const email = `${fresh('m')}@example.com`;
    good(await change(people, who, { email, verified: true, password: 'new-password-1', passwordConfirm: 'new-password-1' }, as));
    bad(await refresh(people, who.token), 401);
    assert.equal(good(await signIn(people, { identity: email, password: 'new-password-1' })).record.verified, true);
  }
});

test('tokens die with their account, its key and the secret', async () => {
  const [gone, rekeyed, all] = [await account(people), await account(people), await account(other)];
  good(await su('DELETE', records(people, gone.id)), 204);
  bad(await refresh(people, gone.token), 401);
  good(await su('PATCH', records(people, rekeyed.id), { tokenKey: fresh('k').padEnd(40, 'k') }));
  bad(await refresh(people, rekeyed.token), 401);
  good(await refresh(other, all.token));
  good(await su('PATCH', `/api/collections/${other.id}`, { authToken: { secret: fresh('s').padEnd(40, 's') } }));
  bad(await refresh(other, all.token), 401);
});

test('superusers act for others', async () => {
  const who = await account(people);
  const act = (id, body, as) => call('POST', at(people, `impersonate/${id}`), { body, as });
  bad(await act(who.id, {}), 401);
  bad(await act(who.id, {}, who.token), 403);
  bad(await act('nobody', {}, await root()), 404);
  codes(await act(who.id, { duration: -1 }, await root()), { duration: 'validation_min_greater_equal_than_required' });
  const { token, record: shown } = good(await act(who.id, { duration: 60 }, await root()));
  assert.equal(shown.id, who.id);
  assert.equal(payload(token).refreshable, false);
  assert.ok(payload(token).exp <= Date.now() / 1000 + 61);
  assert.equal(good(await refresh(people, token)).token, token);
  assert.ok(payload(good(await act(who.id, undefined, await root())).token).exp > Date.now() / 1000 + 400_000);
});

test('superusers sign in as everybody does', async () => {
  const token = await root();
  const { collectionId, type } = payload(token);
  assert.deepEqual([collectionId, type], ['pbc_3142635823', 'auth']);
  assert.equal(good(await refresh('_superusers', token)).record.verified, true);
});
