// The collections service of the SDK: every call that it documents.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { EVERYONE, fresh, guest, refused, superuser } from './house.mjs';

let admin;
before(async () => { admin = await superuser(); });

const define = (name, more = {}) => admin.collections.create({ name, type: 'base', fields: [{ name: 'title', type: 'text' }], ...more });

test('a collection is defined, read, changed and dropped', async () => {
  const name = fresh('c');
  const made = await define(name, EVERYONE);
  assert.deepEqual(made.fields.map((field) => field.name), ['id', 'title']);
  assert.deepEqual(await admin.collections.getOne(made.id), made);
  assert.deepEqual((await admin.collections.getFirstListItem(`name = "${name}"`)).id, made.id);
  const renamed = await admin.collections.update(name, { name: `${name}x` });
  assert.equal(renamed.id, made.id);
  assert.equal(await admin.collections.delete(renamed.id), true);
  await refused(admin.collections.getOne(made.id), 404);
});

test('collections are listed for superusers alone', async () => {
  const name = fresh('c');
  await define(name);
  const page = await admin.collections.getList(1, 1, { filter: `name = "${name}"` });
  assert.equal(page.totalItems, 1);
  const all = await admin.collections.getFullList({ sort: '-created' });
  assert.ok(all.some((one) => one.name === '_superusers'));
  await refused(guest().collections.getList(), 401);
});

test('fields keep their data through a rename and lose it when dropped', async () => {
  const name = fresh('c');
  const made = await define(name, { fields: [{ name: 'title', type: 'text' }, { name: 'tag', type: 'select', values: ['a', 'b'], maxSelect: 2 }] });
  const record = await admin.collection(name).create({ title: 'kept', tag: ['a', 'b'] });
  const fields = made.fields.map((field) => (field.name === 'title' ? { ...field, name: 'headline' } : field.name === 'tag' ? { ...field, maxSelect: 1 } : field));
  await admin.collections.update(name, { fields: [...fields, { name: 'extra', type: 'number' }] });
  const read = await admin.collection(name).getOne(record.id);
  assert.deepEqual([read.headline, read.tag, read.extra, read.title], ['kept', 'b', 0, undefined]);
  const without = (await admin.collections.getOne(name)).fields.filter((field) => field.name !== 'headline');
  await admin.collections.update(name, { fields: without });
  assert.equal((await admin.collection(name).getOne(record.id)).headline, undefined);
});

test('a collection is emptied', async () => {
  const name = fresh('c');
  await define(name);
  await admin.collection(name).create({ title: 'x' });
  assert.equal(await admin.collections.truncate(name), true);
  assert.equal((await admin.collection(name).getList()).totalItems, 0);
});

test('an import is all or nothing', async () => {
  const [one, two] = [fresh('c'), fresh('c')];
  const fields = [{ name: 'title', type: 'text' }];
  assert.equal(await admin.collections.import([{ name: one, type: 'base', fields }, { name: two, type: 'base', fields }]), true);
  assert.equal((await admin.collections.getOne(two)).name, two);
  const three = fresh('c');
  await refused(admin.collections.import([{ name: three, type: 'base', fields }, { name: 'bad name!', type: 'base', fields }]), 400);
  await refused(admin.collections.getOne(three), 404);
});

test('scaffolds are blank models', async () => {
  const scaffolds = await admin.collections.getScaffolds();
  assert.deepEqual(Object.keys(scaffolds).sort(), ['auth', 'base', 'view']);
  assert.equal(scaffolds.auth.passwordAuth.enabled, true);
});
