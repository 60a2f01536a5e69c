// Asks two servers the same and prints where they differ.
// usage: node compare.mjs URL_A EMAIL_A PASSWORD_A URL_B EMAIL_B PASSWORD_B KIND SEED COUNT
import { isDeepStrictEqual } from 'node:util';
import { answers } from './ask.mjs';

/** The members in which two answers differ, by path. */
function apart(a, b, path = '') {
  if (isDeepStrictEqual(a, b)) return [];
  const isObject = (value) => value !== null && typeof value === 'object';
  if (!isObject(a) || !isObject(b) || Array.isArray(a) !== Array.isArray(b)) return [`${path}: ${JSON.stringify(a)} | ${JSON.stringify(b)}`];
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].flatMap((key) => apart(a[key], b[key], `${path}/${key}`));
}

/** A request on one line, its address decoded. */
function readable({ as, method, path, ...content }) {
  const [bare, query = ''] = path.split('?');
  const parameters = [...new URLSearchParams(query)].map(([key, value]) => `${key}=${value}`).join(' & ');
  return `${as} ${method} ${bare} ${parameters} ${JSON.stringify(content)}`;
}

const [, , urlA, emailA, passwordA, urlB, emailB, passwordB, kind = 'records', seed = '1', count = '500'] = process.argv;
const a = await answers(urlA, emailA, passwordA, kind, Number(seed), Number(count));
const b = await answers(urlB, emailB, passwordB, kind, Number(seed), Number(count));
let differences = 0;
for (const [at, { answer, ...request }] of a.entries()) {
  if (isDeepStrictEqual(answer, b[at].answer)) continue;
  differences++;
  console.log(`#${at} ${readable(request)}\n  ${apart(answer, b[at].answer).slice(0, 6).join('\n  ')}${answer.data ? `\n  A ${JSON.stringify(answer.data)}` : ''}`);
}
console.log(`${a.length} requests, ${differences} differences`);
