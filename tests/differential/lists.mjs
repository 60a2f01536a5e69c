// Requests that read lists: odd filters, sorts, pages, members and expansions over the same few records.
import { dice } from './dice.mjs';

const id = (letter, number) => letter + String(number).padStart(14, '0');
const OPEN = { listRule: '', viewRule: '', createRule: '', updateRule: '', deleteRule: '' };

export const collections = (name) => [
  { name: `${name}_u`, type: 'auth', ...OPEN, fields: [{ name: 'nick', type: 'text' }, { name: 'secret', type: 'text', hidden: true }] },
  { name: `${name}_a`, type: 'base', ...OPEN, listRule: "n != 3", fields: [{ name: 'name', type: 'text' }, { name: 'n', type: 'number' }, { name: 'secret', type: 'text', hidden: true }, { name: 'tags', type: 'select', values: ['a', 'b', 'c'], maxSelect: 3 }] },
  { name: `${name}_x`, type: 'base', ...OPEN, listRule: null, viewRule: null, fields: [{ name: 'name', type: 'text' }] },
  {
    name: `${name}_b`, type: 'base', ...OPEN,
    fields: [
      { name: 'text', type: 'text' }, { name: 'number', type: 'number' }, { name: 'bool', type: 'bool' }, { name: 'email', type: 'email' }, { name: 'editor', type: 'editor' }, { name: 'date', type: 'date' },
      { name: 'one', type: 'select', values: ['a', 'b', 'c'], maxSelect: 1 }, { name: 'many', type: 'select', values: ['a', 'b', 'c'], maxSelect: 3 },
      { name: 'rel', type: 'relation', collectionId: `@${name}_a`, maxSelect: 1 }, { name: 'rels', type: 'relation', collectionId: `@${name}_a`, maxSelect: 9 }, { name: 'user', type: 'relation', collectionId: `@${name}_u`, maxSelect: 1 }, { name: 'closed', type: 'relation', collectionId: `@${name}_x`, maxSelect: 2 },
      { name: 'json', type: 'json' }, { name: 'geo', type: 'geoPoint' }, { name: 'hidden', type: 'text', hidden: true }, { name: 'created', type: 'autodate', onCreate: true },
    ],
  },
];

const FIELDS = ['text', 'number', 'bool', 'email', 'editor', 'date', 'one', 'many', 'rel', 'rels', 'user', 'closed', 'json', 'geo', 'hidden', 'id'];
const PATHS = [
  ...FIELDS, 'rel.name', 'rel.n', 'rel.secret', 'rel.tags', 'rel.tags:each', 'rel.tags:length', 'rels.name', 'rels.n', 'rels.id', 'rels.tags:each', 'rels.tags:length', 'rels:each', 'rels:length', 'many:each', 'many:length', 'user.email', 'user.nick', 'user.secret', 'user.password', 'user.verified', 'closed.name', 'closed.id', 'closed',
  'json.a', 'json.a.b', 'json.0', 'json.list.1', 'json.list', 'json.nothing', 'geo.lon', 'geo.lat', 'text:lower', 'text.x', 'date.x', 'rel.nothing', 'nothing', 'collectionName', 'collectionId', 'expand', 'created',
  '@request.auth.id', '@request.method', '@request.query.q', '@now', '@todayStart', '@year', '@nothing', '@rowid', 'rels.name:lower', 'TEXT', 'text.', '.text', 'text..x', 'rel.', 'a-b', '_via_', 'id:lower', '5text',
];
const back = (name) => [`${name}_b_via_rel.text`, `${name}_b_via_rels.number`, `${name}_b_via_rels.id`, `${name}_b_via_rel.many:each`, `${name}_b_via_text.id`, `${name}_nothing_via_rel.id`, `${name}_b_via_rel.rels.name`, `${name}_b_via_rel`, `${name}_b_via_rels.rel.n`];
const LITERALS = ["'a'", '"a"', "''", '0', '1', '-1', '5', '5.5', '1.50', "'5'", 'true', 'false', 'null', 'TRUE', "'2024-01-02'", "'2024-01-02 03:04:05.000Z'", `'${id('a', 1)}'`, "'%a%'", "'a%'", "'_'", "'\\\\'", "'\\''", '"\\""', "'é'", "'É'", "'A'", "'[]'", "'{}'", "'a", '1e3', '.5', '+5', '5.', '--5', '0x1', "'\n'", "'a' 'b'", '()', "'null'", "'true'", "'1'", '@now', '@yesterday', '@monthStart', 'geoDistance(geo.lon, geo.lat, 0, 0)', "strftime('%Y', date)", "strftime('%Y-%m-%d', '2024-01-02 03:04:05')", 'geoDistance(1,2,3)', 'nothing(1)', '99999999999999999999', "'%'", "'\\%'", '`a`'];
const OPERATORS = ['=', '!=', '>', '>=', '<', '<=', '~', '!~', '?=', '?!=', '?>', '?>=', '?<', '?<=', '?~', '?!~'];
const ODD_OPERATORS = ['==', '<>', '=~', 'in', 'like', '!', '', '===', '? =', '=!', '&', '!>', '~=', '>>'];
const WHOLE = ['', '()', '(text="a")', '((text="a"))', '(text="a"', 'text="a")', 'text="a" && ', '&& text="a"', 'text="a" text="b"', 'text="a" and text="b"', 'text="a" &&& text="b"', 'text="a" & text="b"', 'text="a" || text="b" && number=1', '(text="a" || text="b") && number > 1', 'text', '1', '1=1', '1=2', "'a'='a'", '!(text="a")', 'not text="a"', '// all', 'text="a" // c', '// c\ntext="a"', 'text="a"// c\n&& number=1', 'text\n=\n"a"', 'text\t=\t"a"', 'null=null', 'true', 'true=true', 'true=1', '5=number', 'number=number', 'text=text', 'text="a";drop', 'text="a"||', 'text="a" , number=1', 'number>1&&number<5', '((((((number>1))))))', "text = 'it\\'s'", 'x'.repeat(3501), `text="${'x'.repeat(3400)}"`, Array(201).fill('1=1').join('&&'), Array(200).fill('1=1').join('&&'), 'rel.n>1||rels.n>1', 'text!=""&&(bool=true||number!=0)', '@request.auth.id!=""', "@collection.users.id!=''", 'text:lower:lower="a"', 'rels.name?="n1"&&rels.n?=1', 'rels.name?="n1"&&rels.n?=2', 'many:each?="a"&&many:each?="b"', 'rels:length>1', "many:length=0", 'date>@now', 'date<@now', 'date=""', 'date=null', 'json=null', 'json.a>1', "json~'a'", 'geo.lon>1', 'geo~"1"'];

const shape = (name) => ({
  fields: ['', '*', 'id', 'text,number', 'id,', ',', ' id , text ', 'nothing', 'json', 'geo.lon', 'expand', 'expand.rel', 'expand.rel.name', 'expand.*', 'expand.rels.name,id', '*,expand.rel.n', 'rels.0', 'hidden', 'text:excerpt(2)', 'text:excerpt(2,true)', 'text:excerpt()', 'text:excerpt(a)', 'text:excerpt(-1)', 'text:excerpt(1,true),text', 'editor:excerpt(5)', 'editor:excerpt(5,true)', 'editor:excerpt(500,true)', 'text:nothing(1)', 'text:lower', 'number:excerpt(1)', 'many:excerpt(1)', 'text:excerpt( 2 , true )', 'text:excerpt(2', 'id.x', 'collectionName', 'items', 'page', 'email,user', 'ID', 'text,text'],
  expand: ['', 'rel', 'rels', 'user', 'closed', 'rel,rels', 'nothing', 'text', 'rel.nothing', 'nothing.rel', 'rel,nothing', ' rel , rels ', ',', 'rel.', '.rel', 'rel.tags', `rel.${name}_b_via_rel`, `rels.${name}_b_via_rels.rel`, 'rel,rel', 'REL', 'user.nick', `rel.${name}_b_via_rels,rel`, `${name}_b_via_rel`, 'id', 'json', 'json.a', 'rel.id', '*', 'rel:x', `rel.${name}_b_via_rel.rel.${name}_b_via_rel.rel.${name}_b_via_rel.rel.${name}_b_via_rel`, 'user,closed,rel'],
  page: ['1', '2', '3', '0', '-1', '99', '', 'x', '1.5', '1e1', ' 1', '99999999999', '99999999999999999999', '01', '+1', '0x1'],
  perPage: ['1', '2', '5', '0', '-1', '1000', '1001', '99999', '', 'x', '1.5', '99999999999999999999', '007', '+3'],
  skipTotal: ['1', 'true', '0', 'false', '', 'x', 'TRUE', 'True', 't', '2', 'yes'],
});

const KEPT = [
  { text: 'a', number: 1, bool: true, email: 'a@b.co', editor: '<p>Hello <b>big</b>&amp; wide</p><ul><li>one</li><li>two</li></ul>', date: '2024-01-02', one: 'a', many: ['a'], rel: 1, rels: [1], user: 1, json: { a: 1, list: [1, 2] }, geo: { lon: 1.5, lat: 2 } },
  { text: 'A', number: 5, one: 'b', many: ['b', 'a'], rel: 2, rels: [2, 1], user: 2, json: { a: { b: 'x' }, s: 'words' }, geo: { lon: -1, lat: 0 }, date: '2024-01-02 03:04:05.678Z' },
  { text: 'é', number: -1, bool: true, rel: 3, rels: [1, 2, 4], user: 3, json: [1, 'a', null, { b: 2 }], many: ['c', 'b', 'a'], closed: [1] },
  { text: '', json: null }, { text: 'a%b', number: 5.5, json: 'a', rels: [4], closed: [1, 2], hidden: 'h' }, { text: 'a_b', number: 1e21, json: 5, rel: 4, rels: [4, 1] }, { text: '5', json: true, one: 'c', date: '2999-01-01' },
  { text: "it's", number: 0.1, json: '', many: ['b'], user: 1 }, { text: 'line1\nline2', json: {}, rels: [3] }, { text: '"q"\\', json: [], bool: true, rel: 1 }, { text: 'Zebra', number: 10, json: { a: '1' }, editor: 'plain words here' }, { text: '🎉', number: 2, json: { a: null, list: [] }, rel: 2 },
];

export function requests(name, seed, count) {
  const next = dice(seed);
  const pick = (list) => list[Math.floor(next() * list.length)];
  const made = [];
  const at = (collection) => `/api/collections/${name}_${collection}/records`;
  const make = (collection, body) => made.push({ as: 'superuser', method: 'POST', path: at(collection), body });
  const mail = (n) => ({ email: `u${n}@example.com`, password: 'password-1', passwordConfirm: 'password-1' });
  for (let n = 1; n <= 3; n++) make('u', { id: id('u', n), ...mail(n), nick: `k${n}`, secret: 's', emailVisibility: n === 1, verified: n === 2 });
  for (let n = 1; n <= 4; n++) make('a', { id: id('a', n), name: `n${n}`, n, secret: 's', tags: ['a', 'b', 'c'].slice(0, n - 1) });
  for (let n = 1; n <= 2; n++) make('x', { id: id('x', n), name: `x${n}` });
  for (const [at, { rel, rels, user, closed, ...more }] of KEPT.entries()) make('b', { id: id('b', at + 1), ...more, ...(rel && { rel: id('a', rel) }), ...(rels && { rels: rels.map((n) => id('a', n)) }), ...(user && { user: id('u', user) }), ...(closed && { closed: closed.map((n) => id('x', n)) }) });
  const shapes = shape(name);
  const path = (own) => (own === 'a' && next() < 0.4 ? pick(back(name)) : own === 'a' ? pick(['name', 'n', 'tags', 'tags:each', 'tags:length', 'secret', 'id']) : pick(PATHS));
  // An address that is not shown, and one of several values: where these sort to is an accident there.
  const key = (own) => { const one = path(own); return /_via_|user\.email|rels|:each/.test(one) ? 'id' : one; };
  const term = (own) => `${path(own)} ${next() < 0.03 ? pick(ODD_OPERATORS) : pick(OPERATORS)} ${next() < 0.85 ? pick(LITERALS) : path(own)}`;
  const ask = (address, query) => made.push({ as: next() < 0.35 || /@request|@collection/.test(`${query.filter} ${query.sort}`) ? 'superuser' : next() < 0.3 ? id('u', 1) : 'guest', method: 'GET', path: `${address}?${new URLSearchParams(query)}` });
  while (made.length < count) {
    const roll = next();
    const own = next() < 0.75 ? 'b' : 'a';
    if (roll < 0.5) ask(at(own), { filter: next() < 0.25 ? pick(WHOLE) : next() < 0.7 ? term(own) : `${term(own)} ${pick(['&&', '||'])} ${term(own)}`, sort: 'id', perPage: 50, fields: 'id' });
    else if (roll < 0.65) ask(at(own), { sort: [key(own), next() < 0.3 ? key(own) : '', 'id'].filter(Boolean).map((key) => pick(['', '', '-', '+', ' ', '--']) + key).join(pick([',', ',', ', ', ',,'])), perPage: 50, fields: 'id' });
    else if (roll < 0.75) ask(at(own), { sort: 'id', page: pick(shapes.page), perPage: pick(shapes.perPage), skipTotal: pick(shapes.skipTotal), fields: 'id' });
    else if (roll < 0.85) ask(next() < 0.4 ? at('b') : `${at('b')}/${id('b', 1 + Math.floor(next() * 5))}`, { ...(next() < 0.4 && { expand: pick(shapes.expand) }), fields: pick(shapes.fields), sort: 'id' });
    else if (roll < 0.95) ask(next() < 0.4 ? at(own) : `${at(own)}/${id(own, 1 + Math.floor(next() * 5))}`, { expand: pick(shapes.expand), sort: 'id' });
    else ask(at(own), { filter: term(own), sort: `${pick(['-', ''])}${key(own)},id`, expand: pick(shapes.expand), fields: pick(shapes.fields), page: pick(shapes.page) });
  }
  return made;
}
