// Batches: what may stand in one, what later entries see, and what a refusal says.
import { dice } from './dice.mjs';

const id = (letter, number) => letter + String(number).padStart(14, '0');
const OPEN = { listRule: '', viewRule: '', createRule: '', updateRule: '', deleteRule: '' };

export const settings = { batch: { enabled: true, maxRequests: 5, timeout: 3, maxBodySize: 0 } };

export const collections = (name) => [
  { name: `${name}_u`, type: 'auth', ...OPEN, fields: [] },
  { name: `${name}_a`, type: 'base', ...OPEN, fields: [{ name: 'name', type: 'text', required: true, max: 5 }, { name: 'n', type: 'number' }] },
  { name: `${name}_b`, type: 'base', ...OPEN, createRule: "up.n > 1", updateRule: 'n < 5', deleteRule: null, fields: [{ name: 'up', type: 'relation', collectionId: `@${name}_a`, maxSelect: 1, required: true }, { name: 'n', type: 'number' }] },
];

export function requests(name, seed, count) {
  const next = dice(seed);
  const pick = (list) => list[Math.floor(next() * list.length)];
  const made = [];
  const at = (collection) => `/api/collections/${name}_${collection}/records`;
  const entry = () => {
    const one = pick(['a', 'a', 'b']);
    const which = id(one, 1 + Math.floor(next() * 6));
    const body = one === 'a' ? pick([{ name: `n${Math.floor(next() * 9)}` }, { name: 'toolong' }, { name: '' }, { n: 1 }, { 'n+': 2, name: `m${Math.floor(next() * 9)}` }, {}]) : pick([{ up: id('a', 1 + Math.floor(next() * 6)), n: Math.floor(next() * 9) }, { 'n+': 1 }, {}, { up: '' }]);
    const look = pick(['', '', '', '?fields=id', '?expand=up', '?fields=id,expand.up.name&expand=up']);
    return pick([
      () => ({ method: 'POST', url: at(one) + look, body: { id: which, ...body } }), () => ({ method: 'POST', url: at(one) + look, body: { id: which, ...body } }), () => ({ method: 'PATCH', url: `${at(one)}/${which}${look}`, body }), () => ({ method: 'PUT', url: at(one) + look, body: { id: which, ...body } }), () => ({ method: 'DELETE', url: `${at(one)}/${which}` }),
      () => (next() < 0.7 ? { method: 'PATCH', url: `${at(one)}/${which}`, body } : pick([
        { method: 'post', url: at(one), body: { id: which, ...body } }, { url: at(one), body }, { method: 'POST', body }, { method: '', url: '' }, { method: 'POST', url: at('zzz'), body }, { method: 'PATCH', url: at(one), body }, { method: 'POST', url: `${at(one)}/${which}`, body }, { method: 'PUT', url: `${at(one)}/${which}`, body },         { method: 'PATCH', url: `${at(one)}/short`, body }, { method: 'PUT', url: at(one), body: { id: '', ...body } }, { method: 'POST', url: at(one).slice(1), body: { id: which, ...body } }, { method: 'POST', url: at(one), body: null }, { method: 'POST', url: at(one), headers: { Authorization: 'x', 'X-Y': 'z' }, body: { id: which, ...body } }, {}, { method: 'DELETE', url: `${at(one)}/${which}`, body: { x: 1 } },
      ])),
    ])();
  };
  for (let n = 1; n <= 3; n++) made.push({ as: 'superuser', method: 'POST', path: at('a'), body: { id: id('a', n), name: `k${n}`, n } });
  while (made.length < count) {
    const as = next() < 0.3 ? 'superuser' : 'guest';
    const list = () => Array.from({ length: 1 + Math.floor(next() * (next() < 0.05 ? 7 : 3)) }, entry);
    const roll = next();
    if (roll < 0.75) made.push({ as, method: 'POST', path: '/api/batch', body: { requests: list() } });
    else if (roll < 0.85) made.push({ as, method: 'POST', path: '/api/batch', parts: [['@jsonPayload', JSON.stringify({ requests: list() })]] });
    else if (roll < 0.89) made.push({ as, method: 'POST', path: '/api/batch', ...pick([{ body: {} }, { body: { requests: null } }, { body: { requests: [] } }, { body: { requests: {} } }, { body: { requests: 'x' } }, { body: [] }, { text: '{' }, { text: '' }, { parts: [['requests', '[]']] }, { parts: [['@jsonPayload', '{']] }, { form: [['requests', 'x']] }]) });
    else made.push({ as: 'superuser', method: 'GET', path: `${at(pick(['a', 'b']))}?sort=id&perPage=20` });
  }
  return made;
}
