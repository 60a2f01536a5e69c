// Fills a server with a little of everything, and writes what it then answers to the file named.
// Used by scripts/keep-store.sh.
import { writeFileSync } from 'node:fs';

const { HOLDALL_URL, HOLDALL_ADMIN_EMAIL, HOLDALL_ADMIN_PASSWORD } = process.env;
let token = '';

async function call(method, path, body) {
  const headers = { 'Content-Type': 'application/json', Authorization: token };
  const answer = await fetch(HOLDALL_URL + path, { method, headers, body: body && JSON.stringify(body) });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
  return text ? JSON.parse(text) : null;
}

const records = (collection) => `/api/collections/${collection}/records`;
const signIn = { identity: HOLDALL_ADMIN_EMAIL, password: HOLDALL_ADMIN_PASSWORD };
token = (await call('POST', '/api/collections/_superusers/auth-with-password', signIn)).token;

const authors = await call('POST', '/api/collections', {
  name: 'authors',
  type: 'base',
  listRule: '',
  fields: [
    { name: 'name', type: 'text', required: true },
    { name: 'mail', type: 'email' },
    { name: 'born', type: 'number' },
  ],
  indexes: ['CREATE UNIQUE INDEX `authors_name` ON `authors` (`name` COLLATE NOCASE)'],
});
const books = await call('POST', '/api/collections', {
  name: 'books',
  type: 'base',
  listRule: '',
  fields: [
    { name: 'title', type: 'text' },
    { name: 'pages', type: 'number' },
    { name: 'lent', type: 'bool' },
    { name: 'site', type: 'url' },
    { name: 'bought', type: 'date' },
    { name: 'kind', type: 'select', values: ['novel', 'poem', 'play'], maxSelect: 1 },
    { name: 'moods', type: 'select', values: ['dark', 'light', 'odd'], maxSelect: 3 },
    { name: 'notes', type: 'json' },
    { name: 'blurb', type: 'editor' },
    { name: 'shelf', type: 'geoPoint' },
    { name: 'secret', type: 'text', hidden: true },
    { name: 'author', type: 'relation', collectionId: authors.id, maxSelect: 1, cascadeDelete: true },
    { name: 'readers', type: 'relation', collectionId: authors.id, maxSelect: 9 },
    { name: 'created', type: 'autodate', onCreate: true },
    { name: 'updated', type: 'autodate', onCreate: true, onUpdate: true },
  ],
  indexes: [
    'CREATE INDEX `books_kind` ON `books` (`kind`, `pages` DESC)',
    "CREATE UNIQUE INDEX `books_title` ON `books` (`title`) WHERE `title` != ''",
  ],
});
await call('POST', '/api/collections', { name: 'people', type: 'auth', fields: [{ name: 'nick', type: 'text' }] });

const ids = [];
for (let n = 0; n < 12; n++) {
  const author = { name: `Author ${n} åäö "quoted" \u0001`, mail: n % 3 ? `a${n}@example.com` : '', born: 1900 - n * 1.5 };
  ids.push((await call('POST', records('authors'), author)).id);
}
const made = [];
for (let n = 0; n < 60; n++) {
  const book = {
    title: n % 5 ? `Book ${n}` : '',
    pages: (n * 37) % 50,
    lent: n % 2 === 0,
    site: n % 4 ? `https://example.com/${n}` : '',
    bought: n % 3 ? `2026-0${1 + (n % 9)}-11 10:00:00.000Z` : '',
    kind: ['novel', 'poem', 'play', ''][n % 4],
    moods: [['dark'], ['light', 'odd'], []][n % 3],
    notes: [null, { deep: [n, { er: 'ü' }] }, 'text', n / 7][n % 4],
    blurb: n === 7 ? `<p>${'long '.repeat(4000)}</p>` : `<p>${n}</p>`,
    shelf: { lon: n / 2, lat: -n / 3 },
    secret: `s${n}`,
    author: ids[n % 12],
    readers: n % 6 ? [ids[(n + 1) % 12], ids[(n + 5) % 12]] : [],
  };
  made.push((await call('POST', records('books'), book)).id);
}
for (let n = 0; n < 8; n++) {
  await call('POST', records('people'), {
    email: `p${n}@example.com`, nick: `nick ${n}`, verified: n % 2 === 0,
    password: 'correct-horse-9', passwordConfirm: 'correct-horse-9',
  });
}
for (const n of [3, 9, 27]) await call('PATCH', `${records('books')}/${made[n]}`, { title: `Book ${n}, again`, 'pages+': 1000 });
for (const n of [4, 44]) await call('DELETE', `${records('books')}/${made[n]}`);
await call('DELETE', `${records('authors')}/${ids[11]}`);

// Older layouts: a field renamed, one gone, one new, one that became a list.
const field = (change) => (one) => change[one.name]?.(one) ?? one;
const fields = books.fields.filter((one) => one.name !== 'site').map(field({
  pages: (one) => ({ ...one, name: 'sheets' }),
  kind: (one) => ({ ...one, maxSelect: 2 }),
}));
await call('PATCH', '/api/collections/books', { fields: [...fields, { name: 'late', type: 'text' }] });
for (const n of [1, 2]) await call('PATCH', `${records('books')}/${made[n]}`, { late: `late ${n}`, 'kind+': 'play' });
await call('POST', '/api/collections', { name: 'gone', type: 'base', fields: [{ name: 'x', type: 'text' }] });
await call('POST', records('gone'), { x: 'y' });
await call('DELETE', '/api/collections/gone');
await call('PATCH', '/api/settings', { meta: { appName: 'Kept' } });

const kept = { collections: {}, records: {} };
for (const { name, ...collection } of (await call('GET', '/api/collections?perPage=200&sort=name')).items) {
  kept.collections[name] = collection;
  if (name.startsWith('_')) continue;
  kept.records[name] = (await call('GET', `${records(name)}?perPage=500&sort=@rowid`)).items;
}
writeFileSync(process.argv[2], `${JSON.stringify(kept, null, 1)}\n`);
