// `holdall types ts`: the types say of every kind of field what the SDK sends and gets, and nothing else.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, test } from 'node:test';

const root = resolve(import.meta.dirname, '../..');
const holdall = process.env.HOLDALL ?? join(root, 'target/debug/holdall');
const tsc = join(root, 'web/node_modules/typescript/bin/tsc');

const field = (name, type, options = {}) => ({ name, type, ...options });
const SCHEMA = [
  { name: 'authors', type: 'base', fields: [field('name', 'text', { required: true })] },
  {
    name: 'blog_posts', type: 'base',
    fields: [
      field('title', 'text', { required: true }), field('slug', 'text', { required: true, autogeneratePattern: '[a-z]{8}' }),
      field('n', 'number'), field('live', 'bool'), field('mail', 'email'), field('link', 'url'), field('body', 'editor'),
      field('at', 'date'), field('created', 'autodate', { onCreate: true }), field('state', 'select', { values: ['new', 'don\'t "quote"'] }),
      field('tags', 'select', { values: ['a', 'b'], maxSelect: 2 }), field('cover', 'file'), field('files', 'file', { maxSelect: 3 }),
      field('author', 'relation', { collectionId: 'authors' }), field('friends', 'relation', { collectionId: 'users', maxSelect: 9 }),
      field('meta', 'json'), field('place', 'geoPoint'), field('secret', 'text', { hidden: true }), field('2nd', 'bool'),
    ],
    indexes: ['CREATE UNIQUE INDEX posts_author ON blog_posts (author)'],
  },
  { name: 'blog__posts', type: 'base', fields: [] },
  { name: 'totals', type: 'view', viewQuery: 'SELECT author AS id, count(*) AS total FROM blog_posts GROUP BY author' },
];

/** Every line without a mark must compile; a line marked `wrong` must not. */
const USES = `
import PocketBase from 'pocketbase';
import type { AuthorsRecord, BlogPostsCreate, Collections, TypedPocketBase } from './holdall';

const holdall = new PocketBase('http://127.0.0.1') as TypedPocketBase;
const posts = holdall.collection('blog_posts');

export async function uses(): Promise<void> {
  const post = await posts.getOne('id', { expand: 'author,friends' });
  const title: string = post.title;
  const state: 'new' | 'don\\'t "quote"' | '' = post.state;
  const author: AuthorsRecord | undefined = post.expand?.author;
  const back: string | undefined = author?.expand?.blog_posts_via_author?.title;
  const friends: string[] | undefined = post.expand?.friends?.map((friend) => friend.name);
  const place: number = post.place.lon + post.n + (post['2nd'] ? 1 : 0);
  const hidden: string | undefined = post.secret;
  const made = await posts.create({ title: 'x', tags: ['a'], at: new Date(), files: [new Blob(['x'])] });
  await posts.create(new FormData());
  await posts.update(made.id, { title: null, 'n+': 2, 'tags-': 'b', '+friends': ['x'], 'files-': 'a.txt' });
  const list = await posts.getList(1, 20, { filter: holdall.filter('title = {:title}', { title }) });
  const total: number = (await holdall.collection('totals').getFirstListItem('')).total;
  const email: string | undefined = list.items[0]?.expand?.friends?.[0]?.email;
  await holdall.collection('users').authWithPassword('a', 'b');
  await holdall.collection('users').create({ email: 'a@b.c', password: 'x', passwordConfirm: 'x' });
  await holdall.collection('another').create({ any: 'thing' });
  const plain: PocketBase = holdall;
  const name: Collections['blog__posts']['record']['collectionName'] = 'blog__posts';
  void [state, back, friends, place, hidden, total, email, plain, name];
}

export async function misuses(body: BlogPostsCreate): Promise<void> {
  posts.create({ title: 5 }); // wrong
  posts.create({ n: 1 }); // wrong
  posts.create({ title: 'x', tags: ['z'] }); // wrong
  posts.create({ title: 'x', created: 'now' }); // wrong
  posts.create({ title: 'x', nothing: 1 }); // wrong
  posts.update('id', { id: 'other' }); // wrong
  posts.update('id', { 'title+': 'x' }); // wrong
  holdall.collection('totals').create({ total: 1 }); // wrong
  body.nothing; // wrong
}
`;

let home;
before(() => {
  home = mkdtempSync(join(tmpdir(), 'holdall-types-'));
  writeFileSync(join(home, 'schema.json'), JSON.stringify(SCHEMA));
  symlinkSync(join(import.meta.dirname, 'node_modules'), join(home, 'node_modules'));
});
after(() => rmSync(home, { recursive: true }));

const types = () => execFileSync(holdall, ['types', 'ts', '--schema', join(home, 'schema.json')], { cwd: home, encoding: 'utf8' });

/** The lines of `uses.ts` that tsc finds fault with, and what it said. */
function faults() {
  const options = ['--noEmit', '--strict', '--target', 'es2022', '--module', 'esnext', '--moduleResolution', 'bundler', '--lib', 'es2022,dom', '--skipLibCheck'];
  try {
    execFileSync(process.execPath, [tsc, ...options, 'uses.ts', 'holdall.ts'], { cwd: home, encoding: 'utf8' });
    return { lines: [], said: '' };
  } catch (error) {
    const said = String(error.stdout);
    assert.ok(said.includes('error TS'), said || String(error));
    const lines = [...said.matchAll(/^uses\.ts\((\d+),/gm)].map((match) => Number(match[1]));
    return { lines: [...new Set(lines)], said };
  }
}

test('printed types fit the SDK, and refuse what the server would', () => {
  writeFileSync(join(home, 'holdall.ts'), types());
  writeFileSync(join(home, 'uses.ts'), USES);
  const { lines, said } = faults();
  const wrong = USES.split('\n').flatMap((line, at) => (line.endsWith('// wrong') ? [at + 1] : []));
  assert.equal(said.includes('holdall.ts('), false, said);
  assert.deepEqual(lines, wrong, said);
});

test('the same schema prints the same types', () => {
  assert.equal(types(), types());
});
