// Access rules: what they may speak of, and what they see.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { account, bad, call, collection, fresh, good, record, records } from './house.mjs';

let people;
let editor;
let reader;

before(async () => {
  people = await collection('people', [{ name: 'role', type: 'text' }, { name: 'secret', type: 'text', hidden: true }, { name: 'boss', type: 'bool' }], { type: 'auth' });
  editor = await account(people, { role: 'editor', secret: 'known', verified: true });
  reader = await account(people, { role: 'reader' });
});

const FIELDS = [{ name: 't', type: 'text' }, { name: 'n', type: 'number' }, { name: 'tags', type: 'select', values: ['a', 'b', 'admin'], maxSelect: 3 }];
const ruled = (rules, more = []) => collection('ruled', [...FIELDS, { name: 'owner', type: 'relation', collectionId: people.id, maxSelect: 1 }, { name: 'members', type: 'relation', collectionId: people.id, maxSelect: 9 }, ...more], rules);
const seen = async (of, options, query = '') => good(await call('GET', `${records(of)}?sort=t${query}`, options)).items.map((item) => item.t).join(' ');

test('who is signed in', async () => {
  const open = async (rule) => { const of = await ruled({ viewRule: rule }); const made = await record(of, { t: 'x' }); return async (options) => (await call('GET', records(of, made.id), options)).status; };
  for (const [rule, guest, asEditor, asReader] of [
    ["@request.auth.id != ''", 404, 200, 200], ["@request.auth.role = 'editor'", 404, 200, 404], ["@request.auth.secret = 'known'", 404, 200, 404], ['@request.auth.verified = true', 404, 200, 404], ["@request.auth.email ~ 'example.com'", 404, 200, 200],
    [`@request.auth.collectionName = '${people.name}'`, 404, 200, 200], [`@request.auth.collectionId = '${people.id}'`, 404, 200, 200], ["@request.auth.nothing = ''", 200, 200, 200], ["@request.auth.nothing != ''", 404, 404, 404], ["@request.auth.id = ''", 200, 404, 404],
  ]) {
    const status = await open(rule);
    assert.deepEqual([await status({}), await status({ as: editor.token }), await status({ as: reader.token })], [guest, asEditor, asReader], rule);
  }
});

test('owners, and what nobody owns', async () => {
  const of = await ruled({ listRule: 'owner = @request.auth.id' });
  await record(of, { t: 'editors', owner: editor.id });
  await record(of, { t: 'nobodys' });
  assert.equal(await seen(of, { as: editor.token }), 'editors');
  assert.equal(await seen(of, {}), 'nobodys');
});

test('members, and one row for rule and filter', async () => {
  const of = await ruled({ listRule: 'members.id ?= @request.auth.id' });
  await record(of, { t: 'both', members: [editor.id, reader.id] });
  await record(of, { t: 'one', members: [editor.id] });
  assert.equal(await seen(of, { as: reader.token }), 'both');
  assert.equal(await seen(of, { as: editor.token }), 'both one');
  const filter = (text) => `&filter=${encodeURIComponent(text)}`;
  assert.equal(await seen(of, { as: editor.token }, filter("members.role ?= 'reader'")), '');
  assert.equal(await seen(of, { as: editor.token }, filter("members.role ?= 'editor'")), 'both one');
});

test('memberships the other way round', async () => {
  const teams = await collection('teams', [{ name: 't', type: 'text' }]);
  const memberships = await collection('memberships', [{ name: 'team', type: 'relation', collectionId: teams.id, maxSelect: 1 }, { name: 'user', type: 'relation', collectionId: people.id, maxSelect: 1 }], { listRule: null });
  const { su } = await import('./house.mjs');
  good(await su('PATCH', `/api/collections/${teams.id}`, { listRule: `${memberships.name}_via_team.user ?= @request.auth.id` }));
  const team = await record(teams, { t: 'mine' });
  await record(teams, { t: 'other' });
  await record(memberships, { team: team.id, user: reader.id });
  assert.equal(await seen(teams, { as: reader.token }), 'mine');
  assert.equal(await seen(teams, { as: editor.token }), '');
});

test('what is submitted', async () => {
  const allows = async (rule, body, options = {}) => { const of = await ruled({ createRule: rule }); return (await call('POST', records(of), { body, ...options })).status === 200; };
  for (const [rule, body, expected] of [
    ["@request.body.t = 'x'", { t: 'x' }, true], ["@request.body.t = 'x'", { t: 'y' }, false], ['@request.body.t:isset = false', {}, true], ['@request.body.t:isset = false', { t: '' }, false], ['@request.body.t:isset = true', { t: null }, true], ["@request.body.extra = 'y'", { extra: 'y' }, true],
    ['@request.body.n:isset = true', { 'n+': 1 }, true], ['@request.body.n = 3', { 'n+': 3 }, true], ["@request.body.tags:each != 'admin'", { tags: ['a', 'b'] }, true], ["@request.body.tags:each != 'admin'", { tags: ['a', 'admin'] }, false], ['@request.body.tags:length = 2', { tags: ['a', 'b'] }, true], ['@request.body.t:changed = true', { t: 'x' }, false],
    ["t = 'x'", { t: 'x' }, true], ["n = 5", { n: '5' }, true], ['tags:length = 1', { tags: 'a' }, true], ["id != ''", {}, true], ["owner.role = 'editor'", { owner: editor.id }, true], ["owner.role = 'editor'", { owner: reader.id }, false], ["@request.body.owner.role = 'editor'", { owner: editor.id }, true], ["@request.method = 'POST'", {}, true], ["@request.context = 'default'", {}, true],
  ]) assert.equal(await allows(rule, body), expected, `${rule} ${JSON.stringify(body)}`);
});

test('queries and headers', async () => {
  const of = await ruled({ viewRule: "@request.query.key = 'q' || @request.headers.x_my_key = 'h'" });
  const made = await record(of, { t: 'x' });
  bad(await call('GET', records(of, made.id)), 404);
  good(await call('GET', `${records(of, made.id)}?key=q`));
  good(await call('GET', records(of, made.id), { headers: { 'X-My-Key': 'h' } }));
});

test('an update sees the old record, and what would change', async () => {
  const of = await ruled({ updateRule: "t = 'old' && @request.body.n:changed = false" });
  const made = await record(of, { t: 'old', n: 1 });
  bad(await call('PATCH', records(of, made.id), { body: { n: 2 } }), 404);
  bad(await call('PATCH', records(of, made.id), { body: { 'n+': 1 } }), 404);
  good(await call('PATCH', records(of, made.id), { body: { n: 1, tags: ['a'] } }));
  good(await call('PATCH', records(of, made.id), { body: { t: 'new' } }));
  bad(await call('PATCH', records(of, made.id), { body: { tags: [] } }), 404);
});

test('rows of other collections, of which there may be none', async () => {
  const bans = await collection('bans', [{ name: 'user', type: 'text' }, { name: 'why', type: 'text' }], { listRule: null });
  const of = await ruled({ listRule: `@collection.${bans.name}.user != @request.auth.id` });
  await record(of, { t: 'x' });
  assert.equal(await seen(of, { as: reader.token }), 'x');
  await record(bans, { user: editor.id, why: 'y' });
  assert.equal(await seen(of, { as: reader.token }), 'x');
  assert.equal(await seen(of, { as: editor.token }), '');
  const joined = await ruled({ listRule: `@collection.${bans.name}.user ?= @request.auth.id && @collection.${bans.name}.why ?= 'z'` });
  const apart = await ruled({ listRule: `@collection.${bans.name}.user ?= @request.auth.id && @collection.${bans.name}:other.why ?= 'z'` });
  await record(bans, { user: reader.id, why: 'z' });
  for (const one of [joined, apart]) await record(one, { t: 'x' });
  assert.deepEqual([await seen(joined, { as: editor.token }), await seen(apart, { as: editor.token })], ['', 'x']);
});

test('an address is private', async () => {
  const has = async (id, options) => 'email' in good(await call('GET', records(people, id), options));
  assert.deepEqual([await has(editor.id, {}), await has(editor.id, { as: reader.token }), await has(editor.id, { as: editor.token })], [false, false, true]);
  const managed = await collection('managed', [{ name: 'boss', type: 'bool' }], { type: 'auth', manageRule: '@request.auth.boss = true' });
  const boss = await account(managed, { boss: true });
  const hand = await account(managed);
  const shown = await record(managed, { email: `${fresh('s')}@example.com`, password: 'password-1', passwordConfirm: 'password-1', emailVisibility: true });
  const managedHas = async (id, as) => 'email' in good(await call('GET', records(managed, id), { as }));
  assert.deepEqual([await managedHas(hand.id, boss.token), await managedHas(boss.id, hand.token), await managedHas(shown.id)], [true, false, true]);
  for (const as of [undefined, boss.token]) { const one = good(await call('GET', records(managed, hand.id), { as })); assert.ok(!('password' in one) && !('tokenKey' in one)); }
});
