// Batches, settings, and what only superusers see. Settings are put back.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { bad, call, codes, collection, fresh, good, record, records, root, su } from './house.mjs';

let items;
let kept;
const settings = (body) => su('PATCH', '/api/settings', body);
const batch = (requests, options = {}) => call('POST', '/api/batch', { body: { requests }, ...options });
const id = () => fresh('').slice(-10).padEnd(15, 'a');

before(async () => {
  kept = good(await su('GET', '/api/settings'));
  items = await collection('items', [{ name: 't', type: 'text', required: true, max: 5 }, { name: 'n', type: 'number' }], { deleteRule: "t = 'x'" });
});
after(async () => good(await settings({ batch: kept.batch, meta: kept.meta })));

test('a batch is forbidden until it is allowed', async () => {
  good(await settings({ batch: { enabled: false } }));
  bad(await batch([{ method: 'POST', url: records(items), body: { t: 'x' } }]), 403);
  good(await settings({ batch: { enabled: true } }));
});

test('a batch answers in order, and later entries see earlier ones', async () => {
  const key = id();
  const answers = good(await batch([
    { method: 'POST', url: `${records(items)}?fields=id,t`, body: { id: key, t: 'a' } }, { method: 'PATCH', url: `${records(items, key)}?fields=n`, body: { 'n+': 2 } }, { method: 'PUT', url: `${records(items)}?fields=t,n`, body: { id: key, t: 'x' } }, { method: 'DELETE', url: records(items, key) }, { method: 'PUT', url: `${records(items)}?fields=t`, body: { id: key, t: 'again' } },
  ]));
  assert.deepEqual(answers, [{ status: 200, body: { id: key, t: 'a' } }, { status: 200, body: { n: 2 } }, { status: 200, body: { t: 'x', n: 2 } }, { status: 204, body: null }, { status: 200, body: { t: 'again' } }]);
});

test('one failure undoes all, and says what the single call would have said', async () => {
  const key = id();
  const { requests } = bad(await batch([{ method: 'POST', url: records(items), body: { id: key, t: 'a' } }, { method: 'POST', url: records(items), body: { t: 'toolong' } }]));
  assert.deepEqual(Object.keys(requests), ['1']);
  assert.equal(requests['1'].code, 'batch_request_failed');
  assert.ok(requests['1'].message);
  const { response } = requests['1'];
  assert.deepEqual([response.status, response.data.t.code, typeof response.message], [400, 'validation_max_text_constraint', 'string']);
  bad(await call('GET', records(items, key)), 404);
  for (const [entry, status] of [[{ method: 'DELETE', url: records(items, key) }, 404], [{ method: 'PATCH', url: records('nothing', key), body: {} }, 404], [{ method: 'GET', url: records(items) }, 400], [{ method: 'POST', url: '/api/collections', body: {} }, 400], [{ method: 'POST', url: `http://127.0.0.1${records(items)}`, body: {} }, 400]]) {
    assert.equal(bad(await batch([entry])).requests['0'].response?.status ?? status, status, JSON.stringify(entry));
  }
});

test('the form of the SDK is a batch too', async () => {
  const form = new FormData();
  form.append('@jsonPayload', JSON.stringify({ requests: [{ method: 'POST', url: `${records(items)}?fields=t`, body: { t: 'form' } }] }));
  assert.deepEqual(good(await call('POST', '/api/batch', { body: form })), [{ status: 200, body: { t: 'form' } }]);
});

test('the caller of a batch is the caller of its entries', async () => {
  const locked = await collection('locked', [], { createRule: null });
  const entry = { method: 'POST', url: records(locked), body: {}, headers: { Authorization: await root() } };
  assert.equal(bad(await batch([entry])).requests['0'].response.status, 403);
  good(await batch([{ ...entry, headers: undefined }], { as: await root() }));
});

test('a batch has bounds', async () => {
  codes(await batch([]), { requests: 'validation_required' });
  codes(await batch(undefined), { requests: 'validation_required' });
  good(await settings({ batch: { maxRequests: 2 } }));
  codes(await batch(Array(3).fill({ method: 'POST', url: records(items), body: { t: 'x' } })), { requests: 'validation_length_too_long' });
  good(await settings({ batch: { maxRequests: 50 } }));
  for (const method of [undefined, '', 'post']) assert.ok(bad(await batch([{ method, url: records(items), body: { t: 'x' } }])).requests['0'].method.code, `${method}`);
});

test('settings have all their members, and no secret', async () => {
  const shown = good(await su('GET', '/api/settings'));
  const shape = (value) => (value && typeof value === 'object' && !Array.isArray(value) ? Object.fromEntries(Object.keys(value).sort().map((key) => [key, shape(value[key])])) : Array.isArray(value) ? 'array' : typeof value);
  const s3 = { enabled: 'boolean', bucket: 'string', region: 'string', endpoint: 'string', accessKey: 'string', forcePathStyle: 'boolean' };
  assert.deepEqual(shape(shown), shape({
    meta: { appName: '', appURL: '', senderName: '', senderAddress: '', hideControls: false, accentColor: '' }, smtp: { enabled: false, host: '', port: 1, username: '', authMethod: '', tls: false, localName: '' },
    s3: Object.fromEntries(Object.entries(s3).map(([name, kind]) => [name, kind === 'boolean' ? false : ''])), backups: { cron: '', cronMaxKeep: 1, s3: Object.fromEntries(Object.entries(s3).map(([name, kind]) => [name, kind === 'boolean' ? false : ''])) },
    batch: { enabled: true, maxRequests: 1, timeout: 1, maxBodySize: 1 }, logs: { maxDays: 1, minLevel: 0, logIP: true, logAuthId: true, maxDataSize: 0 }, rateLimits: { enabled: false, excludedIPs: [], rules: [] }, trustedProxy: { headers: [], useLeftmostIP: false }, superuserIPs: [],
  }));
});

test('a change of settings is partial and answers the whole', async () => {
  const changed = good(await settings({ meta: { appName: 'Acme & Sons' } }));
  assert.deepEqual([changed.meta.appName, changed.meta.senderName, changed.batch.enabled], ['Acme & Sons', kept.meta.senderName, true]);
  codes(await settings({ meta: { appName: '', appURL: 'no url' }, backups: { cron: 'never' } }), { 'meta.appName': 'validation_required', 'meta.appURL': 'validation_is_url', 'backups.cron': 'validation_invalid_cron' });
  assert.equal(good(await su('GET', '/api/settings')).meta.appName, 'Acme & Sons');
});

test('records of a collection are counted after all that', async () => {
  const made = await record(items, { t: 'last' });
  assert.ok(good(await call('GET', `${records(items)}?filter=id='${made.id}'`)).totalItems === 1);
});
