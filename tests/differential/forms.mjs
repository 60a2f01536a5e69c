// Requests whose bodies are forms or oddly written JSON, and every modifier on every kind of field.
import { dice } from './dice.mjs';

const id = (letter, number) => letter + String(number).padStart(14, '0');
const OPEN = { listRule: '', viewRule: '', createRule: '', updateRule: '', deleteRule: '' };

export const params = true;
/** A password shows as nothing or as an empty text: either will do. */
export const forget = ['collectionId', 'pass'];

export const collections = (name) => [
  { name: `${name}_a`, type: 'base', ...OPEN, fields: [{ name: 'name', type: 'text' }] },
  {
    name: `${name}_b`, type: 'base', ...OPEN,
    fields: [
      { name: 'text', type: 'text' }, { name: 'limited', type: 'text', min: 2, max: 4, pattern: '^[a-zé]+$' }, { name: 'needed', type: 'text', hidden: false }, { name: 'auto', type: 'text', autogeneratePattern: '[x]{3}', max: 6 },
      { name: 'number', type: 'number' }, { name: 'whole', type: 'number', onlyInt: true, min: 1, max: 7 }, { name: 'bool', type: 'bool' },
      { name: 'email', type: 'email', exceptDomains: ['bad.com'] }, { name: 'url', type: 'url', onlyDomains: ['good.com'] }, { name: 'link', type: 'url', exceptDomains: ['bad.com'] }, { name: 'editor', type: 'editor' },
      { name: 'date', type: 'date', min: '2000-01-01 00:00:00.000Z' }, { name: 'one', type: 'select', values: ['a', 'b', 'c', '1'], maxSelect: 1 }, { name: 'many', type: 'select', values: ['a', 'b', 'c', '1', 'true'], maxSelect: 3 },
      { name: 'rel', type: 'relation', collectionId: `@${name}_a`, maxSelect: 1 }, { name: 'rels', type: 'relation', collectionId: `@${name}_a`, maxSelect: 3 }, { name: 'json', type: 'json' }, { name: 'geo', type: 'geoPoint' }, { name: 'pass', type: 'password', min: 3, max: 6 },
      { name: 'changed', type: 'autodate', onCreate: true, onUpdate: true },
    ],
  },
  {
    name: `${name}_n`, type: 'base', ...OPEN,
    fields: [
      { name: 'text', type: 'text', required: true }, { name: 'number', type: 'number', required: true }, { name: 'bool', type: 'bool', required: true }, { name: 'email', type: 'email', required: true }, { name: 'url', type: 'url', required: true },
      { name: 'editor', type: 'editor', required: true }, { name: 'date', type: 'date', required: true }, { name: 'one', type: 'select', values: ['a', 'b'], maxSelect: 1, required: true }, { name: 'many', type: 'select', values: ['a', 'b'], maxSelect: 2, required: true },
      { name: 'rel', type: 'relation', collectionId: `@${name}_a`, maxSelect: 1, required: true }, { name: 'rels', type: 'relation', collectionId: `@${name}_a`, minSelect: 2, maxSelect: 3, required: true }, { name: 'json', type: 'json', required: true }, { name: 'geo', type: 'geoPoint', required: true }, { name: 'pass', type: 'password', required: true },
    ],
  },
];

const FIT = { text: 'x', number: 5, bool: true, email: 'a@b.co', url: 'http://a.b', editor: 'x', date: '2024-01-02', one: 'a', many: ['a'], rel: id('a', 1), rels: [id('a', 1), id('a', 2)], json: 1, geo: { lon: 1, lat: 1 }, pass: 'secret12' };
const EMPTY = ['', null, [], {}, 0, false, ' ', '0', 'false', '[]', '{}', 'null', '""', [''], [null], { lon: 0, lat: 0 }, '0.0', '\t'];
const ODD = [null, true, false, 0, 1, -1, 1.5, '', ' ', 'x', [], {}, ['a'], ['a', 'b', 'a'], { a: { b: [1] } }, '[]', '{}', 'null', 'true', '"q"', '[1', '1', '1e400', 'NaN', 'Infinity', 'é🎉', '\ud83d', 'x'.repeat(5001), '\n', 'a, b', '<b>x</b>', [1, 2], [true], [null], '["a"]', '["a","b","c","1"]'];
const VALUES = {
  text: ['x', 5.0, 0.1, -1e-7, 'é'.repeat(5000), 'é'.repeat(5001)], limited: ['a', 'ab', 'éé', 'abcde', 'AB', '12'], auto: ['abcdef', 'abcdefg'], needed: ['x'],
  number: [123456789012345678901, '12.50', 1e21, 1e300, '1,5', '0b1', '١', '--1', '1.', '1e-400', 5e-324, '99999999999999999999'], whole: [0, 1, 7, 8, 1.5, '2', '2.0', '1e0'], bool: ['1', 'on', 'T', 't', 'TRUE', 'tRuE', 'yes', 2, [true]],
  email: ['a@b.co', 'a@bad.com', 'a@BAD.com', 'a@x.bad.com', 'é@b.co', 'a@é.co', 'a+b@c.de', '"a b"@c.de', 'a@b..co', 'a.@b.co', 'a@b.c', 'A <a@b.co>'],
  url: ['http://good.com', 'https://good.com/x?y', 'http://www.good.com', 'http://GOOD.com', 'http://good.com@bad.com'], link: ['http://bad.com', 'http://x.bad.com', 'http://b.co', 'http://localhost', 'http://localhost:8080/a', 'http://1.2.3.4', 'http://[::1]/', 'http://a b', 'http://a/ b', 'javascript:alert(1)', 'data:text/plain,x', 'http://é.com', 'http://a_b.com', '/x', 'http:a', 'http://a..b', 'http://-a.b'],
  editor: ['<script>x</script>', 5], date: ['1999-12-31', '2000-01-01', '2024-02-30', '2024-02-29T23:59:59.9999Z', '2024-01-02 03:04:05 +0200', '2024-01-02 03:04:05.678 UTC', '2024-01-02T03:04', '20240102', '01/02/2024', '2024-01-02T24:00:00Z', '2024-01-02T03:04:05-00:30', '2024-01', '2024', 'January 2, 2024', '9999-12-31', '10000-01-01', '1704164645', 1704164645, 1704164645000, '2024-01-02t03:04:05z', '2024-01-02 03:04:05,5'],
  one: ['a', 'A', 'a ', 1, [1, 'b'], '["a","b"]'], many: ['a', 'a,b', ['a', 'b', 'c', '1'], [1], ['a', 'A'], '["b","a","b"]', '{"a":1}', true],
  rel: [id('a', 1), id('a', 9), 'short', [id('a', 1), id('a', 9)], [id('a', 9), id('a', 1)]], rels: [id('a', 1), [id('a', 2), id('a', 1)], [id('a', 9)], `["${id('a', 1)}"]`, `${id('a', 1)},${id('a', 2)}`, [id('a', 1), id('a', 2), id('a', 3), id('a', 4)]],
  json: [{ b: 1, a: [1, 2.50, 1e21, null, { c: 'é' }] }, '{"a": 1}', ' [1, 2] ', '1.0', 1e21, '1e5', 'nul', '"', '\\"', '{a:1}', "{'a':1}", '{"a":"<&>"}', '<&>', 0, '0', ' ', '-', '1 2'],
  geo: [{ lon: 10, lat: 20 }, { lon: 180, lat: 90 }, { lon: 180.0001, lat: 0 }, { lon: 0, lat: -90.1 }, { lon: '5', lat: 'x' }, '{"lon":1.5}', { Lon: 1 }, { lon: 1, lat: 2, alt: 3 }, '1,2', { lon: null }, { lon: 1e400 }],
  pass: ['abc', 'ab', 'abcdefg', 123456, 'éé', 'ééééééé'], changed: ['2020-01-01'],
};
const MODIFIERS = (field) => [`${field}+`, `+${field}`, `${field}-`, `-${field}`, `${field}:autogenerate`, `${field}:x`, `${field}:`, `:${field}`, `${field}++`, `${field} `];
const words = (value) => (typeof value === 'string' ? value : JSON.stringify(value));

export function requests(name, seed, count) {
  const next = dice(seed);
  const pick = (list) => list[Math.floor(next() * list.length)];
  const value = (field) => (next() < 0.35 ? pick(ODD) : pick(VALUES[field]));
  const made = [];
  const add = (method, path, more) => made.push({ as: next() < 0.2 ? 'superuser' : 'guest', method, path: `/api/collections/${name}_${path}`, ...more });
  for (let n = 1; n <= 4; n++) add('POST', 'a/records', { body: { id: id('a', n), name: `n${n}` } });
  let last = 0;
  const known = () => `b/records/${id('b', 1 + Math.floor(next() * Math.max(1, last)))}`;
  while (made.length < count) {
    const field = pick(Object.keys(VALUES));
    const other = pick(Object.keys(VALUES));
    const roll = next();
    if (roll < 0.2) add('POST', 'b/records', { body: { id: id('b', ++last), [field]: value(field), [other]: value(other) } });
    else if (roll < 0.4) add('PATCH', known(), { body: { [next() < 0.6 ? pick(MODIFIERS(field)) : field]: value(field), ...(next() < 0.3 && { [next() < 0.5 ? `${field}+` : field]: value(field) }) } });
    else if (roll < 0.55) {
      const create = next() < 0.5;
      const pairs = [[next() < 0.3 && !create ? pick(MODIFIERS(field)) : field, words(value(field))], [other, words(value(other))]].filter(([, text]) => text !== 'true' && text !== '1');
      if (next() < 0.3 && field !== 'one') pairs.push([field, words(value(field))]);
      if (next() < 0.2) pairs.push(['@jsonPayload', pick([JSON.stringify({ nothing: value(field) }), JSON.stringify({ [`${other}+`]: value(other) }), '{', '[]', '', '5', '"x"'])]);
      if (create) pairs.push(['id', id('b', ++last)]);
      add(create ? 'POST' : 'PATCH', create ? 'b/records' : known(), next() < 0.5 ? { form: pairs } : { parts: pairs });
    } else if (roll < 0.62) add('PATCH', known(), pick([{ text: '' }, { text: 'null' }, { text: '[]' }, { text: '{' }, { text: '"x"' }, { text: '{"text":"x"} ' }, { text: '{"TEXT":"a"}' }, { text: '{"text":"\\u00e9"}' }, { text: '{"number":1e999}' }, { text: '{"number":01}' }, { text: '{"text":"\t"}' }, { text: '{"text":"x",}' }, { text: '\ufeff{"text":"x"}' }, { text: 'text=x', type: 'text/plain' }, { text: '{"text":"x"}', type: 'text/plain' }, { text: '{"text":"x"}', type: 'application/json; charset=utf-8' }, { text: '{"text":"x"}', type: 'application/xml' }, { text: 'text', type: 'application/x-www-form-urlencoded' }, { text: 'x', type: 'multipart/form-data' }, { text: 'x', type: 'multipart/form-data; boundary=y' }, { text: '{"text":"x"}', type: 'application/merge-patch+json' }, { text: 'true' }, { text: '5' }]));
    else if (roll < 0.75) add('POST', 'n/records', { body: { ...FIT, [pick(Object.keys(FIT))]: pick(EMPTY), ...(next() < 0.4 && { [pick(Object.keys(FIT))]: pick(EMPTY) }), id: id('n', made.length) } });
    else if (roll < 0.8) add('POST', 'n/records', { form: Object.entries({ ...FIT, [pick(Object.keys(FIT))]: pick(EMPTY), id: id('n', made.length) }).flatMap(([key, item]) => (Array.isArray(item) ? item.map((one) => [key, words(one)]) : [[key, words(item)]])) });
    else if (roll < 0.87) add('POST', 'b/records', { body: { id: id('b', ++last), [pick(MODIFIERS(field))]: value(field) } });
    else if (roll < 0.9) add('POST', 'b/records', { body: { id: pick(['short', 'X'.repeat(15), 'x'.repeat(16), 5, id('b', 1), 'é'.repeat(15), 'abcdefghijklmn ', ' bcdefghijklmno', true]), text: 'x' } });
    else if (roll < 0.94) add('PATCH', known(), { body: { id: pick([id('b', 1), id('b', 77), null, '', 5]), text: 'y' } });
    else add('GET', `b/records?sort=id&perPage=3&page=${1 + Math.floor(next() * 6)}`);
  }
  return made;
}
