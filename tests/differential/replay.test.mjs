// Holdall answers what the original server answered (PocketBase 0.40.6) to the same requests.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { answers } from './ask.mjs';

const { HOLDALL_URL, HOLDALL_ADMIN_EMAIL, HOLDALL_ADMIN_PASSWORD } = process.env;
if (!HOLDALL_URL) throw new Error('HOLDALL_URL is not set: run this under `holdall exec --`');
const kept = new URL('./answers/', import.meta.url);

for (const file of readdirSync(kept)) {
  test(`the answers of ${file}`, async () => {
    const [kind, seed] = file.replace('.json', '').split('-');
    const expected = JSON.parse(readFileSync(new URL(file, kept), 'utf8'));
    const given = await answers(HOLDALL_URL, HOLDALL_ADMIN_EMAIL, HOLDALL_ADMIN_PASSWORD, kind, Number(seed), expected.length);
    for (const [at, { answer, ...request }] of given.entries()) assert.deepEqual(answer, expected[at], `#${at} ${JSON.stringify(request)}`);
  });
}
