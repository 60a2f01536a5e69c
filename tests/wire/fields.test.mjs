// Every kind of field: its zero value, what input becomes, and what is refused.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { DATE, call, codes, collection, good, record, records } from './house.mjs';

let all;
let needed;
let target;
let ids;

before(async () => {
  target = await collection('target');
  ids = [];
  for (let n = 0; n < 4; n++) ids.push((await record(target, {})).id);
  const relation = { type: 'relation', collectionId: target.id };
  const fields = [
    { name: 'text', type: 'text' }, { name: 'number', type: 'number' }, { name: 'bool', type: 'bool' }, { name: 'email', type: 'email' }, { name: 'url', type: 'url' }, { name: 'editor', type: 'editor' }, { name: 'date', type: 'date' },
    { name: 's1', type: 'select', values: ['a', 'b', 'c'] }, { name: 'sm', type: 'select', values: ['a', 'b', 'c'], maxSelect: 2 }, { name: 'f1', type: 'file' }, { name: 'fm', type: 'file', maxSelect: 3 }, { name: 'r1', ...relation, maxSelect: 1 }, { name: 'rm', ...relation, maxSelect: 3, minSelect: 2 }, { name: 'json', type: 'json' }, { name: 'geo', type: 'geoPoint' },
  ];
  all = await collection('all', [
    ...fields, { name: 'limited', type: 'text', min: 2, max: 3, pattern: '^[a-zé]+$' }, { name: 'whole', type: 'number', onlyInt: true, min: 2, max: 9 }, { name: 'work', type: 'email', onlyDomains: ['example.com'] }, { name: 'nospam', type: 'email', exceptDomains: ['spam.com'] },
    { name: 'site', type: 'url', onlyDomains: ['example.com'] }, { name: 'small', type: 'editor', maxSize: 4 }, { name: 'window', type: 'date', min: '2020-01-01', max: '2021-01-01 00:00:00.000Z' }, { name: 'tiny', type: 'json', maxSize: 5 }, { name: 'pass', type: 'password', min: 3, max: 5 }, { name: 'onupdate', type: 'autodate', onUpdate: true },
  ]);
  needed = await collection('needed', fields.filter((field) => field.type !== 'file').map((field) => ({ ...field, required: true })));
});

const stored = async (name, value) => good(await call('POST', `${records(all)}?fields=${name}`, { body: { [name]: value } }))[name];
const becomes = async (name, cases) => { for (const [given, expected] of cases) assert.deepEqual(await stored(name, given), expected, `${name}: ${JSON.stringify(given)}`); };
const refuses = async (name, cases) => { for (const [given, code] of cases) codes(await call('POST', records(all), { body: { [name]: given } }), { [name]: code }); };

test('nothing at all is the zero value of every kind', async () => {
  const made = good(await call('POST', `${records(all)}?fields=bool,date,editor,email,f1,fm,geo,json,number,r1,rm,s1,sm,text,url`, { body: {} }));
  assert.deepEqual(made, { bool: false, date: '', editor: '', email: '', f1: '', fm: [], geo: { lon: 0, lat: 0 }, json: null, number: 0, r1: '', rm: [], s1: '', sm: [], text: '', url: '' });
});

test('text takes numbers and bools, and is not trimmed', async () => {
  await becomes('text', [['x', 'x'], [5, '5'], [1.5, '1.5'], [true, 'true'], [null, ''], [[], ''], [{}, ''], [['a'], ''], [' a ', ' a '], ['é🎉', 'é🎉'], ['\n', '\n'], [123456789012345680000, '123456789012345680000']]);
  await refuses('limited', [['a', 'validation_min_text_constraint'], ['éé🎉é', 'validation_max_text_constraint'], ['AB', 'validation_invalid_format']]);
  await becomes('limited', [['', ''], ['éé', 'éé']]);
  await refuses('text', [['x'.repeat(5001), 'validation_max_text_constraint']]);
});

test('number is a float, and zero has no bounds', async () => {
  await becomes('number', [[5, 5], [5.0, 5], [-1.5, -1.5], ['1e3', 1000], ['2.50', 2.5], [true, 1], [false, 0], ['x', 0], [null, 0], [[], 0], [{}, 0], ['', 0], [1e21, 1e21], [1e-7, 1e-7], [0.1, 0.1], [9007199254740993, 9007199254740992]]);
  await refuses('number', [['NaN', 'validation_not_a_number'], ['Infinity', 'validation_not_a_number'], ['-Inf', 'validation_not_a_number']]);
  await refuses('whole', [[1, 'validation_min_number_constraint'], [10, 'validation_max_number_constraint'], [2.5, 'validation_only_int_constraint'], [-1, 'validation_min_number_constraint']]);
  await becomes('whole', [[0, 0], ['', 0], [2, 2], [9, 9]]);
});

test('numbers are printed as JavaScript prints them', async () => {
  for (const [given, printed] of [[5, '5'], [1e20, '100000000000000000000'], [1e21, '1e+21'], [1e-6, '0.000001'], [1e-7, '1e-7'], [123456.789, '123456.789'], [1.7976931348623157e308, '1.7976931348623157e+308'], [5e-324, '5e-324']]) {
    const { text } = await call('POST', `${records(all)}?fields=number`, { body: { number: given } });
    assert.equal(text.trim(), `{"number":${printed}}`);
  }
});

test('bool knows few words for true', async () => {
  await becomes('bool', [...[true, 1, 'true', '1', 't', 'T'].map((given) => [given, true]), ...[false, 0, 'yes', 'on', null, '', [], 'tRuE'].map((given) => [given, false])]);
});

test('email wants a domain with a dot', async () => {
  await becomes('email', [['a@b.co', 'a@b.co'], ['', ''], [null, '']]);
  await refuses('email', [['a', 'validation_is_email'], ['a@b', 'validation_is_email'], ['a b@c.de', 'validation_is_email']]);
  await refuses('work', [['a@other.com', 'validation_email_domain_not_allowed'], ['a@sub.example.com', 'validation_email_domain_not_allowed']]);
  await refuses('nospam', [['a@spam.com', 'validation_email_domain_not_allowed']]);
  await becomes('nospam', [['a@sub.spam.com', 'a@sub.spam.com']]);
});

test('url wants a scheme', async () => {
  await becomes('url', [['http://a.b', 'http://a.b'], ['https://a.b/c?d#e', 'https://a.b/c?d#e'], ['http://localhost:8080', 'http://localhost:8080'], ['', '']]);
  await refuses('url', [['a.b', 'validation_invalid_url'], ['x', 'validation_invalid_url'], ['http://', 'validation_invalid_url'], ['//a.b', 'validation_invalid_url'], ['javascript:alert(1)', 'validation_invalid_url']]);
  await refuses('site', [['http://other.com', 'validation_url_domain_not_allowed'], ['http://sub.example.com', 'validation_url_domain_not_allowed']]);
});

test('editor keeps what it gets, by bytes', async () => {
  await becomes('editor', [['<script>x</script>', '<script>x</script>']]);
  await refuses('small', [['12345', 'validation_content_size_limit'], ['ééé', 'validation_content_size_limit']]);
  await becomes('small', [['éé', 'éé']]);
});

test('date becomes UTC, cut to milliseconds', async () => {
  await becomes('date', [
    ['2024-01-02', '2024-01-02 00:00:00.000Z'], ['2024-01-02 03:04:05', '2024-01-02 03:04:05.000Z'], ['2024-01-02 03:04:05.6789Z', '2024-01-02 03:04:05.678Z'], ['2024-01-02T03:04:05+02:00', '2024-01-02 01:04:05.000Z'], ['2024-01-02T03:04:05.999999Z', '2024-01-02 03:04:05.999Z'],
    ['2024-13-01', ''], ['2024-02-30', ''], ['soon', ''], [5, ''], [null, ''], [[], ''], ['', ''],
  ]);
  await refuses('window', [['2019-12-31', 'validation_min_greater_equal_than_required'], ['2021-01-01 00:00:00.001Z', 'validation_max_less_equal_than_required']]);
  await becomes('window', [['', ''], ['2020-01-01', '2020-01-01 00:00:00.000Z'], ['2021-01-01', '2021-01-01 00:00:00.000Z']]);
});

test('autodate minds nobody', async () => {
  const made = await record(all, { onupdate: '2000-01-01' });
  assert.equal(made.onupdate, '');
  const changed = good(await call('PATCH', records(all, made.id), { body: { onupdate: '2000-01-01' } }));
  assert.match(changed.onupdate, DATE);
  assert.ok(changed.onupdate > '2020');
});

test('select takes one, or several without twins', async () => {
  await becomes('s1', [['a', 'a'], [['a', 'b'], 'b'], [null, ''], ['', ''], [[], '']]);
  await becomes('sm', [['a', ['a']], [['b', 'a', 'b'], ['b', 'a']], ['["b","a"]', ['b', 'a']], [null, []], [['a', ''], ['a']]]);
  await refuses('s1', [['z', 'validation_invalid_value']]);
  await refuses('sm', [[['a', 'z'], 'validation_invalid_value'], [['a', 'b', 'c'], 'validation_too_many_values'], ['[1]', 'validation_invalid_value']]);
});

test('relation points to what is there', async () => {
  await becomes('r1', [[ids[0], ids[0]], [[ids[0], ids[1]], ids[1]], [null, '']]);
  await becomes('rm', [[[ids[1], ids[0], ids[1]], [ids[1], ids[0]]], [[], []], [`["${ids[0]}","${ids[1]}"]`, [ids[0], ids[1]]]]);
  await refuses('r1', [['nobody', 'validation_missing_rel_records']]);
  await refuses('rm', [[[ids[0], 'nobody'], 'validation_missing_rel_records'], [[ids[0]], 'validation_not_enough_values'], [ids, 'validation_too_many_values']]);
});

test('json takes anything, and text that is JSON', async () => {
  await becomes('json', [[{ a: [1, null, 'é'] }, { a: [1, null, 'é'] }], ['12', 12], ['[1', '[1'], ['words', 'words'], ['true', true], ['"x"', 'x'], [0, 0], [false, false], [null, null], ['{"a":{"b":[]}}', { a: { b: [] } }], [[], []]]);
  await refuses('tiny', [['123456', 'validation_json_size_limit']]);
});

test('geoPoint takes an object or its text', async () => {
  await becomes('geo', [[{ lon: 1.5, lat: -2 }, { lon: 1.5, lat: -2 }], ['{"lon":1,"lat":2}', { lon: 1, lat: 2 }], [{ lon: 5 }, { lon: 5, lat: 0 }], [{ lon: 'x', lat: null }, { lon: 0, lat: 0 }], [null, { lon: 0, lat: 0 }], ['x', { lon: 0, lat: 0 }]]);
  await refuses('geo', [[{ lon: 180.1, lat: 0 }, 'validation_invalid_longitude'], [{ lon: 0, lat: -90.1 }, 'validation_invalid_latitude']]);
});

test('a password is never shown', async () => {
  await refuses('pass', [['ab', 'validation_min_text_constraint'], ['abcdef', 'validation_max_text_constraint']]);
  const made = await record(all, { pass: 'abcd' });
  assert.ok(!made.pass);
});

test('required refuses the zero value of every kind', async () => {
  const names = ['text', 'number', 'bool', 'email', 'url', 'editor', 'date', 's1', 'sm', 'r1', 'rm', 'json', 'geo'];
  codes(await call('POST', records(needed), { body: {} }), Object.fromEntries(names.map((name) => [name, 'validation_required'])));
  const fit = { text: 'x', number: 1, bool: true, email: 'a@b.co', url: 'http://a.b', editor: 'x', date: '2024-01-01', s1: 'a', sm: ['a'], r1: ids[0], rm: [ids[0], ids[1]], json: 1, geo: { lon: 1, lat: 0 } };
  good(await call('POST', records(needed), { body: fit }));
  for (const json of [null, '', [], {}, '""', 'null']) codes(await call('POST', records(needed), { body: { ...fit, json } }), { json: 'validation_required' });
  for (const json of [0, false, '0']) good(await call('POST', records(needed), { body: { ...fit, json } }));
  codes(await call('POST', records(needed), { body: { ...fit, date: 'soon', geo: { lon: 0, lat: 0 }, number: '0', text: '' } }), { date: 'validation_required', geo: 'validation_required', number: 'validation_required', text: 'validation_required' });
});
