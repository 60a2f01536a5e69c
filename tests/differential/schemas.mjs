// Requests that define collections: every kind of field with fitting and unfitting options, names, rules, indexes.
import { dice } from './dice.mjs';

/** Templates are our own words, and an autodate of the other server has no help. */
export const forget = ['emailTemplate', 'verificationTemplate', 'resetPasswordTemplate', 'confirmEmailChangeTemplate', 'help'];

const OPEN = { listRule: '', viewRule: '', createRule: '', updateRule: '', deleteRule: '' };

export const collections = (name) => [
  { id: `${name}idaaaa`, name: `${name}_a`, type: 'base', ...OPEN, fields: [{ id: 'text_title', name: 'title', type: 'text' }, { id: 'number_n', name: 'n', type: 'number' }, { id: 'sel_tags', name: 'tags', type: 'select', values: ['a', 'b', 'c'], maxSelect: 2 }] },
  { name: `${name}_u`, type: 'auth', ...OPEN, fields: [{ id: 'text_nick', name: 'nick', type: 'text' }] },
  { id: `${name}idbbbb`, name: `${name}_b`, type: 'base', ...OPEN, fields: [{ id: 'rel_up', name: 'up', type: 'relation', collectionId: `${name}idaaaa`, maxSelect: 1 }, { id: 'text_note', name: 'note', type: 'text' }] },
  { name: `${name}_k`, type: 'base', fields: [{ name: 'note', type: 'text' }], indexes: [`CREATE INDEX idx_${name}_taken ON ${name}_k (note)`] },
  { id: `${name}idvvvv`, name: `${name}_v`, type: 'view', viewQuery: `select id, title from ${name}_a` },
];

const SIZES = [0, 1, 2, 10, -1, 1e15, 1e16, 1.5, '5', null];
const PATTERNS = ['', '^a', '^[a-z]+$', '[', '(?=a)', '\\d+', '(', 5];
const domains = [[], ['example.com'], ['example.com', 'other.org'], ['no domain'], ['http://x.y'], 'example.com', [5], null, ['sub.example.co.uk'], ['a']];
const OPTIONS = (name) => ({
  text: { min: SIZES, max: SIZES, pattern: PATTERNS.slice(0, 3), autogeneratePattern: ['', '[a-z]{5}', 'abc', '[', '\\d{4}', '[A-Z]{5}-[0-9]{3}', 'x{2,4}'] },
  number: { min: [null, 0, -5, 1.5, '3'], max: [null, 0, 10, -10, 2.5], onlyInt: [true, false, 'x'] },
  bool: {},
  email: { onlyDomains: domains, exceptDomains: domains },
  url: { onlyDomains: domains, exceptDomains: domains },
  editor: { maxSize: SIZES, convertURLs: [true, false] },
  date: { min: ['', '2024-01-01 00:00:00.000Z', '2024-01-01', null, 5], max: ['', '2025-01-01', null] },
  autodate: { onCreate: [true, false], onUpdate: [true, false] },
  select: { values: [['a', 'b'], [], 'a', [5], ['a', 'b', 'c', 'd']], maxSelect: [0, 1, 2, 3, 9, -1, 1.5, '2'] },
  file: { maxSelect: [0, 1, 5, -1, 1e16], maxSize: SIZES, mimeTypes: [[], ['image/png'], ['nonsense'], 'image/png'], thumbs: [[], ['10x10'], ['0x50', '50x0', '50x50t', '50x50b', '50x50f'], ['x'], ['10x10z'], ['-1x5']], protected: [true] },
  relation: { collectionId: [`${name}idaaaa`, `${name}idaaaa`, `${name}idvvvv`, `${name}_a`, 'nothing', '', null, 5], minSelect: [0, 1, 2, 5, -1], maxSelect: [0, 1, 2, 4, -1], cascadeDelete: [true, false] },
  json: { maxSize: SIZES },
  geoPoint: {},
  password: { min: SIZES, max: [0, 71, 72, 100, 5, -1], pattern: PATTERNS, cost: [0, 4, 10, 3, 31, 32, -1] },
});
const NAMES = ['one', 'two', 'Three', '_four', 'f5', '5f', 'a b', 'a-b', '', 'ö', 'expand', 'collectionId', 'collectionname', 'created', 'null', 'true', '_rowid_', 'a_via_b', 'x'.repeat(100), 'x'.repeat(101), 'x'.repeat(256), 'passwordConfirm', 'oldPassword', 'select', 'order'];
const COMMON = { id: ['given1', 'text_title', 'a b', 'x'.repeat(101), 5, ''], required: [true, 'yes'], hidden: [true], presentable: [true], system: [true], help: ['some words'], nothing: [1] };
const RULES = (name) => [null, '', '  ', "title = 'x'", 'id = @request.auth.id', "@request.auth.id != ''", "@request.auth.nick = 'x'", 'nothing = 1', 'title =', 'title = "a" &&', "@collection.nothing.id = '1'", `@collection.${name}_a.title ?= id`, "@request.body.title:isset = true", "@request.body.nothing = 1", "@request.nothing = 1", 'title.deep = 1', 'tags:each ?= "a"', 'title:lower = "x"', 'tags:zzz = 1', "@request.query.a = '1'", '@request.headers.x_y = "1"', '@request.context = "default"', '@request.method = "GET"', 5, true, [], `${name}_b_via_up.note ?= 'x'`, `${name}_b_via_note.id ?= 'x'`, '@now > created', 'geoDistance(1,2,3,4) < 5', 'geoDistance(1,2) < 5', '(title = "a"', "title = 'a' || ", '// comment', "title = 'a' // comment", 'password = "x"', 'x'.repeat(10)];
const INDEXES = (name, own) => [
  `CREATE INDEX idx_${own}_1 ON ${own} (title)`, `CREATE UNIQUE INDEX idx_${own}_2 ON ${own} (title)`, `create index \`idx_${own}_3\` on \`${own}\` (\`title\`, \`n\` DESC)`,
  `CREATE INDEX idx_${own}_4 ON other (title)`, `CREATE INDEX idx_${own}_5 ON ${own} (nothing)`, `CREATE INDEX ON ${own} (title)`, `CREATE INDEX idx_${own}_6 ON ${own}`, 'nonsense', '', 5, null,
  `CREATE INDEX idx_${name}_taken ON ${own} (title)`, `CREATE UNIQUE INDEX IF NOT EXISTS idx_${own}_7 ON ${own} (title COLLATE NOCASE) WHERE title != ''`,
  `DROP INDEX idx_${own}_1`, `CREATE INDEX idx_${own}_9 ON ${own} ()`, `CREATE INDEX idx_${own}_1 ON ${own} (n)`, `CREATE INDEX idx_${own}_10 ON ${own} (title) WHERE nothing = 1`, `CREATE INDEX idx_${own}_11 ON ${own} (title, title)`,
  `CREATE   INDEX  idx_${own}_12\n ON ${own} ( title )`, `CREATE INDEX idx_${own}_13 ON ${own} (title) WHERE (n > 1 AND title IS NOT NULL)`,
];
const token = { duration: [60, 0, -1, 5, 10, 94670856, 94670857, 1e12, '60'], secret: ['s'.repeat(29), 's'.repeat(30), 's'.repeat(255), 's'.repeat(256)] };
const AUTH = {
  passwordAuth: { enabled: [true, false, 'x'], identityFields: [['email'], [], ['nick'], ['nothing'], ['email', 'email'], ['username'], 'email', ['password']] },
  otp: { enabled: [true, false], duration: [0, 10, 180, 9, 86400, 86401, -1], length: [0, 3, 4, 8, 100], emailTemplate: [{ subject: '', body: '' }, { subject: 'S', body: 'no placeholder' }, { subject: 'S', body: '{OTP}' }] },
  mfa: { enabled: [false], duration: [0, 9, 10, 600, 86400, 86401], rule: ['', "nick = 'x'"] },
  oauth2: { enabled: [true, false], providers: [[], [{ name: 'google', clientId: 'a', clientSecret: 'b' }], [{ name: 'nothing', clientId: 'a', clientSecret: 'b' }], [{ name: 'google' }], [{ name: 'oidc', clientId: 'a', clientSecret: 'b' }], [{ name: 'google', clientId: 'a', clientSecret: 'b' }, { name: 'google', clientId: 'c', clientSecret: 'd' }], [{ name: 'oidc', clientId: 'a', clientSecret: 'b', authURL: 'http://a.b/auth', tokenURL: 'http://a.b/t', userInfoURL: 'http://a.b/u', displayName: 'X', pkce: false }], [{}], null], mappedFields: [{ name: 'nick' }, { id: 'id' }, { avatarURL: 'nick', username: 'nick' }] },
  authAlert: { enabled: [true, false], emailTemplate: [{ subject: 'S', body: '' }, { subject: 'S', body: 'B' }] },
  authToken: token, passwordResetToken: token, emailChangeToken: token, verificationToken: token, fileToken: token,
  verificationTemplate: { subject: ['', 'S {APP_NAME}'], body: ['', 'B', 'B {TOKEN}', '{APP_URL}/{TOKEN}'] }, resetPasswordTemplate: { subject: [''], body: ['B', ''] }, confirmEmailChangeTemplate: { subject: ['S'], body: ['x'] },
};

export function requests(name, seed, count) {
  const next = dice(seed);
  const pick = (list) => list[Math.floor(next() * list.length)];
  const kinds = OPTIONS(name);
  let fields = 0;
  const some = (table, most, into = {}) => {
    const keys = Object.keys(table);
    for (let n = Math.floor(next() * (most + 1)); n > 0 && keys.length; n--) { const key = pick(keys); into[key] = pick(table[key]); }
    return into;
  };
  const field = (plain) => {
    const type = next() < 0.02 ? pick(['nothing', '', null, 5]) : pick(Object.keys(kinds));
    const made = { name: next() < 0.7 || plain ? `f${++fields}` : pick(NAMES), type };
    if (type === 'select') made.values = ['a', 'b', 'c'];
    if (type === 'relation') made.collectionId = `${name}idaaaa`;
    if (type === 'autodate') made.onCreate = true;
    some(kinds[type] ?? {}, 2, made);
    if (next() < 0.2) some(COMMON, 1, made);
    return made;
  };
  const rules = () => some({ listRule: RULES(name), viewRule: RULES(name), createRule: RULES(name), updateRule: RULES(name), deleteRule: RULES(name) }, 2);
  const auth = () => {
    const made = {};
    for (let n = 1 + Math.floor(next() * 2); n > 0; n--) { const key = pick(Object.keys(AUTH)); made[key] = some(AUTH[key], 2); }
    return some({ authRule: RULES(name), manageRule: RULES(name).filter((rule) => rule !== '') }, next() < 0.3 ? 1 : 0, made);
  };
  const made = [];
  const add = (method, path, body) => made.push({ as: 'superuser', method, path: `/api/collections${path}`, body });
  let last = 0;
  while (made.length < count) {
    const own = `${name}_c${++last}`;
    const roll = next();
    const indexes = () => { return [pick(INDEXES(name, own))]; };
    const title = { name: 'title', type: 'text' };
    if (roll < 0.4) add('POST', '', { name: own, fields: [title, field(), ...(next() < 0.4 ? [field()] : [])] });
    else if (roll < 0.5) add('POST', '', { name: own, type: 'base', fields: [title, { name: 'tags', type: 'select', values: ['a', 'b'], maxSelect: 2 }], ...rules() });
    else if (roll < 0.6) add('POST', '', { name: own, type: 'base', fields: [title, { name: 'n', type: 'number' }], indexes: next() < 0.05 ? pick(['x', {}, null]) : indexes() });
    else if (roll < 0.75) add('POST', '', { name: own, type: 'auth', fields: [{ name: 'nick', type: 'text' }, ...(next() < 0.3 ? [field()] : [])], ...(next() < 0.3 ? { indexes: [`CREATE UNIQUE INDEX idx_${own}_n ON ${own} (nick)`] } : {}), ...auth() });
    else if (roll < 0.8) add('POST', '', { name: pick([own, '', 'a b', `${name}_A`, 'x'.repeat(256), 5, 'users', `${own}_via_x`, 'ö', `${own}-`]), type: pick(['base', 'nothing', '', null, 5]), ...some({ id: ['', 'short', `${name}idaaaa`, 'a b', 5], system: [true], fields: [null, [], {}, 'x', [null], [5]], indexes: [null, []], created: ['2020-01-01'], nothing: [1] }, 1) });
    else if (roll < 0.93) {
      const target = pick(['a', 'b', 'u', 'zzz']);
      const at = `/${next() < 0.5 || target === 'u' ? `${name}_${target}` : `${name}id${target.repeat(4)}`}`;
      const change = pick([
        () => ({ type: pick([target === 'u' ? 'auth' : 'base']) }), () => ({ system: true }), () => (target === 'v' ? {} : rules()), () => ({ fields: [field(true)] }), () => ({ fields: [{ id: 'text_title', name: 'title', type: 'number' }] }),
        () => ({ fields: [{ id: 'rel_up', name: 'up', type: 'relation', collectionId: `${name}iduuuu` }] }), () => ({}), () => ({ indexes: [] }), () => ({ listRule: null }), () => (target === 'u' ? auth() : {}), () => ({ name: pick([`${name}_${target}`, `${name}_${target.toUpperCase()}`, `${name}_b`, '']) }),
        () => ({ indexes: [`CREATE INDEX idx_${name}_${target}p ON ${name}_${target} (${pick(['title', 'note', 'nick', 'nothing'])})`] }),
      ])();
      add('PATCH', at, change);
    } else if (roll < 0.97) add('GET', `/${name}_${pick(['a', 'b', 'u', 'A', 'zzz'])}${pick(['', '?fields=name,fields.name', '?fields=id,indexes'])}`);
    else add('GET', `?filter=${encodeURIComponent(`(name ~ '${name}_a' || name ~ '${name}_b' || name ~ '${name}_k') && ${pick(["type = 'base'", 'system = false', "created > '2020'", "id != ''", "name ~ '_a'", 'nothing = 1', "fields ~ 'x'", "listRule = ''"])}`)}&sort=${pick(['name', '-name', 'id', 'type,name', 'nothing', 'created,name'])}&perPage=${pick(['2', '0', '5', 'x', '-1'])}&fields=name,type${pick(['', '&skipTotal=1', '&page=2'])}`);
  }
  return made;
}
