// Views: what a query may say, what its fields become, and what reading it gives.
import { dice } from './dice.mjs';

const id = (letter, number) => letter + String(number).padStart(14, '0');
const OPEN = { listRule: '', viewRule: '', createRule: '', updateRule: '', deleteRule: '' };

/** The ids of derived fields are made up anew. */
export const forget = ['collectionId', 'id'];

export const collections = (name) => [
  { id: `${name}idaaaa`, name: `${name}_a`, type: 'base', ...OPEN, fields: [{ name: 'title', type: 'text', max: 9 }, { name: 'n', type: 'number' }, { name: 'flag', type: 'bool' }, { name: 'at', type: 'date' }, { name: 'tags', type: 'select', values: ['a', 'b'], maxSelect: 2 }, { name: 'extra', type: 'json' }, { name: 'place', type: 'geoPoint' }, { name: 'mail', type: 'email', onlyDomains: ['b.co'] }, { name: 'secret', type: 'text', hidden: true }, { name: 'created', type: 'autodate', onCreate: true }] },
  { id: `${name}idbbbb`, name: `${name}_b`, type: 'base', ...OPEN, fields: [{ name: 'up', type: 'relation', collectionId: `${name}idaaaa`, maxSelect: 1 }, { name: 'ups', type: 'relation', collectionId: `${name}idaaaa`, maxSelect: 5 }, { name: 'm', type: 'number' }] },
];

export function requests(name, seed, count) {
  const next = dice(seed);
  const pick = (list) => list[Math.floor(next() * list.length)];
  const made = [];
  const [a, b] = [`${name}_a`, `${name}_b`];
  const make = (collection, body) => made.push({ as: 'superuser', method: 'POST', path: `/api/collections/${collection}/records`, body });
  for (let n = 1; n <= 4; n++) make(a, { id: id('a', n), title: `t${n}`, n: n * 1.5, flag: n % 2 === 0, at: `2024-0${n}-01`, tags: ['a', 'b'].slice(0, n % 3), extra: n === 2 ? null : { k: n }, place: { lon: n, lat: -n }, mail: 'x@b.co', secret: 's' });
  for (let n = 1; n <= 4; n++) make(b, { id: id('b', n), up: n < 4 ? id('a', (n % 2) + 1) : '', ups: [id('a', 1), id('a', 3)].slice(0, n % 3), m: n });
  const COLUMNS = ['title', 'n', 'flag', 'at', 'tags', 'extra', 'place', 'mail', 'secret', 'created', `${a}.title`, 'title as name', 'n as number', 'count(*) as total', 'count(id) as total', 'sum(n) as total', 'max(n) as top', 'min(title) as low', 'avg(n) as mean', '(n + 1) as more', "'x' as fixed", '5 as five', 'null as nothing', 'n * 2 as twice', "title || '!' as loud", 'upper(title) as up', 'cast(n as int) as whole', 'cast(n as text) as words', 'cast(n as bool) as truth', 'cast(n as real) as real', 'length(title) as len', '(select count(*) from ' + b + ') as sub', 'nothing', 'title as expand', 'title as id', '*', 'title title2', 'case when n > 2 then 1 else 0 end as big', 'coalesce(title, n) as co', 'distinct title', 'json_extract(extra, "$.k") as k', 'cast(title as decimal) as d', 'true as yes', 'n > 2 as cmp', 'at as "when"', 'title as `back`', 'title as [square]', "title as 'quoted'", 'round(n) as r', 'abs(n) as ab'];
  const TAILS = ['', '', '', ` where n > 2`, ` where title = 't1' or flag = true`, ' order by n desc', ' limit 2', ' group by id', ' group by title', ' where nothing = 1', ' having count(*) > 0', ' group by id having n > 2', ' limit 1 offset 1', ';', '; drop table x', ' -- end', ' where id in (select up from ' + b + ')', " where title like 't%'", ' where title is not null', ' where n between 2 and 5'];
  const WHOLE = ['', '  ', 'select 1', 'select id', `select id from nothing`, `delete from ${a}`, `select * from ${a}`, `insert into ${a} values (1)`, `select title from ${a}`, `select n as id, title from ${a}`, `SELECT ${a}.id, ${b}.m FROM ${a} LEFT JOIN ${b} ON ${b}.up = ${a}.id`, `select x.id, y.title, x.up from ${b} x join ${a} y on y.id = x.up`, `select x.id, y.title from ${b} as x left join ${a} as y on y.id = x.up where y.n > 1`, `select ${b}.id as id, up, ups, m from ${b}`, `with t as (select id from ${a}) select id from t`, `select id from ${a} union select id from ${b}`, `select id from (select id from ${a})`, `select (row_number() over ()) as id, title from ${a}`, `select max(id) as id, count(*) as total from ${b} group by up`, `select id, title from ${a} where id = (select up from ${b} limit 1)`, `select ${a}.* from ${a}`, `select ${a}.id, count(${b}.id) as total from ${a} left join ${b} on ${b}.up = ${a}.id group by ${a}.id`, `select id, id as other from ${a}`, `select id as id, title as title from ${a}`, `select a.id, b.id as bid from ${a} a, ${b} b where b.up = a.id`, `pragma table_info(${a})`, `select id, ; from ${a}`, `select 'x' as id`, `select id, title from ${a} x`, `select ${a}.id from ${a} inner join ${b} on ${a}.id = ${b}.up`, `select id from ${a} cross join ${b}`, `select id, up from ${b}`, `select id, ups from ${b}`, `select cast(m as text) as id, m from ${b}`, 'selec id', `select id from ${a} /* note */ where 1 = 1`];
  const query = () => (next() < 0.3 ? pick(WHOLE) : `select id, ${Array.from({ length: 1 + Math.floor(next() * 3) }, () => pick(COLUMNS)).join(', ')} from ${a}${pick(TAILS)}`);
  let last = 0;
  while (made.length < count) {
    const v = `${name}_v${Math.max(1, last)}`;
    const roll = next();
    if (roll < 0.25) made.push({ as: pick(['superuser', 'superuser', 'superuser', 'guest']), method: 'POST', path: '/api/collections/meta/dry-run-view', body: { query: query() } });
    else if (roll < 0.6) {
      const own = `${name}_v${++last}`;
      made.push({ as: 'superuser', method: 'POST', path: '/api/collections', body: { name: own, type: 'view', viewQuery: query(), listRule: pick(['', '', '', null, 'id != ""', 'title = "t1"', 'nothing = 1']), viewRule: '', ...(next() < 0.1 && { createRule: '', indexes: ['CREATE INDEX x on y (z)'] }), ...(next() < 0.05 && { fields: [{ name: 'own', type: 'text' }] }) } });
      made.push({ as: pick(['guest', 'superuser']), method: 'GET', path: `/api/collections/${own}/records?sort=${pick(['id', '-id', 'title,id', 'total,id', '-n,id'])}${pick(['', '', '&filter=id!=""', '&filter=title~"t"', '&filter=n>2', '&expand=up,ups', '&fields=id'])}` });
    } else if (roll < 0.65) made.push({ as: 'superuser', method: 'PATCH', path: `/api/collections/${v}`, body: pick([{ viewQuery: query() }, { name: v }, { listRule: 'id = ""' }, { fields: [] }, { viewQuery: null }]) });
    else if (roll < 0.85) made.push({ as: pick(['guest', 'superuser']), method: 'GET', path: `/api/collections/${v}/records/${pick([id('a', 1), id('a', 9), '1'])}` });
    else if (roll < 0.93) made.push({ as: pick(['guest', 'superuser']), method: pick(['POST', 'PATCH', 'DELETE']), path: '', body: {} });
    else made.push({ as: 'superuser', ...pick([{ method: 'DELETE', path: `/api/collections/${v}/truncate` }, { method: 'DELETE', path: `/api/collections/${v}` }, { method: 'PATCH', path: `/api/collections/${a}`, body: { fields: [{ name: 'title', type: 'text' }] } }, { method: 'DELETE', path: `/api/collections/${b}` }]) });
    const at = made.at(-1);
    if (at.path === '') at.path = `/api/collections/${v}/records${at.method === 'POST' ? '' : `/${id('a', 1)}`}`;
    if (at.method === 'PATCH' && at.path === `/api/collections/${a}`) made.pop();
    if (at.path === `/api/collections/${b}` && at.method === 'DELETE') made.pop();
  }
  return made;
}
