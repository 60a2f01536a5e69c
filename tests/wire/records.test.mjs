// Records: what each method answers, modifiers, expansion, and what a deletion takes along.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { DATE, account, bad, call, codes, collection, fresh, good, record, records, root, su } from './house.mjs';

let authors;
let posts;
let people;
const create = (of, body, query = '') => call('POST', records(of) + query, { body });
const change = (of, id, body, query = '') => call('PATCH', records(of, id) + query, { body });
const view = (of, id, query = '') => call('GET', records(of, id) + query);

before(async () => {
  people = await collection('people', [], { type: 'auth' });
  authors = await collection('authors', [{ name: 'name', type: 'text' }, { name: 'secret', type: 'text', hidden: true }]);
  posts = await collection('posts', [
    { name: 'title', type: 'text' }, { name: 'n', type: 'number' }, { name: 'tags', type: 'select', values: ['a', 'b', 'c', 'd'], maxSelect: 3 }, { name: 'one', type: 'select', values: ['a', 'b'] },
    { name: 'author', type: 'relation', collectionId: authors.id, maxSelect: 1 }, { name: 'others', type: 'relation', collectionId: authors.id, maxSelect: 9 }, { name: 'code', type: 'text', autogeneratePattern: '[a-z]{4}' },
    { name: 'made', type: 'autodate', onCreate: true }, { name: 'changed', type: 'autodate', onUpdate: true }, { name: 'slug', type: 'text' },
  ], {});
  posts = good(await su('PATCH', `/api/collections/${posts.id}`, { indexes: [`CREATE UNIQUE INDEX idx_${posts.name} ON ${posts.name} (slug, one) WHERE slug != ''`] }));
});

test('an unknown collection is 404 in every method', async () => {
  for (const [method, id] of [['GET', ''], ['POST', ''], ['GET', 'x'], ['PATCH', 'x'], ['DELETE', 'x']]) bad(await call(method, records('nothing_here', id), method === 'POST' || method === 'PATCH' ? { body: {} } : {}), 404);
});

test('ids that nobody has are 404, however odd', async () => {
  for (const id of ['x', 'a b', 'ä', '%', '"', '..', 'x'.repeat(300), "' or 1=1"]) bad(await view(posts, id), 404);
});

test('unknown keys are ignored and absent ones are zero', async () => {
  const made = good(await create(posts, { nothing: 1, made: '2000-01-01', collectionId: 'x', collectionName: 'x', expand: {} }));
  assert.match(made.id, /^[a-z0-9]{15}$/);
  assert.match(made.made, DATE);
  assert.ok(made.made > '2020');
  const { title, n, tags, one, author, others, changed, collectionId, collectionName } = made;
  assert.deepEqual([title, n, tags, one, author, others, changed, collectionId, collectionName], ['', 0, [], '', '', [], '', posts.id, posts.name]);
  assert.match(made.code, /^[a-z]{4}$/);
});

test('an id may be given, and is validated', async () => {
  const id = `g${fresh('').slice(-9)}00000`;
  assert.equal(good(await create(posts, { id })).id, id);
  for (const [given, code] of [['short', 'validation_min_text_constraint'], ['x'.repeat(16), 'validation_max_text_constraint'], ['X'.repeat(15), 'validation_invalid_format'], [id, 'validation_not_unique']]) codes(await create(posts, { id: given }), { id: code });
  for (const blank of ['', null]) assert.match(good(await create(posts, { id: blank })).id, /^[a-z0-9]{15}$/);
});

test('an update is a partial merge and null resets', async () => {
  const made = good(await create(posts, { title: 'a', n: 5, tags: ['a'] }));
  const changed = good(await change(posts, made.id, { n: null }));
  assert.deepEqual([changed.title, changed.n, changed.tags], ['a', 0, ['a']]);
  assert.deepEqual(good(await change(posts, made.id, { tags: null, title: null })).tags, []);
  assert.match(changed.changed, DATE);
  good(await change(posts, made.id, { id: made.id }));
  codes(await change(posts, made.id, { id: 'abcdefghijklmno' }), { id: 'validation_pk_change' });
  assert.deepEqual(good(await view(posts, made.id)).made, made.made);
});

test('all failing fields are told at once and nothing is stored', async () => {
  const id = `f${fresh('').slice(-9)}00000`;
  codes(await create(posts, { id, one: 'z', author: 'nobody', tags: ['a', 'b', 'c', 'd'] }), { one: 'validation_invalid_value', author: 'validation_missing_rel_records', tags: 'validation_too_many_values' });
  bad(await view(posts, id), 404);
});

test('a unique index names every column, and only where it holds', async () => {
  const slug = fresh('slug');
  good(await create(posts, { slug, one: 'a' }));
  codes(await create(posts, { slug, one: 'a' }), { slug: 'validation_not_unique', one: 'validation_not_unique' });
  good(await create(posts, { slug, one: 'b' }));
  good(await create(posts, { slug: slug.toUpperCase(), one: 'a' }));
  for (let n = 0; n < 2; n++) good(await create(posts, { slug: '', one: 'a' }));
});

test('of twins that come at once exactly one wins', async () => {
  const slug = fresh('race');
  const answers = await Promise.all(Array.from({ length: 8 }, () => create(posts, { slug, one: 'a' })));
  assert.deepEqual(answers.map((answer) => answer.status).sort(), [200, 400, 400, 400, 400, 400, 400, 400]);
});

test('COLLATE NOCASE compares without case', async () => {
  const name = fresh('nocase');
  good(await su('POST', '/api/collections', { name, createRule: '', fields: [{ name: 't', type: 'text' }], indexes: [`CREATE UNIQUE INDEX idx_${name} ON ${name} (t COLLATE NOCASE)`] }));
  good(await create(name, { t: 'Ab' }));
  codes(await create(name, { t: 'aB' }), { t: 'validation_not_unique' });
});

test('modifiers change what is there', async () => {
  const made = good(await create(posts, { n: 1, tags: ['b'], title: 'x' }));
  const after = async (body, name) => good(await change(posts, made.id, body))[name];
  assert.equal(await after({ 'n+': 4 }, 'n'), 5);
  assert.equal(await after({ 'n-': '2.5' }, 'n'), 2.5);
  assert.equal(await after({ 'n+': 'garbage' }, 'n'), 2.5);
  assert.deepEqual(await after({ 'tags+': ['c', 'b'] }, 'tags'), ['b', 'c']);
  assert.deepEqual(await after({ '+tags': 'a' }, 'tags'), ['a', 'b', 'c']);
  assert.deepEqual(await after({ 'tags-': ['b', 'zzz'] }, 'tags'), ['a', 'c']);
  assert.equal(await after({ 'one+': 'b' }, 'one'), 'b');
  assert.equal(await after({ 'one-': 'a' }, 'one'), 'b');
  assert.equal(await after({ 'one-': 'b' }, 'one'), '');
  assert.match(await after({ 'code:autogenerate': 'pre-' }, 'code'), /^pre-[a-z]{4}$/);
  codes(await change(posts, made.id, { 'tags+': ['b', 'd'] }), { tags: 'validation_too_many_values' });
  codes(await change(posts, made.id, { 'tags+': 'zzz' }), { tags: 'validation_invalid_value' });
});

test('many additions at once are all counted', async () => {
  const made = good(await create(posts, {}));
  await Promise.all(Array.from({ length: 10 }, async () => good(await change(posts, made.id, { 'n+': 1 }))));
  assert.equal(good(await view(posts, made.id)).n, 10);
});

test('expand adds objects, lists in stored order, and paths', async () => {
  const [ann, ben] = [await record(authors, { name: 'Ann', secret: 's' }), await record(authors, { name: 'Ben' })];
  const made = good(await create(posts, { author: ann.id, others: [ben.id, ann.id] }, '?expand=author,others'));
  assert.equal(made.expand.author.name, 'Ann');
  assert.ok(!('secret' in made.expand.author));
  assert.deepEqual(made.expand.others.map((other) => other.name), ['Ben', 'Ann']);
  assert.equal(good(await change(posts, made.id, { n: 1 }, '?expand=author')).expand.author.id, ann.id);
  const back = good(await view(authors, ben.id, `?expand=${posts.name}_via_others.author`));
  assert.equal(back.expand[`${posts.name}_via_others`][0].expand.author.name, 'Ann');
  for (const query of ['nothing', 'title', 'author.nothing', 'nothing.author', '']) assert.deepEqual(good(await view(posts, made.id, `?expand=${query}`)).expand ?? {}, {}, query);
  assert.deepEqual(good(await view(posts, made.id, '?expand=author,nothing,&fields=expand')), { expand: { author: { collectionId: authors.id, collectionName: authors.name, id: ann.id, name: 'Ann' } } });
});

test('expand shows only what may be viewed, and a unique back relation as one', async () => {
  const locked = await collection('locked', [{ name: 't', type: 'text' }], { viewRule: "t = 'open'" });
  const name = fresh('unique');
  good(await su('POST', '/api/collections', { name, listRule: '', viewRule: '', fields: [{ name: 'r', type: 'relation', collectionId: locked.id, maxSelect: 1 }, { name: 'rs', type: 'relation', collectionId: locked.id, maxSelect: 5 }], indexes: [`CREATE UNIQUE INDEX idx_${name} ON ${name} (r)`] }));
  const [open, shut] = [await record(locked, { t: 'open' }), await record(locked, { t: 'shut' })];
  const made = await record(name, { r: shut.id, rs: [shut.id, open.id] });
  const seen = good(await view(name, made.id, '?expand=r,rs'));
  assert.deepEqual([seen.expand.r, seen.expand.rs.map((other) => other.id)], [undefined, [open.id]]);
  assert.equal(good(await su('GET', `${records(name, made.id)}?expand=r`)).expand.r.id, shut.id);
  assert.equal(good(await su('GET', `${records(locked, shut.id)}?expand=${name}_via_r`)).expand[`${name}_via_r`].id, made.id);
});

test('expand goes six levels deep', async () => {
  const made = await collection('chain', [{ name: 't', type: 'text' }]);
  const id = made.id;
  good(await su('PATCH', `/api/collections/${id}`, { fields: [...made.fields, { name: 'next', type: 'relation', collectionId: id, maxSelect: 1 }] }));
  let last = '';
  for (let n = 0; n < 9; n++) last = (await record(made, { t: `${n}`, next: last })).id;
  let at = good(await view(made, last, `?expand=${Array(8).fill('next').join('.')}`));
  let depth = 0;
  while (at.expand?.next) { at = at.expand.next; depth++; }
  assert.equal(depth, 6);
});

test('a deletion cascades, empties, or is refused', async () => {
  const target = await collection('target');
  const field = (name, more) => ({ name, type: 'relation', collectionId: target.id, ...more });
  const cascade = await collection('cascade', [field('r', { maxSelect: 1, cascadeDelete: true }), field('rs', { maxSelect: 5, cascadeDelete: true })]);
  const loose = await collection('loose', [field('r', { maxSelect: 1 }), field('rs', { maxSelect: 5, minSelect: 2 })]);
  const firm = await collection('firm', [field('r', { maxSelect: 1, required: true })]);
  const [x, y] = [await record(target, {}), await record(target, {})];
  const gone = await record(cascade, { r: x.id });
  const left = await record(cascade, { rs: [x.id, y.id] });
  const emptied = await record(loose, { r: x.id, rs: [x.id, y.id] });
  good(await call('DELETE', records(target, x.id)), 204);
  bad(await view(cascade, gone.id), 404);
  assert.deepEqual(good(await view(cascade, left.id)).rs, [y.id]);
  assert.deepEqual([good(await view(loose, emptied.id)).r, good(await view(loose, emptied.id)).rs], ['', [y.id]]);
  const held = await record(firm, { r: y.id });
  bad(await call('DELETE', records(target, y.id)));
  good(await view(cascade, left.id));
  good(await call('DELETE', records(firm, held.id)), 204);
  good(await call('DELETE', records(target, y.id)), 204);
  bad(await view(cascade, left.id), 404);
});

test('a null rule is 403 for everybody else, before anything is looked up', async () => {
  const closed = await collection('closed', [], { listRule: null, viewRule: null, createRule: null, updateRule: null, deleteRule: null });
  const { token } = await account(people);
  for (const as of [undefined, token]) {
    for (const [method, id] of [['GET', ''], ['POST', ''], ['GET', 'nobody'], ['PATCH', 'nobody'], ['DELETE', 'nobody']]) bad(await call(method, records(closed, id), { as, body: method === 'POST' || method === 'PATCH' ? {} : undefined }), 403);
  }
  const made = await record(closed, {});
  good(await call('GET', records(closed, made.id), { as: await root() }));
});

test('an unmet rule is an empty page, a 400 without data, or a 404', async () => {
  const picky = await collection('picky', [{ name: 't', type: 'text', max: 3 }], { listRule: "t = 'yes'", viewRule: "t = 'yes'", createRule: "t = 'yes'", updateRule: "t = 'yes'", deleteRule: "t = 'yes'" });
  const made = await record(picky, { t: 'no' });
  assert.deepEqual(good(await call('GET', records(picky))), { page: 1, perPage: 30, totalItems: 0, totalPages: 0, items: [] });
  for (const [method, body] of [['GET'], ['PATCH', {}], ['DELETE']]) assert.deepEqual(bad(await call(method, records(picky, made.id), { body }), 404), {});
  assert.deepEqual(bad(await create(picky, { t: 'no' })), {});
  assert.deepEqual(bad(await create(picky, { t: 'toolong' })), {}, 'the rule comes before the errors of fields');
  good(await create(picky, { t: 'yes' }));
});
