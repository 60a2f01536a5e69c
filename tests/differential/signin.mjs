// Signing in with a password, refreshing, impersonating, asking for the methods: with odd bodies and odd tokens.
import { dice } from './dice.mjs';

const id = (letter, number) => letter + String(number).padStart(14, '0');
const OPEN = { listRule: '', viewRule: '', createRule: '', updateRule: '', deleteRule: '' };

export const forget = ['collectionId', 'token', 'authProviders', 'usernamePassword', 'emailPassword'];

export const collections = (name) => [
  { name: `${name}_u`, type: 'auth', ...OPEN, authAlert: { enabled: false }, fields: [{ name: 'username', type: 'text' }, { name: 'level', type: 'number' }], indexes: [`CREATE UNIQUE INDEX idx_${name}_un ON ${name}_u (username COLLATE NOCASE) WHERE username != ''`], passwordAuth: { enabled: true, identityFields: ['email', 'username'] } },
  { name: `${name}_r`, type: 'auth', ...OPEN, authRule: 'level > 1', authAlert: { enabled: false }, fields: [{ name: 'level', type: 'number' }] },
  { name: `${name}_z`, type: 'auth', ...OPEN, authRule: null, authAlert: { enabled: false }, fields: [] },
  { name: `${name}_d`, type: 'auth', ...OPEN, passwordAuth: { enabled: false }, authAlert: { enabled: false }, fields: [] },
  { name: `${name}_b`, type: 'base', ...OPEN, fields: [] },
];

export function requests(name, seed, count) {
  const next = dice(seed);
  const pick = (list) => list[Math.floor(next() * list.length)];
  const made = [];
  const at = (collection, more) => `/api/collections/${collection}/${more}`;
  for (let n = 1; n <= 3; n++) made.push({ as: 'superuser', method: 'POST', path: at(`${name}_u`, 'records'), body: { id: id('u', n), email: `u${n}@Example.com`, password: 'password-1', passwordConfirm: 'password-1', username: n < 3 ? `User${n}` : 'u1@Example.com', level: n, verified: n === 2 } });
  for (const other of ['r', 'z', 'd']) for (let n = 1; n <= 2; n++) made.push({ as: 'superuser', method: 'POST', path: at(`${name}_${other}`, 'records'), body: { id: id(other, n), email: `u${n}@Example.com`, password: 'password-1', passwordConfirm: 'password-1', level: n } });
  const anybody = () => pick(['guest', 'guest', 'superuser', id('u', 1), id('u', 2)]);
  const collection = () => (next() < 0.6 ? `${name}_u` : pick([`${name}_r`, `${name}_z`, `${name}_d`, `${name}_nothing`, `${name}_U`]));
  const identity = () => pick(['u1@Example.com', 'u2@Example.com', 'u1@example.com', 'user1', 'User2', 'nobody', '', null, 5, [], ' u1@Example.com', 'u1@Example.com ', true, 'x'.repeat(256), {}]);
  const password = () => (next() < 0.6 ? 'password-1' : pick(['password-2', '', null, 5, 'x'.repeat(300), [], ' password-1']));
  while (made.length < count) {
    const roll = next();
    const body = { identity: identity(), password: password(), ...(next() < 0.3 && { identityField: pick(['email', 'username', 'nothing', '', null, 'id', 5]) }), ...(next() < 0.1 && { mfaId: 'x' }) };
    if (next() < 0.1) delete body[pick(['identity', 'password'])];
    const look = pick(['', '', '?fields=token,record.id', '?fields=record.email', '?fields=*,record.level', '?expand=nothing']);
    if (roll < 0.6) made.push({ as: anybody(), method: 'POST', path: at(collection(), 'auth-with-password') + look, ...(next() < 0.8 ? { body } : { [pick(['form', 'parts'])]: Object.entries(body).map(([key, value]) => [key, typeof value === 'string' ? value : JSON.stringify(value)]) }) });
    else if (roll < 0.7) made.push({ as: anybody(), method: 'POST', path: at(collection(), 'auth-refresh') + look });
    else if (roll < 0.8) made.push({ as: anybody(), method: 'GET', path: at(collection(), 'auth-methods') + pick(['', '?fields=mfa,otp,password,oauth2', '?fields=password.enabled']) });
    else if (roll < 0.9) made.push({ as: anybody(), method: 'POST', path: at(collection(), `impersonate/${pick([id('u', 1), id('u', 9), 'x'])}`), body: pick([{}, { duration: 0 }, { duration: -1 }, { duration: 60 }, { duration: '60' }, { duration: 'x' }, { duration: 1.5 }, { duration: null }, undefined]) });
    else if (roll < 0.93) made.push({ as: 'guest', method: 'POST', path: at(`${name}_u`, 'auth-with-password'), ...pick([{ text: '' }, { text: '[]' }, { text: '{' }, { text: 'null' }, { text: '5' }]) });
    else if (roll < 0.97) made.push({ as: 'guest', method: 'GET', path: at(`${name}_u`, `records/${id('u', 1)}`), headers: { Authorization: pick(['x', 'Bearer x', 'Bearer ', 'Basic eA==', 'a.b.c', 'eyJhbGciOiJub25lIn0.e30.', '  ']) } });
    else made.push({ as: anybody(), method: pick(['GET', 'PUT', 'DELETE', 'PATCH']), path: at(`${name}_u`, pick(['auth-with-password', 'auth-refresh', 'impersonate/x', 'nothing', 'auth-methods/'])) });
  }
  return made;
}
