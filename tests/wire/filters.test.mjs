// Filters and sorts as clients send them: the grammar, its limits, and what is kept from strangers.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import PocketBase from '../sdk/node_modules/pocketbase/dist/pocketbase.es.mjs';
import { account, bad, call, collection, fresh, good, record, records, root } from './house.mjs';

let things;
let tags;
let people;
let somebody;

before(async () => {
  people = await collection('people', [{ name: 'nick', type: 'text' }, { name: 'hidden', type: 'text', hidden: true }], { type: 'auth' });
  tags = await collection('tags', [{ name: 'name', type: 'text' }, { name: 'n', type: 'number' }], { listRule: 'n < 100' });
  const made = {};
  for (const [name, n] of [['x', 1], ['y', 2], ['z', 3], ['far', 100]]) made[name] = (await record(tags, { name, n })).id;
  somebody = await account(people, { nick: 'ann', emailVisibility: false });
  const seen = await record(people, { email: `${fresh('v')}@example.com`, password: 'password-1', passwordConfirm: 'password-1', emailVisibility: true, nick: 'ben' });
  things = await collection('things', [
    { name: 'k', type: 'text' }, { name: 't', type: 'text' }, { name: 'n', type: 'number' }, { name: 'b', type: 'bool' }, { name: 'd', type: 'date' }, { name: 'j', type: 'json' }, { name: 'g', type: 'geoPoint' }, { name: 'sm', type: 'select', values: ['a', 'b', 'c'], maxSelect: 3 },
    { name: 'r', type: 'relation', collectionId: tags.id, maxSelect: 1 }, { name: 'rm', type: 'relation', collectionId: tags.id, maxSelect: 9 }, { name: 'who', type: 'relation', collectionId: people.id, maxSelect: 1 }, { name: 'h', type: 'text', hidden: true },
  ]);
  const rm = (...names) => names.map((name) => made[name]);
  for (const values of [
    { k: 'r1', t: 'apple', n: 1, b: true, d: '2024-01-02', j: { a: 1, list: [1, 2] }, sm: ['a', 'b'], r: made.x, rm: rm('x', 'y'), g: { lon: 23.3, lat: 42.7 }, who: somebody.id },
    { k: 'r2', t: 'Apple', n: 5, d: '2024-06-07 08:09:10.111Z', j: { a: '1' }, sm: ['b'], r: made.y, rm: rm('y'), who: seen.id },
    { k: 'r3', t: '', n: 0, j: null, h: 'secret' },
    { k: 'r4', t: 'it\'s "so" \\ %', n: -2.5, b: true, j: [], sm: ['a', 'b', 'c'], rm: rm('x', 'y', 'z') },
    { k: 'r6', t: 'zé🎉\nline2', n: 10, j: 'words', rm: rm('z') },
    { k: 'r7', t: 'x', n: 7, r: made.far },
  ]) await record(things, values);
});

const list = (filter, { as, sort = 'k' } = {}) => call('GET', `${records(things)}?${new URLSearchParams({ filter, sort, perPage: '100' })}`, { as });
const found = async (filter, options) => good(await list(filter, options)).items.map((item) => item.k).join(' ');
const all = async (cases, options) => { for (const [filter, expected] of cases) assert.equal(await found(filter, options), expected, filter); };
const refused = async (filters, status = 400, options = {}) => { for (const filter of filters) assert.deepEqual(bad(await list(filter, options), status), {}, filter); };
const EVERY = 'r1 r2 r3 r4 r6 r7';

test('blanks and comments stand between tokens', async () => {
  await all([['', EVERY], ['n = 1', 'r1'], [' n\t=\n1 ', 'r1'], ['n=1||n=5', 'r1 r2'], ['// all of them\nn > 5 // but those\n&& n < 10', 'r7'], ['(n = 1 || n = 5) && b = true', 'r1'], ['n = 1 || n = 5 && b = true', 'r1'], ['((n = 7))', 'r7'], ['b = TRUE', 'r1 r4'], ['1 = 1', EVERY], ['5 = n', 'r2'], ["'a' = 'b'", '']]);
});

test('what is no filter is 400 without data', async () => {
  await refused(['n', 'n =', '= 1', 'n == 1', 'n <> 1', 'not n = 1', 'n = 1 and n = 2', 'n = 1 &&', '(n = 1', 'n = 1)', 'n in 1', "t = 'x", 't = `x`', 'nothing = 1', 't:nothing = 1', 'n = 1e3', 'n = +1', 'n = .5', 'n = 5.', 'collectionName = "x"', 'expand = 1', 'N = 1', 'geoDistance(1, 2, 3) < 1', 'nothing(1) = 1']);
  await refused(['nothing = 1'], 400, { as: await root() });
});

test('filters have their limits', async () => {
  await all([[Array(200).fill('n = 1').join('&&'), 'r1']]);
  await refused([Array(201).fill('n=1').join('||'), `t = "${'x'.repeat(3500)}"`]);
  good(await list('', { sort: Array(8).fill('n').join(',') }));
  bad(await list('', { sort: Array(9).fill('n').join(',') }));
});

test('the SDK binds every value so that it comes back', async () => {
  const pb = new PocketBase(process.env.HOLDALL_URL);
  const bound = (text, values) => pb.filter(text, values);
  await all([
    [bound('t = {:v}', { v: 'it\'s "so" \\ %' }), 'r4'], [bound('t = {:v}', { v: 'zé🎉\nline2' }), 'r6'], [bound('n = {:v}', { v: 5 }), 'r2'], [bound('b = {:v}', { v: true }), 'r1 r4'], [bound('t = {:v}', { v: null }), 'r3'],
    [bound('d = {:v}', { v: new Date('2024-06-07T08:09:10.111Z') }), 'r2'], [bound("t = 'x' || t = {:v}", { v: "' || 1=1 //" }), 'r7'],
  ]);
});

test('scalars compare by their kind', async () => {
  await all([
    ["t > 'a'", 'r1 r4 r6 r7'], ["t < 'a' && t != ''", 'r2'], ["n = '5'", 'r2'], ["n > '9'", 'r6'], ['n >= 5', 'r2 r6 r7'], ['n < 0', 'r4'], ['b = false', 'r2 r3 r6 r7'], ['b = 1', 'r1 r4'],
    ["d >= '2024-01-02'", 'r1 r2'], ["d = '2024-01-02'", ''], ["d = '2024-01-02 00:00:00.000Z'", 'r1'], ["d = ''", 'r3 r4 r6 r7'], ['d < @now', EVERY], ["d < @now && d != ''", 'r1 r2'],
    ['g.lon > 20', 'r1'], ["j.a = 1", 'r1'], ["j.a = '1'", 'r2'], ['j.list.1 = 2', 'r1'], ["j = '[]'", 'r4'], ["j = 'words'", 'r6'],
  ]);
});

test('blank and absent are the same for texts, not for numbers and json', async () => {
  await all([["t = ''", 'r3'], ['t = null', 'r3'], ["t != ''", 'r1 r2 r4 r6 r7'], ["r.name = ''", 'r3 r4 r6'], ['n = null', ''], ["n = ''", ''], ['j = null', 'r3 r7'], ["j = ''", ''], ['j != null', 'r1 r2 r4 r6'], ["r.name != 'x' && n < 1", 'r3 r4'], ["r.name !~ 'x' && n < 1", '']], { as: await root() });
});

test('~ finds, with % as it is given', async () => {
  await all([["t ~ 'APP'", 'r1 r2'], ["t ~ 'app%'", 'r1 r2'], ["t ~ '%e'", 'r1 r2'], ["t ~ 'z%line2'", 'r6'], ["t ~ '\\\\%'", 'r4'], ["t ~ '_'", ''], ["t ~ ''", EVERY], ["t !~ ''", ''], ['n ~ 1', 'r1 r6'], ["sm ~ 'c'", 'r4'], ["t !~ 'p'", 'r3 r4 r6 r7']]);
});

test('plain operators speak of all values, ? of any', async () => {
  const as = await root();
  await all([
    ["rm.name = 'y'", 'r2'], ["rm.name ?= 'y'", 'r1 r2 r4'], ["rm.name != 'y'", 'r3 r6 r7'], ["rm.name ?!= 'y'", 'r1 r3 r4 r6 r7'], ["rm.name ~ 'y'", 'r2'], ["rm.name ?~ 'y'", 'r1 r2 r4'], ["rm.name !~ 'y'", 'r6'], ["rm.name ?!~ 'y'", 'r1 r4 r6'], ["rm.name = ''", 'r3 r7'], ["rm.name != ''", 'r1 r2 r4 r6'],
    ["rm.name ?= 'x' && rm.n ?= 2", ''], ["rm.name ?= 'x' && rm.n ?= 1", 'r1 r4'], ["sm:each ?= 'a'", 'r1 r4'], ["sm:each ?= 'a' && sm:each ?= 'b'", ''], ['sm:length = 2', 'r1'], ['rm:length > 1', 'r1 r4'], ["sm:each = 'b'", 'r2'], ["rm.n ?> r.n", 'r1'], ["n ?= 5", 'r2'],
  ], { as });
});

test('joins multiply neither rows nor totals', async () => {
  const page = good(await call('GET', `${records(things)}?${new URLSearchParams({ filter: "rm.name ?!= ''", perPage: '1' })}`, { as: await root() }));
  assert.deepEqual([page.totalItems, page.totalPages], [4, 4]);
});

test('back relations lead the other way', async () => {
  const names = async (filter) => good(await call('GET', `${records(tags)}?${new URLSearchParams({ filter, sort: 'n' })}`)).items.map((item) => item.name).join(' ');
  assert.equal(await names(`${things.name}_via_rm.k ?= 'r6'`), 'z');
  assert.equal(await names(`${things.name}_via_r.n ?= 1`), 'x');
  assert.equal(await names(`${things.name}_via_rm.r.name ?= 'y'`), 'y');
});

test('macros, functions and modifiers', async () => {
  await all([
    ['d < @todayStart && d != ""', 'r1 r2'], ['@yearStart <= @now && @now <= @yearEnd', EVERY], ['@yesterday < @now && @tomorrow > @now', EVERY], ['@month >= 1 && @day >= 1 && @weekday < 7 && @hour < 24 && @minute < 60 && @second < 60', EVERY],
    ['geoDistance(g.lon, g.lat, 23.3, 42.7) < 1', 'r1'], ["strftime('%Y-%m', d) = '2024-06'", 'r2'], ["t:lower = 'apple'", 'r1 r2'], ["t:lower = 'APPLE'", ''],
  ]);
});

test('what is hidden stays hidden', async () => {
  for (const as of [undefined, somebody.token]) {
    await refused(["h = 'secret'", "who.hidden = 'x'", "who.password != ''", "who.tokenKey != ''"], 400, { as });
    bad(await list('', { sort: 'h', as }));
    await refused(["@request.auth.id != ''", `@collection.${tags.name}.name ?= t`], 403, { as });
  }
  await all([["h = 'secret'", 'r3'], ['@request.auth.id != ""', EVERY], [`@collection.${tags.name}.name ?= t`, 'r7']], { as: await root() });
});

test('an address is found only where it is shown', async () => {
  await all([["who.email ~ 'example.com'", 'r2'], ["who.nick = 'ann'", 'r1']]);
  await all([["who.email ~ 'example.com'", 'r1 r2']], { as: await root() });
});

test('a path into what may not be listed drops rows, or is refused', async () => {
  await all([['r.n > 1', 'r2'], [`r.id != ''`, 'r1 r2 r7']]);
  await all([['r.n > 1', 'r2 r7']], { as: await root() });
  const locked = await collection('locked', [{ name: 't', type: 'text' }], { listRule: null });
  const pointing = await collection('pointing', [{ name: 'l', type: 'relation', collectionId: locked.id, maxSelect: 1 }]);
  bad(await call('GET', `${records(pointing)}?filter=${encodeURIComponent("l.t = 'x'")}`));
  good(await call('GET', `${records(pointing)}?filter=${encodeURIComponent("l = 'x' || l.id = 'x'")}`));
});

test('sorts', async () => {
  const sorted = (sort, filter = '') => found(filter, { sort });
  assert.equal(await sorted('n'), 'r4 r3 r1 r2 r7 r6');
  assert.equal(await sorted('-n'), 'r6 r7 r2 r1 r3 r4');
  assert.equal(await sorted('+t,k'), 'r3 r2 r1 r4 r7 r6');
  assert.equal(await sorted('-b, k'), 'r1 r4 r2 r3 r6 r7');
  assert.equal(await sorted('t:lower,k', "t ~ 'app'"), 'r1 r2');
  assert.equal(await sorted('-r.n,k', 'n = 1 || n = 5 || n = 0'), 'r2 r1 r3');
  assert.equal(await sorted('@rowid'), 'r1 r2 r3 r4 r6 r7');
  assert.equal(await sorted('-@rowid'), 'r7 r6 r4 r3 r2 r1');
  assert.equal((await sorted('@random')).split(' ').sort().join(' '), EVERY);
  assert.equal(await sorted(''), await sorted(''));
  for (const sort of ['nothing', 'n,,k', 'n,', '--n', 'n desc', 'collectionName', '@now']) bad(await list('', { sort }));
  bad(await list('', { sort: '@request.auth.id' }), 403);
});
