// The data model and the definition of collections.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DATE, EVERYONE, account, bad, call, codes, collection, fresh, good, record, records, su } from './house.mjs';

const create = (body) => su('POST', '/api/collections', { name: fresh('c'), ...body });
const change = (of, body) => su('PATCH', `/api/collections/${of.id}`, body);
const names = (of) => of.fields.map((field) => field.name);
const refusedField = async (field, expected) => codes(await create({ fields: [field] }), expected);

test('health is open, and tells superusers more', async () => {
  assert.deepEqual(good(await call('GET', '/api/health')), { code: 200, message: 'API is healthy.', data: {} });
  assert.equal((await call('HEAD', '/api/health')).status, 200);
  const { data } = good(await su('GET', '/api/health'));
  assert.equal(typeof data.canBackup, 'boolean');
  assert.deepEqual([typeof data.realIP, typeof data.possibleProxyHeader], ['string', 'string']);
});

test('a fresh server knows its accounts', async () => {
  assert.equal(good(await su('GET', '/api/collections/_superusers')).id, 'pbc_3142635823');
  const users = good(await su('GET', '/api/collections/users'));
  assert.equal(users.id, '_pb_users_auth_');
  assert.deepEqual([users.listRule, users.viewRule, users.createRule, users.updateRule, users.deleteRule], ['id = @request.auth.id', 'id = @request.auth.id', '', 'id = @request.auth.id', 'id = @request.auth.id']);
  for (const name of ['name', 'avatar', 'created', 'updated', 'email', 'emailVisibility', 'verified', 'password', 'tokenKey']) assert.ok(names(users).includes(name), name);
  for (const name of ['_externalAuths', '_mfas', '_otps', '_authOrigins']) assert.equal(good(await su('GET', `/api/collections/${name}`)).system, true);
});

test('a collection is found by id and by name in whatever case', async () => {
  const made = await collection('Found');
  for (const name of [made.id, made.name, made.name.toUpperCase()]) assert.equal(good(await su('GET', `/api/collections/${name}`)).id, made.id);
  bad(await su('GET', '/api/collections/nothing_of_the_kind'), 404);
  codes(await su('POST', '/api/collections', { name: made.name.toUpperCase() }), { name: 'validation_collection_name_exists' });
});

test('what is not said has its default', async () => {
  const made = good(await create({ fields: [{ name: 'title', type: 'text' }] }));
  const { id, name, created, updated, ...rest } = made;
  assert.match(created, DATE);
  assert.match(updated, DATE);
  const common = { system: false, hidden: false, presentable: false, help: '' };
  assert.deepEqual(rest, {
    type: 'base', system: false, listRule: null, viewRule: null, createRule: null, updateRule: null, deleteRule: null, indexes: [],
    fields: [
      { ...common, id: 'text3208210256', name: 'id', type: 'text', system: true, required: true, primaryKey: true, min: 15, max: 15, pattern: '^[a-z0-9]+$', autogeneratePattern: '[a-z0-9]{15}' },
      { ...common, id: 'text724990059', name: 'title', type: 'text', required: false, primaryKey: false, min: 0, max: 0, pattern: '', autogeneratePattern: '' },
    ],
  });
});

test('every kind of field has its options', async () => {
  const other = await collection('other');
  const made = good(await create({ fields: [
    { name: 'n', type: 'number' }, { name: 'b', type: 'bool' }, { name: 'e', type: 'email' }, { name: 'u', type: 'url' }, { name: 'ed', type: 'editor' }, { name: 'd', type: 'date' }, { name: 'a', type: 'autodate', onCreate: true },
    { name: 's', type: 'select', values: ['x'] }, { name: 'f', type: 'file' }, { name: 'r', type: 'relation', collectionId: other.id }, { name: 'j', type: 'json' }, { name: 'g', type: 'geoPoint' }, { name: 'p', type: 'password' },
  ] }));
  const options = Object.fromEntries(made.fields.map(({ id, name, type, system, hidden, presentable, required, help, ...rest }) => [name, rest]));
  delete options.id;
  assert.deepEqual(options, {
    n: { min: null, max: null, onlyInt: false }, b: {}, e: { onlyDomains: [], exceptDomains: [] }, u: { onlyDomains: [], exceptDomains: [] }, ed: { maxSize: 0, convertURLs: false }, d: { min: '', max: '' }, a: { onCreate: true, onUpdate: false },
    s: { values: ['x'], maxSelect: 0 }, f: { maxSelect: 0, maxSize: 0, mimeTypes: [], thumbs: [], protected: false }, r: { collectionId: other.id, minSelect: 0, maxSelect: 0, cascadeDelete: false }, j: { maxSize: 0 }, g: {}, p: { min: 0, max: 0, pattern: '', cost: 0 },
  });
  assert.ok(!('required' in made.fields.find((field) => field.name === 'a')));
});

test('the id leads the fields, and what the system needs follows them', async () => {
  const made = good(await create({ type: 'auth', fields: [{ name: 'nick', type: 'text' }] }));
  assert.deepEqual(names(made), ['id', 'nick', 'password', 'tokenKey', 'email', 'emailVisibility', 'verified']);
  assert.deepEqual(names(good(await change(made, { fields: [{ name: 'two', type: 'text' }] }))), ['id', 'two', 'password', 'tokenKey', 'email', 'emailVisibility', 'verified']);
});

test('a field of an account cannot become another kind', async () => {
  const made = good(await create({ type: 'auth', fields: [{ name: 'password', type: 'file' }, { name: 'verified', type: 'text' }] }));
  const kinds = Object.fromEntries(made.fields.map((field) => [field.name, [field.type, field.hidden]]));
  assert.deepEqual([kinds.password, kinds.verified], [['password', true], ['bool', false]]);
});

test('auth collections have their options, and never tell a secret', async () => {
  const made = good(await create({ type: 'auth', authToken: { duration: 60, secret: 's'.repeat(40) }, otp: { enabled: true } }));
  assert.deepEqual([made.authRule, made.manageRule, made.passwordAuth], ['', null, { enabled: true, identityFields: ['email'] }]);
  assert.deepEqual([made.authToken, made.passwordResetToken, made.emailChangeToken, made.verificationToken, made.fileToken], [60, 1800, 1800, 86400, 180].map((duration) => ({ duration })));
  assert.deepEqual([made.otp.enabled, made.otp.duration, made.otp.length], [true, 180, 8]);
  assert.deepEqual(made.mfa, { enabled: false, duration: 600, rule: '' });
  assert.equal(made.authAlert.enabled, true);
  assert.deepEqual(made.oauth2, { enabled: false, mappedFields: { id: '', name: '', username: '', avatarURL: '' }, providers: [] });
  for (const name of ['verificationTemplate', 'resetPasswordTemplate', 'confirmEmailChangeTemplate']) assert.ok(made[name].subject && made[name].body.includes('{TOKEN}'), name);
  assert.equal(made.indexes.length, 2);
  const kept = good(await change(made, { otp: { duration: 99 } }));
  assert.deepEqual([kept.otp.enabled, kept.otp.duration], [true, 99]);
});

test('OAuth2 providers are told without their secret', async () => {
  const made = good(await create({ type: 'auth', oauth2: { enabled: true, providers: [{ name: 'google', clientId: 'a', clientSecret: 'top secret' }] } }));
  assert.deepEqual(made.oauth2.providers, [{ name: 'google', clientId: 'a', authURL: '', tokenURL: '', userInfoURL: '', displayName: '', pkce: null, extra: {} }]);
});

test('options that make no sense are refused by name', async () => {
  const small = 'validation_min_greater_equal_than_required';
  const large = 'validation_max_less_equal_than_required';
  for (const [field, expected] of [
    [{ type: 'text', min: -1 }, { min: small }], [{ type: 'text', min: 5, max: 2 }, { max: small }], [{ type: 'text', max: 2 ** 53 }, { max: large }], [{ type: 'text', pattern: '(?=a)' }, { pattern: 'validation_invalid_regex' }], [{ type: 'text', pattern: '[' }, { pattern: 'validation_invalid_regex' }],
    [{ type: 'number', min: 5, max: 2 }, { max: 'validation_min_number_constraint' }], [{ type: 'number', min: 1.5, onlyInt: true }, { min: 'validation_only_int_constraint' }],
    [{ type: 'email', onlyDomains: ['a.com'], exceptDomains: ['b.com'] }, { onlyDomains: 'validation_empty', exceptDomains: 'validation_empty' }], [{ type: 'url', onlyDomains: ['a.com', 'no domain'] }, { 'onlyDomains.1': 'validation_is_domain' }],
    [{ type: 'editor', maxSize: -1 }, { maxSize: small }], [{ type: 'json', maxSize: -1 }, { maxSize: small }], [{ type: 'autodate' }, { onCreate: 'validation_required', onUpdate: 'validation_required' }],
    [{ type: 'select' }, { values: 'validation_required' }], [{ type: 'select', values: ['a'], maxSelect: 2 }, { maxSelect: large }], [{ type: 'select', values: ['a'], maxSelect: -1 }, { maxSelect: small }],
    [{ type: 'relation' }, { collectionId: 'validation_required' }], [{ type: 'relation', collectionId: 'nothing' }, { collectionId: 'validation_field_relation_missing_collection' }],
    [{ type: 'password', min: 72 }, { min: large }], [{ type: 'password', cost: 3 }, { cost: small }], [{ type: 'file', thumbs: ['10x10', 'x'] }, { 'thumbs.1': 'validation_match_invalid' }],
    [{ type: 'text', help: 'x'.repeat(301) }, { help: 'validation_length_out_of_range' }],
  ]) await refusedField({ name: 'f', ...field }, Object.fromEntries(Object.entries(expected).map(([name, code]) => [`fields.1.${name}`, code])));
});

test('names of fields are words, distinct and not taken', async () => {
  for (const [name, code] of [['', 'validation_required'], ['a b', 'validation_match_invalid'], ['ö', 'validation_match_invalid'], ['expand', 'validation_not_in_invalid'], ['collectionId', 'validation_not_in_invalid'], ['collectionName', 'validation_not_in_invalid'], ['x'.repeat(101), 'validation_length_out_of_range']]) {
    await refusedField({ name, type: 'text' }, { 'fields.1.name': code });
  }
  codes(await create({ fields: [{ name: 'a', type: 'text' }, { name: 'A', type: 'text' }] }), { 'fields.2.name': 'validation_duplicated_field_name' });
});

test('names of collections are words, and not taken', async () => {
  const taken = await collection('taken', [], { id: fresh('takenid') });
  for (const [name, code] of [['', 'validation_required'], ['a b', 'validation_match_invalid'], ['a-b', 'validation_match_invalid'], ['x'.repeat(256), 'validation_length_out_of_range'], [taken.name, 'validation_collection_name_exists'], [taken.id, 'validation_collection_name_id_duplicate']]) {
    codes(await su('POST', '/api/collections', { name }), { name: code });
  }
  codes(await create({ type: 'nothing' }), { type: 'validation_in_invalid' });
  assert.equal(bad(await change(taken, { type: 'auth' })).type?.code, 'validation_collection_type_change');
});

test('an unknown kind of field is 400 without data', async () => {
  assert.deepEqual(bad(await create({ fields: [{ name: 'x', type: 'nothing' }] })), {});
  assert.deepEqual(bad(await create({ fields: 'x' })), {});
});

test('rules that are not understood are refused, together with the fields', async () => {
  for (const rule of ['title =', 'nothing = 1', '   ', "@collection.nothing.id = '1'"]) codes(await create({ listRule: rule, fields: [{ name: 'title', type: 'text' }] }), { listRule: 'validation_invalid_rule' });
  codes(await create({ viewRule: 'nothing = 1', fields: [{ name: 'a b', type: 'text' }] }), { viewRule: 'validation_invalid_rule', 'fields.1.name': 'validation_match_invalid' });
  codes(await create({ type: 'auth', authRule: 'nothing = 1', manageRule: '1 =' }), { authRule: 'validation_invalid_rule', manageRule: 'validation_invalid_rule' });
});

test('indexes follow their collection', async () => {
  const name = fresh('ix');
  const made = good(await su('POST', '/api/collections', { name, fields: [{ name: 't', type: 'text' }], indexes: [`CREATE INDEX idx_${name} ON elsewhere (t)`] }));
  assert.equal(made.indexes.length, 1);
  assert.ok(made.indexes[0].includes(name) && !made.indexes[0].includes('elsewhere'), made.indexes[0]);
  const renamed = good(await change(made, { name: `${name}_x` }));
  assert.ok(renamed.indexes[0].includes(`\`${name}_x\``), renamed.indexes[0]);
  for (const index of ['nonsense', `CREATE INDEX i ON ${name}`, `CREATE INDEX idx_n_${name} ON ${name} (nothing)`]) codes(await create({ fields: [{ name: 't', type: 'text' }], indexes: [index] }), { 'indexes.0': 'validation_invalid_index_expression' });
});

test('the list of fields in a change is the whole list', async () => {
  const made = await collection('whole', [{ name: 'a', type: 'text' }, { name: 'b', type: 'text' }]);
  const kept = await record(made, { a: 'x', b: 'y' });
  const [id, a] = made.fields;
  good(await change(made, { fields: [id, { ...a, name: 'renamed' }, { name: 'c', type: 'number' }] }));
  const { renamed, b, c } = good(await call('GET', records(made, kept.id)));
  assert.deepEqual([renamed, b, c], ['x', undefined, 0]);
  codes(await change(made, { fields: [id, { id: a.id, name: 'renamed', type: 'number' }] }), { 'fields.1': 'validation_field_type_change' });
  good(await change(made, { fields: [{ name: 'renamed', type: 'number' }] }));
  assert.equal(good(await call('GET', records(made, kept.id))).renamed, 0);
});

test('several become one by keeping the last', async () => {
  const made = await collection('several', [{ name: 's', type: 'select', values: ['a', 'b', 'c'], maxSelect: 3 }]);
  const kept = await record(made, { s: ['a', 'c'] });
  good(await change(made, { fields: [made.fields[0], { ...made.fields[1], maxSelect: 1 }] }));
  assert.equal(good(await call('GET', records(made, kept.id))).s, 'c');
});

test('an import adds and never takes away', async () => {
  const made = await collection('import', [{ name: 'a', type: 'number' }]);
  const put = (collections, more) => su('PUT', '/api/collections/import', { collections, ...more });
  const again = async () => good(await su('GET', `/api/collections/${made.id}`));
  good(await put([{ id: made.id, name: made.name, fields: [{ name: 'b', type: 'text' }] }]), 204);
  assert.deepEqual(names(await again()).sort(), ['a', 'b', 'id']);
  const failure = { collections: 'validation_collections_import_failure' };
  codes(await put([{ id: made.id, name: made.name, fields: [{ name: 'a', type: 'text' }] }]), failure);
  codes(await put([{ id: made.id, name: made.name, fields: [{ id: 'text_other', name: 'a', type: 'text' }] }]), failure);
  codes(await put([{ name: fresh('left') }, { name: 'bad name' }]), failure);
  assert.deepEqual((await again()).fields.find((field) => field.name === 'a').type, 'number');
  const twice = fresh('twice');
  codes(await put([{ id: `${twice}_id`, name: twice }, { id: `${twice}_other`, name: twice }]), failure);
  bad(await su('GET', `/api/collections/${twice}`), 404);
  for (const collections of [undefined, []]) codes(await put(collections), { collections: 'validation_required' });
});

test('what others rely on is not deleted', async () => {
  const target = await collection('target');
  const pointing = await collection('pointing', [{ name: 'r', type: 'relation', collectionId: target.id, maxSelect: 1 }]);
  bad(await su('DELETE', `/api/collections/${target.id}`));
  bad(await su('DELETE', '/api/collections/_superusers'));
  good(await su('DELETE', `/api/collections/${pointing.id}`), 204);
  good(await su('DELETE', `/api/collections/${target.id}`), 204);
  bad(await su('DELETE', `/api/collections/${target.id}`), 404);
});

test('truncating empties a collection, not a view', async () => {
  const made = await collection('empty', [{ name: 't', type: 'text' }]);
  await record(made, { t: 'x' });
  const view = good(await create({ type: 'view', viewQuery: `select id, t from ${made.name}`, listRule: '', viewRule: '' }));
  bad(await su('DELETE', `/api/collections/${view.id}/truncate`));
  good(await su('DELETE', `/api/collections/${made.id}/truncate`), 204);
  assert.equal(good(await call('GET', records(view))).totalItems, 0);
});

test('a view derives its fields and takes no writes', async () => {
  const made = await collection('source', [{ name: 't', type: 'text' }, { name: 'at', type: 'date' }, { name: 'n', type: 'number' }]);
  const kept = await record(made, { t: 'x', at: '2024-01-02', n: 2 });
  const view = good(await create({ type: 'view', ...EVERYONE, createRule: null, updateRule: null, deleteRule: null, viewQuery: `select id, t, at, count(*) as total, (n * 2) as twice from ${made.name} group by id` }));
  assert.deepEqual(view.fields.map((field) => [field.name, field.type]), [['id', 'text'], ['t', 'text'], ['at', 'date'], ['total', 'number'], ['twice', 'json']]);
  assert.equal(view.fields[3].onlyInt, true);
  assert.deepEqual(good(await call('GET', `${records(view)}?fields=id,t,at,total,twice`)).items, [{ id: kept.id, t: 'x', at: '2024-01-02 00:00:00.000Z', total: 1, twice: 4 }]);
  for (const [method, path] of [['POST', records(view)], ['PATCH', records(view, kept.id)], ['DELETE', records(view, kept.id)]]) bad(await su(method, path, {}));
  for (const viewQuery of [`select * from ${made.name}`, 'select 1', 'delete from x']) assert.equal(bad(await create({ type: 'view', viewQuery })).viewQuery?.code, 'validation_invalid_view_query', viewQuery);
  codes(await su('POST', '/api/collections/meta/dry-run-view', { query: ' ' }), { query: 'validation_required' });
  const dry = good(await su('POST', '/api/collections/meta/dry-run-view', { query: `select id, t from ${made.name}` }));
  assert.deepEqual([dry.fields.map((field) => field.name), dry.sample.map((row) => row.t)], [['id', 't'], ['x']]);
});

test('scaffolds are blank models of every type', async () => {
  const { base, auth, view } = good(await su('GET', '/api/collections/meta/scaffolds'));
  assert.deepEqual([base.type, auth.type, view.type, base.name], ['base', 'auth', 'view', '']);
  assert.ok(names(auth).includes('password'));
  assert.equal(view.viewQuery, '');
});

test('lists of collections are filtered and sorted', async () => {
  const prefix = fresh('listed');
  for (const suffix of ['b', 'a']) await su('POST', '/api/collections', { name: `${prefix}_${suffix}` });
  const found = good(await su('GET', `/api/collections?filter=${encodeURIComponent(`name ~ '${prefix}' && type = 'base' && system = false`)}&sort=-name&fields=name`));
  assert.deepEqual(found.items, [{ name: `${prefix}_b` }, { name: `${prefix}_a` }]);
  bad(await su('GET', '/api/collections?filter=nothing=1'));
  bad(await su('GET', '/api/collections?sort=nothing'));
});

test('hidden fields are for superusers, and enforced all the same', async () => {
  const made = await collection('hidden', [{ name: 'h', type: 'text', hidden: true, required: true }]);
  codes(await call('POST', records(made), { body: { h: 'x' } }), { h: 'validation_required' });
  const kept = await record(made, { h: 'x' });
  assert.equal(kept.h, 'x');
  assert.ok(!('h' in good(await call('GET', records(made, kept.id)))));
  good(await call('PATCH', records(made, kept.id), { body: { h: 'y' } }));
  assert.equal(good(await su('GET', records(made, kept.id))).h, 'x');
});

test('one superuser always remains', async () => {
  const all = good(await su('GET', `${records('_superusers')}?perPage=500`)).items;
  if (all.length === 1) bad(await su('DELETE', records('_superusers', all[0].id)));
  const users = await collection('notsuper', [], { type: 'auth' });
  bad(await call('GET', records('_superusers'), { as: (await account(users)).token }), 403);
});
