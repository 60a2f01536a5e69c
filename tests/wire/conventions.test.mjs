// Requests, errors, forms, CORS, members, pages: what holds for every endpoint.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { account, bad, call, codes, collection, good, record, records, root, su } from './house.mjs';

let posts;
let people;

before(async () => {
  posts = await collection('posts', [
    { name: 'title', type: 'text', required: true }, { name: 'n', type: 'number' }, { name: 'live', type: 'bool' }, { name: 'tags', type: 'select', values: ['a', 'b', 'c'], maxSelect: 3 },
    { name: 'meta', type: 'json' }, { name: 'geo', type: 'geoPoint' }, { name: 'html', type: 'editor' }, { name: 'secret', type: 'text', hidden: true },
  ]);
  people = await collection('people', [], { type: 'auth' });
});

test('a path with a slash at its end is nothing', async () => {
  bad(await call('GET', `${records(posts)}/`), 404);
  bad(await call('GET', '/api/collections/'), 404);
  bad(await call('GET', '/api/health/'), 404);
});

test('an unknown route or method is 404, never 405', async () => {
  for (const [method, path] of [['GET', '/api/nothing'], ['DELETE', records(posts)], ['PUT', records(posts)], ['POST', records(posts, 'x')], ['PUT', '/api/settings'], ['POST', '/api/health'], ['GET', '/api/batch']]) {
    const answer = await call(method, path);
    assert.deepEqual(bad(answer, 404), {}, `${method} ${path}`);
  }
});

test('a body that is missing, empty or null is an empty object', async () => {
  for (const body of [undefined, '', 'null', '{}']) {
    codes(await call('POST', records(posts), { body, headers: { 'Content-Type': 'application/json' } }), { title: 'validation_required' });
  }
});

test('malformed JSON, lists and scalars are 400 with empty data', async () => {
  for (const body of ['{', '[]', '5', '"x"', 'true', '{"title":}', '{title:1}']) assert.deepEqual(bad(await call('POST', records(posts), { body })), {}, body);
});

test('parameters of the content type are fine, other content types are not', async () => {
  good(await call('POST', records(posts), { body: '{"title":"x"}', headers: { 'Content-Type': 'application/json; charset=utf-8' } }));
  for (const type of ['text/plain', 'application/xml', 'application/octet-stream']) assert.deepEqual(bad(await call('POST', records(posts), { body: '{"title":"x"}', headers: { 'Content-Type': type } })), {});
});

test('a content type on a request without a body is ignored', async () => {
  const made = await record(posts, { title: 'x' });
  const headers = { 'Content-Type': 'application/json', 'Accept-Language': 'en-US' };
  good(await call('GET', records(posts, made.id), { headers }));
  good(await call('DELETE', records(posts, made.id), { headers }), 204);
});

test('a repeated query parameter uses its first value', async () => {
  assert.equal(good(await call('GET', `${records(posts)}?perPage=3&perPage=7`)).perPage, 3);
});

test('a body above 32 MiB is 413', async () => {
  const answer = await call('PATCH', '/api/settings', { as: await root(), body: JSON.stringify({ x: 'x'.repeat(33 * 1024 * 1024) }) });
  bad(answer, 413);
});

test('tokens work bare and as Bearer, and bad ones make guests', async () => {
  const somebody = await account(people);
  const own = { as: somebody.token };
  const shows = async (options) => 'email' in good(await call('GET', records(people, somebody.id), options));
  assert.equal(await shows(own), true);
  assert.equal(await shows({ as: `Bearer ${somebody.token}` }), true);
  for (const as of ['x', 'Bearer x', 'a.b.c', `${somebody.token}x`, 'Basic eDp5', somebody.token.slice(0, -3)]) assert.equal(await shows({ as }), false, as);
});

test('401 is for guests, 403 for callers who may not', async () => {
  const somebody = await account(people);
  for (const [method, path] of [['GET', '/api/collections'], ['GET', `/api/collections/${posts.name}`], ['POST', '/api/collections'], ['PATCH', `/api/collections/${posts.name}`], ['DELETE', `/api/collections/${posts.name}`], ['DELETE', `/api/collections/${posts.name}/truncate`], ['PUT', '/api/collections/import'], ['GET', '/api/collections/meta/scaffolds'], ['GET', '/api/collections/meta/oauth2-providers'], ['POST', '/api/collections/meta/dry-run-view'], ['GET', '/api/settings'], ['PATCH', '/api/settings']]) {
    const body = method === 'GET' || method === 'DELETE' ? undefined : {};
    assert.deepEqual(bad(await call(method, path, { body }), 401), {}, `${method} ${path}`);
    assert.deepEqual(bad(await call(method, path, { body, as: somebody.token }), 403), {}, `${method} ${path}`);
  }
});

test('leaves have a code, a message and parameters', async () => {
  const limited = await collection('limited', [{ name: 't', type: 'text', min: 2, max: 3 }, { name: 's', type: 'select', values: ['a', 'b', 'c'], maxSelect: 2 }]);
  const data = bad(await call('POST', records(limited), { body: { t: 'long', s: ['a', 'b', 'c'] } }));
  assert.deepEqual([data.t.code, data.t.params], ['validation_max_text_constraint', { max: 3 }]);
  assert.deepEqual([data.s.code, data.s.params], ['validation_too_many_values', { maxSelect: 2 }]);
  assert.deepEqual(bad(await call('POST', records(limited), { body: { t: 'x' } })).t.params, { min: 2 });
  codes(await su('PATCH', '/api/settings', { meta: { appName: '' } }), { 'meta.appName': 'validation_required' });
});

test('a form is cast as JSON texts are', async () => {
  for (const make of [(pairs) => new URLSearchParams(pairs), (pairs) => { const form = new FormData(); for (const [name, value] of pairs) form.append(name, value); return form; }]) {
    const made = good(await call('POST', records(posts), { body: make([['title', '12.5'], ['n', '12.5'], ['live', 'true'], ['tags', 'a'], ['tags', 'b'], ['meta', '{"a":[1]}'], ['geo', '{"lon":1,"lat":2}']]) }));
    assert.deepEqual([made.title, made.n, made.live, made.tags, made.meta, made.geo], ['12.5', 12.5, true, ['a', 'b'], { a: [1] }, { lon: 1, lat: 2 }]);
    assert.equal(good(await call('POST', records(posts), { body: make([['title', 'x'], ['meta', '[1']]) })).meta, '[1');
  }
});

test('@jsonPayload is merged into a form, more than once, and must be an object', async () => {
  const form = (...payloads) => { const made = new FormData(); made.append('title', 'form'); for (const payload of payloads) made.append('@jsonPayload', payload); return made; };
  const made = good(await call('POST', records(posts), { body: form('{"n":5,"tags":["a"]}', '{"meta":{"x":1}}') }));
  assert.deepEqual([made.title, made.n, made.tags, made.meta], ['form', 5, ['a'], { x: 1 }]);
  for (const payload of ['{', '', '[]', '5']) assert.deepEqual(bad(await call('POST', records(posts), { body: form(payload) })), {}, payload);
});

test('every answer to an origin lets every origin read it', async () => {
  const headers = { Origin: 'https://app.example.com' };
  for (const path of ['/api/health', records(posts), '/api/nothing', '/api/collections']) {
    const answer = await call('GET', path, { headers });
    assert.equal(answer.headers.get('access-control-allow-origin'), '*', path);
    assert.match(answer.headers.get('vary') ?? '', /Origin/i, path);
  }
});

test('a preflight answers 204 and echoes the headers asked for', async () => {
  const answer = await call('OPTIONS', records(posts), { headers: { Origin: 'https://app.example.com', 'Access-Control-Request-Method': 'PATCH', 'Access-Control-Request-Headers': 'authorization,x-mine' } });
  assert.equal(answer.status, 204);
  assert.equal(answer.headers.get('access-control-allow-origin'), '*');
  assert.deepEqual(answer.headers.get('access-control-allow-methods').split(/, ?/).sort(), ['DELETE', 'GET', 'HEAD', 'PATCH', 'POST', 'PUT']);
  assert.equal(answer.headers.get('access-control-allow-headers'), 'authorization,x-mine');
});

test('answers of the API say that they are nothing but themselves', async () => {
  const { headers } = await call('GET', '/api/health');
  assert.equal(headers.get('x-content-type-options'), 'nosniff');
  assert.equal(headers.get('x-frame-options'), 'SAMEORIGIN');
  assert.match(headers.get('content-type'), /^application\/json/);
});

test('fields picks members at every depth', async () => {
  const made = await record(posts, { title: 'Hello world', n: 5, meta: { a: 1, list: [{ b: 1, c: 2 }, { b: 3 }] }, geo: { lon: 3, lat: 4 }, html: '<p>Hello&amp;<b>all</b></p>', secret: 's' });
  const picked = async (fields, as) => good(await call('GET', `${records(posts, made.id)}?fields=${encodeURIComponent(fields)}`, { as }));
  assert.deepEqual(await picked('id, title ,nothing'), { id: made.id, title: 'Hello world' });
  assert.deepEqual(await picked('meta.list.b,geo.lon'), { meta: { list: [{ b: 1 }, { b: 3 }] }, geo: { lon: 3 } });
  assert.deepEqual(await picked('title:excerpt(5,true)'), { title: 'Hello...' });
  assert.deepEqual(await picked('title:excerpt(5)'), { title: 'Hello' });
  assert.deepEqual(await picked('title:excerpt(50,true)'), { title: 'Hello world' });
  assert.deepEqual(await picked('html:excerpt(100)'), { html: 'Hello&all' });
  assert.deepEqual(await picked('secret,n'), { n: 5 });
  assert.deepEqual(await picked('secret,n', await root()), { secret: 's', n: 5 });
  assert.deepEqual((await picked('*,meta.a')).meta, { a: 1 });
  assert.deepEqual(Object.keys(await picked('')).sort(), Object.keys(await picked('*')).sort());
  for (const fields of ['title:nothing(1)', 'title:excerpt()', 'title:excerpt(x)']) bad(await call('GET', `${records(posts, made.id)}?fields=${encodeURIComponent(fields)}`));
});

test('fields concerns the items of a page, never the page', async () => {
  const one = await collection('one', [{ name: 't', type: 'text' }]);
  const made = await record(one, { t: 'x' });
  assert.deepEqual(good(await call('GET', `${records(one)}?fields=id`)), { page: 1, perPage: 30, totalItems: 1, totalPages: 1, items: [{ id: made.id }] });
  assert.deepEqual(Object.keys(good(await su('GET', '/api/collections?fields=name&perPage=1')).items[0]), ['name']);
  assert.deepEqual(good(await su('GET', '/api/settings?fields=meta.appName')), { meta: { appName: good(await su('GET', '/api/settings')).meta.appName } });
  assert.deepEqual(good(await call('GET', '/api/health?fields=code')), { code: 200 });
});

test('pages have bounds, and totals that can be skipped', async () => {
  const many = await collection('many', [{ name: 'n', type: 'number' }]);
  assert.deepEqual(good(await call('GET', records(many))), { page: 1, perPage: 30, totalItems: 0, totalPages: 0, items: [] });
  for (let n = 1; n <= 5; n++) await record(many, { n });
  const page = async (query) => { const { items, ...rest } = good(await call('GET', `${records(many)}?sort=n&${query}`)); return { ...rest, items: items.map((item) => item.n) }; };
  assert.deepEqual(await page('page=2&perPage=2'), { page: 2, perPage: 2, totalItems: 5, totalPages: 3, items: [3, 4] });
  assert.deepEqual(await page('page=9&perPage=2'), { page: 9, perPage: 2, totalItems: 5, totalPages: 3, items: [] });
  assert.deepEqual((await page('perPage=5000')).perPage, 1000);
  for (const query of ['page=0&perPage=0', 'page=-3&perPage=-1']) assert.deepEqual(await page(query), { page: 1, perPage: 30, totalItems: 5, totalPages: 1, items: [1, 2, 3, 4, 5] });
  for (const query of ['page=x', 'perPage=x', 'page=1.5', 'perPage=%201', 'skipTotal=x']) bad(await call('GET', `${records(many)}?${query}`));
  for (const skip of ['1', 'true']) { const { totalItems, totalPages, items } = await page(`perPage=2&skipTotal=${skip}`); assert.deepEqual([totalItems, totalPages, items], [-1, -1, [1, 2]]); }
});
