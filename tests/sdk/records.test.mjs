// The records service of the SDK: every call that it documents.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { EVERYONE, PASSWORD, fresh, guest, member, refused, superuser } from './house.mjs';

const posts = fresh('posts');
const authors = fresh('authors');
const users = fresh('people');
let admin;

before(async () => {
  admin = await superuser();
  const a = await admin.collections.create({ name: authors, type: 'base', ...EVERYONE, fields: [{ name: 'name', type: 'text', required: true }] });
  await admin.collections.create({
    name: posts, type: 'base', ...EVERYONE,
    fields: [
      { name: 'title', type: 'text', max: 40 }, { name: 'n', type: 'number' }, { name: 'live', type: 'bool' },
      { name: 'tags', type: 'select', values: ['a', 'b', 'c'], maxSelect: 3 }, { name: 'meta', type: 'json' },
      { name: 'at', type: 'date' }, { name: 'author', type: 'relation', collectionId: a.id, maxSelect: 1 },
      { name: 'slug', type: 'text' }, { name: 'created', type: 'autodate', onCreate: true },
      { name: 'updated', type: 'autodate', onCreate: true, onUpdate: true },
    ],
    indexes: [`CREATE UNIQUE INDEX idx_${posts}_slug ON ${posts} (slug) WHERE slug != ''`],
  });
  await admin.collections.create({ name: users, type: 'auth', ...EVERYONE, listRule: '', viewRule: '', updateRule: 'id = @request.auth.id' });
});

test('a record is created, read, changed and deleted', async () => {
  const pb = guest().collection(posts);
  const made = await pb.create({ title: 'Hello', n: 2.5, live: true, tags: ['b'], meta: { deep: [1, null] }, at: new Date('2024-03-04T05:06:07.089Z') });
  assert.equal(made.at, '2024-03-04 05:06:07.089Z');
  assert.deepEqual(await pb.getOne(made.id), made);
  const changed = await pb.update(made.id, { 'n+': 1, 'tags+': 'c', title: null });
  assert.deepEqual([changed.n, changed.tags, changed.title], [3.5, ['b', 'c'], '']);
  assert.equal(await pb.delete(made.id), true);
  await refused(pb.getOne(made.id), 404);
  await refused(pb.delete(made.id), 404);
});

test('form data works as JSON does', async () => {
  const form = new FormData();
  form.append('title', '12');
  form.append('n', '7');
  form.append('tags', 'a');
  form.append('tags', 'b');
  form.append('@jsonPayload', JSON.stringify({ meta: { x: 1 } }));
  const made = await guest().collection(posts).create(form);
  assert.deepEqual([made.title, made.n, made.tags, made.meta], ['12', 7, ['a', 'b'], { x: 1 }]);
});

test('lists are filtered, sorted and paged', async () => {
  const pb = guest().collection(posts);
  const key = fresh('k');
  for (let n = 1; n <= 7; n++) await pb.create({ title: `${key} "${n}"`, n });
  const filter = guest().filter('title ~ {:key} && n > {:n}', { key, n: 2 });
  const page = await pb.getList(2, 2, { filter, sort: '-n' });
  assert.deepEqual([page.page, page.perPage, page.totalItems, page.totalPages], [2, 2, 5, 3]);
  assert.deepEqual(page.items.map((item) => item.n), [5, 4]);
  const all = await pb.getFullList({ filter, sort: 'n', batch: 2 });
  assert.deepEqual(all.map((item) => item.n), [3, 4, 5, 6, 7]);
  const uncounted = await pb.getList(1, 2, { filter, skipTotal: true });
  assert.deepEqual([uncounted.totalItems, uncounted.totalPages], [-1, -1]);
  const quoted = await pb.getFirstListItem(guest().filter('title = {:title}', { title: `${key} "3"` }));
  assert.equal(quoted.n, 3);
  await refused(pb.getFirstListItem(`title = "${key}"`), 404);
  await refused(pb.getList(1, 2, { filter: 'title = ' }), 400);
  await refused(pb.getList(1, 2, { sort: 'nothing' }), 400);
});

test('relations are expanded and members picked', async () => {
  const author = await guest().collection(authors).create({ name: 'Ann' });
  const post = await guest().collection(posts).create({ title: 'One', author: author.id }, { expand: 'author' });
  assert.equal(post.expand.author.name, 'Ann');
  const picked = await guest().collection(posts).getOne(post.id, { expand: 'author', fields: 'title,expand.author.name' });
  assert.deepEqual(picked, { title: 'One', expand: { author: { name: 'Ann' } } });
  const back = await guest().collection(authors).getOne(author.id, { expand: `${posts}_via_author` });
  assert.deepEqual(back.expand[`${posts}_via_author`].map((item) => item.id), [post.id]);
});

test('refusals name the field and the code', async () => {
  const pb = guest().collection(posts);
  await refused(pb.create({ title: 'x'.repeat(41) }), 400, 'title', 'validation_max_text_constraint');
  await refused(pb.create({ author: 'nobody' }), 400, 'author', 'validation_missing_rel_records');
  await refused(pb.create({ tags: ['z'] }), 400, 'tags', 'validation_invalid_value');
  await refused(guest().collection(authors).create({}), 400, 'name', 'validation_required');
  await refused(guest().collection(fresh('nowhere')).getList(), 404);
});

test('of 64 who want one unique value, one gets it', async () => {
  const slug = fresh('s');
  const tries = await Promise.allSettled(Array.from({ length: 64 }, () => guest().collection(posts).create({ slug })));
  const lost = tries.filter((one) => one.status === 'rejected');
  assert.equal(lost.length, 63);
  for (const one of lost) assert.equal(one.reason.response.data.slug.code, 'validation_not_unique', JSON.stringify(one.reason));
  assert.equal((await admin.collection(posts).getList(1, 5, { filter: `slug = "${slug}"` })).totalItems, 1);
});

test('parallel additions add up exactly', async () => {
  const { id } = await guest().collection(posts).create({ n: 0 });
  await Promise.all(Array.from({ length: 64 }, (_, at) => guest().collection(posts).update(id, { 'n+': at })));
  assert.equal((await guest().collection(posts).getOne(id)).n, (63 * 64) / 2);
});

test('records of null rules are for superusers', async () => {
  const closed = fresh('closed');
  await admin.collections.create({ name: closed, type: 'base', fields: [{ name: 't', type: 'text' }] });
  const made = await admin.collection(closed).create({ t: 'x' });
  await refused(guest().collection(closed).getList(), 403);
  await refused(guest().collection(closed).getOne(made.id), 403);
  await refused(guest().collection(closed).create({}), 403);
  await refused(guest().collection(closed).update(made.id, {}), 403);
  await refused(guest().collection(closed).delete(made.id), 403);
});

test('accounts sign up, sign in, and keep their address to themselves', async () => {
  const email = `${fresh('a')}@example.com`;
  const account = await guest().collection(users).create({ email, password: PASSWORD, passwordConfirm: PASSWORD });
  assert.equal(account.email, undefined);
  const pb = guest();
  const signedIn = await pb.collection(users).authWithPassword(email, PASSWORD);
  assert.equal(signedIn.record.email, email);
  assert.ok(pb.authStore.isValid);
  assert.equal((await pb.collection(users).getOne(account.id)).email, email);
  assert.equal((await pb.collection(users).authRefresh()).record.id, account.id);
  const stranger = await member(admin, users);
  assert.equal((await stranger.collection(users).getOne(account.id)).email, undefined);
  await refused(stranger.collection(users).update(account.id, {}), 404);
  await refused(guest().collection(users).authWithPassword(email, 'wrong-horse-9'), 400);
  assert.ok((await guest().collection(users).listAuthMethods()).password.enabled);
  const impostor = await admin.collection(users).impersonate(account.id, 60);
  assert.equal((await impostor.collection(users).getOne(account.id)).email, email);
});

test('a batch is done whole or not at all', async () => {
  await admin.settings.update({ batch: { enabled: true, maxRequests: 50, timeout: 3 } });
  const title = fresh('b');
  const batch = guest().createBatch();
  batch.collection(posts).create({ title, n: 1 }, { fields: 'n' });
  batch.collection(posts).upsert({ id: 'batchbatchbatch', title, n: 2 });
  batch.collection(posts).update('batchbatchbatch', { 'n+': 3 });
  const done = await batch.send();
  assert.deepEqual(done.map((one) => one.status), [200, 200, 200]);
  assert.deepEqual([done[0].body, done[2].body.n], [{ n: 1 }, 5]);
  const failing = guest().createBatch();
  failing.collection(posts).delete('batchbatchbatch');
  failing.collection(posts).create({ title: 'x'.repeat(41) });
  const error = await refused(failing.send(), 400);
  assert.equal(error.response.data.requests['1'].response.data.title.code, 'validation_max_text_constraint');
  assert.equal((await guest().collection(posts).getOne('batchbatchbatch')).n, 5);
  await guest().collection(posts).delete('batchbatchbatch');
});
