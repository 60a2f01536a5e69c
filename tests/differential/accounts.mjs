// Requests about accounts: signing up, changing oneself and others, under a manage rule.
import { dice } from './dice.mjs';

const id = (number) => `u${String(number).padStart(14, '0')}`;
const OPEN = { listRule: '', viewRule: '', createRule: '', updateRule: '', deleteRule: '' };

export const collections = (name) => [
  { name: `${name}_u`, type: 'auth', ...OPEN, manageRule: "@request.auth.role = 'boss'", authAlert: { enabled: false }, fields: [{ name: 'role', type: 'text' }, { name: 'secret', type: 'text', hidden: true }] },
  { name: `${name}_own`, type: 'base', ...OPEN, listRule: '@request.auth.id != "" && owner = @request.auth.id', viewRule: 'owner.role = @request.auth.role', fields: [{ name: 'owner', type: 'relation', collectionId: `@${name}_u`, maxSelect: 1, required: true }, { name: 'title', type: 'text' }] },
];

const VALUES = {
  email: ['a@example.com', 'b@example.com', 'B@example.com', 'wrong', '', null],
  emailVisibility: [true, false, 'true'],
  verified: [true, false, 1],
  password: ['password-1', 'password-2', 'short', '', null, 'x'.repeat(72), 12345678],
  passwordConfirm: ['password-1', 'password-2', 'short', '', null],
  oldPassword: ['password-1', 'password-2', 'wrong', ''],
  tokenKey: ['t'.repeat(40), 'short', ''],
  role: ['boss', 'hand', ''],
  secret: ['x'],
};

export function requests(name, seed, count) {
  const next = dice(seed);
  const pick = (list) => list[Math.floor(next() * list.length)];
  const made = [];
  const users = (record) => `/api/collections/${name}_u/records${record ? `/${record}` : ''}`;
  const own = (record) => `/api/collections/${name}_own/records${record ? `/${record}` : ''}`;
  const whole = (n, more) => ({ id: id(n), email: `p${n}@example.com`, password: 'password-1', passwordConfirm: 'password-1', ...more });
  for (let n = 1; n <= 4; n++) made.push({ as: 'superuser', method: 'POST', path: users(), body: whole(n, { role: n === 1 ? 'boss' : 'hand', emailVisibility: n === 2 }) });
  const anybody = () => pick(['guest', 'superuser', id(1), id(2), id(3), id(4)]);
  let last = 4;
  while (made.length < count) {
    const body = {};
    for (let n = Math.floor(next() * 4); n >= 0; n--) {
      const field = pick(Object.keys(VALUES));
      body[field] = pick(VALUES[field]);
    }
    if (next() < 0.5 && body.password) body.passwordConfirm = body.password;
    const target = id(1 + Math.floor(next() * last));
    const roll = next();
    if (roll < 0.25) made.push({ as: anybody(), method: 'POST', path: users(), body: next() < 0.7 ? { ...whole(++last), ...body, id: id(last) } : { id: id(++last), ...body } });
    else if (roll < 0.6) made.push({ as: next() < 0.5 ? pick([id(2), id(3)]) : anybody(), method: 'PATCH', path: users(next() < 0.5 ? pick([id(2), id(3)]) : target), body });
    else if (roll < 0.7) made.push({ as: anybody(), method: 'GET', path: users(target) });
    else if (roll < 0.75) made.push({ as: anybody(), method: 'GET', path: `${users()}?sort=id&perPage=10&fields=id,email,verified,role,secret` });
    else if (roll < 0.8) made.push({ as: anybody(), method: 'GET', path: `${users()}?sort=id&fields=id&filter=${encodeURIComponent(pick(["email ~ 'p'", "email = 'p2@example.com'", 'emailVisibility = true', "secret = ''", "tokenKey != ''", "password != ''", "role = 'boss'"]))}` });
    else if (roll < 0.86) made.push({ as: anybody(), method: 'POST', path: own(), body: { id: `o${String(last).padStart(14, '0')}`, owner: pick([id(1), id(2), id(3), id(99), '']), title: 't' } });
    else if (roll < 0.92) made.push({ as: anybody(), method: 'GET', path: `${own()}?sort=id&expand=owner&filter=${encodeURIComponent(pick(['', "owner.email ~ 'p'", "owner.role = 'hand'", `owner = '${id(2)}'`]))}` });
    else if (roll < 0.97) made.push({ as: anybody(), method: 'GET', path: `${own(`o${String(1 + Math.floor(next() * last)).padStart(14, '0')}`)}?expand=owner` });
    else if (last > 6) made.push({ as: 'superuser', method: 'DELETE', path: users(id(5 + Math.floor(next() * (last - 4)))) });
  }
  return made;
}
