// Imports of collections, alone and over what is there.
import { dice } from './dice.mjs';

/** Templates are our own words. */
export const forget = ['emailTemplate', 'verificationTemplate', 'resetPasswordTemplate', 'confirmEmailChangeTemplate'];

/** Holdall leaves the fields of the system where they were. */
export const unordered = ['fields'];

const OPEN = { listRule: '', viewRule: '', createRule: '', updateRule: '', deleteRule: '' };

export const collections = (name) => [
  { id: `${name}idaaaa`, name: `${name}_a`, type: 'base', ...OPEN, fields: [{ id: 'text_title', name: 'title', type: 'text' }, { id: 'number_n', name: 'n', type: 'number' }] },
];

export function requests(name, seed, count) {
  const next = dice(seed);
  const pick = (list) => list[Math.floor(next() * list.length)];
  const made = [];
  const collection = (letter) => {
    const shown = pick(['a', 'b', 'c', 'd']);
    const fields = [
      [{ id: 'text_title', name: 'title', type: 'text' }], [{ name: 'title', type: 'number' }], [{ id: 'text_title', name: 'renamed', type: 'text' }], [{ id: 'text_title', name: 'title', type: 'bool' }], [{ name: 'more', type: 'text', required: true }], [{ name: 'bad name', type: 'text' }], [{ name: 'up', type: 'relation', collectionId: `${name}id${pick(['a', 'b', 'c', 'd', 'z']).repeat(4)}`, maxSelect: 1 }],
      [], [{ name: 'x', type: 'nothing' }], [{ name: 'x', type: 'select' }],
    ];
    const made = { id: `${name}id${letter.repeat(4)}`, name: `${name}_${next() < 0.95 ? letter : 'e'}`, ...(next() < 0.8 && { fields: pick(fields) }) };
    if (next() < 0.3) Object.assign(made, pick([{ listRule: 'title = "x"' }, { listRule: 'nothing = 1' }, { type: 'auth' }, { type: 'base' }, { type: 'nothing' }, { system: true }, { type: 'view', viewQuery: `select id, title from ${name}_a` }, { created: '2020-01-01 00:00:00.000Z' }, { listRule: `@collection.${name}_${shown}.id != ''` }]));
    return made;
  };
  while (made.length < count) {
    const roll = next();
    if (roll < 0.05) made.push({ as: 'superuser', method: 'PUT', path: '/api/collections/import', ...pick([{ body: {} }, { body: { collections: [] } }, { body: { collections: null } }, { body: { collections: {} } }, { body: { collections: [5] } }, { body: { collections: [{}] } }, { body: [] }, { text: '{' }]) });
    else if (roll < 0.6) made.push({ as: 'superuser', method: 'PUT', path: '/api/collections/import', body: { collections: ['a', 'b', 'c', 'd'].filter(() => next() < 0.4).map(collection), ...(next() < 0.2 && { deleteMissing: false }) } });
    else if (roll < 0.9) made.push({ as: 'superuser', method: 'GET', path: `/api/collections/${name}${pick(['_', 'id'])}${pick(['a', 'b', 'c', 'd'])}` });
    else made.push({ as: 'superuser', method: 'GET', path: `/api/collections?filter=${encodeURIComponent(`name ~ '${name}'`)}&sort=name&fields=name,type,fields.name,fields.type,listRule,indexes` });
    const at = made.at(-1);
    at.path = at.path.replace(/id([abcd])$/, (_, letter) => `id${letter.repeat(4)}`);
  }
  return made;
}
