// CPU per request of lists, beside PocketBase: two servers, the same rows and requests, one run.
// Usage: node api.mjs HOLDALL [POCKETBASE]     ROWS=100000 SECONDS_EACH=3
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';

const [holdall, pocketbase] = process.argv.slice(2).map((file) => path.resolve(file));
const ROWS = Number(process.env.ROWS ?? 100_000);
const SECONDS = Number(process.env.SECONDS_EACH ?? 3);
const CONNECTIONS = 8;
const BATCH = 50;
const ADMIN = { identity: 'root@example.com', password: 'root-password-1' };
const USER = { identity: 'user@example.com', password: 'user-password-1' };
const RULE = '@request.auth.id != "" && (public = true || owner = @request.auth.id)';
const ITEMS = '/api/collections/items/records';

const scratch = mkdtempSync(path.join(os.tmpdir(), 'holdall-bench-'));
const started = [];
process.on('exit', () => {
  started.forEach((server) => server.kill('SIGKILL'));
  rmSync(scratch, { recursive: true, force: true });
});

const freePort = () => new Promise((resolve) => {
  const probe = net.createServer().listen(0, '127.0.0.1', () => {
    const { port } = probe.address();
    probe.close(() => resolve(port));
  });
});

class Server {
  constructor(name, binary) {
    Object.assign(this, { name, binary, data: path.join(scratch, name), token: '' });
    this.agent = new http.Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  }

  async start() {
    this.port = await freePort();
    const listen = `127.0.0.1:${this.port}`;
    let args = ['serve', '--listen', listen, '--data', this.data];
    const env = { ...process.env, HOLDALL_ADMIN_EMAIL: ADMIN.identity, HOLDALL_ADMIN_PASSWORD: ADMIN.password };
    if (this.name === 'pocketbase') {
      args = ['serve', '--http', listen, '--dir', this.data, '--automigrate=false'];
      const made = spawnSync(this.binary, ['superuser', 'upsert', ADMIN.identity, ADMIN.password, '--dir', this.data]);
      if (made.status !== 0) throw new Error(`PocketBase made no superuser: ${made.stderr}`);
    }
    this.process = spawn(this.binary, args, { env, stdio: 'ignore' });
    started.push(this.process);
    for (let tries = 0; ; tries += 1) {
      const answer = await this.ask('GET', '/api/health').catch(() => null);
      if (answer?.status === 200) return;
      if (tries > 200) throw new Error(`${this.name} did not start`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  ask(method, url, body) {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const headers = { authorization: this.token, ...(text && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }) };
    return new Promise((resolve, reject) => {
      const request = http.request({ port: this.port, method, path: url, headers, agent: this.agent }, (response) => {
        const parts = [];
        response.on('data', (part) => parts.push(part));
        response.on('end', () => resolve({ status: response.statusCode, text: Buffer.concat(parts).toString() }));
        response.on('error', reject);
      });
      request.on('error', reject);
      request.end(text);
    });
  }

  async call(method, url, body) {
    const { status, text } = await this.ask(method, url, body);
    if (status >= 300) throw new Error(`${this.name}: ${method} ${url}: ${status} ${text}`);
    return text ? JSON.parse(text) : null;
  }

  async signIn(collection, who) {
    this.token = '';
    this.token = (await this.call('POST', `/api/collections/${collection}/auth-with-password`, who)).token;
  }

  async fill() {
    await this.signIn('_superusers', ADMIN);
    const users = (await this.call('GET', '/api/collections/users')).id;
    const fields = ['title', 'body', 'category', 'status'].map((name) => ({ name, type: 'text', max: 5000 }));
    for (const name of ['qty', 'price']) fields.push({ name, type: 'number' });
    fields.push({ name: 'public', type: 'bool' });
    fields.push({ name: 'owner', type: 'relation', collectionId: users, maxSelect: 1 });
    fields.push({ name: 'created', type: 'autodate', onCreate: true });
    await this.call('POST', '/api/collections', {
      name: 'items', type: 'base', fields, listRule: RULE, viewRule: RULE,
      indexes: ['CREATE INDEX idx_items_cat ON items (category, created)'],
    });
    const account = { email: USER.identity, password: USER.password, passwordConfirm: USER.password, verified: true };
    const owner = (await this.call('POST', '/api/collections/users/records', account)).id;
    await this.call('PATCH', '/api/settings', { batch: { enabled: true, maxRequests: BATCH, timeout: 120 } });
    for (let row = 0; row < ROWS; row += BATCH) {
      const requests = [];
      for (let at = row; at < row + BATCH; at += 1) {
        const noise = Math.imul(at + 1, 0x9e3779b1) >>> 0;
        const words = (length) => noise.toString(36).padStart(7, '0').repeat(30).slice(0, length);
        requests.push({ method: 'POST', url: ITEMS, body: {
          title: `${['amber', 'birch', 'cedar', 'delta'][noise % 4]}${noise % 1000} ${words(20)}`, body: words(180),
          category: `cat${at % 100}`, status: at % 3 ? 'open' : 'done', qty: noise % 1000, price: (noise % 99_991) / 2,
          public: Math.floor(at / 100) % 10 !== 0, owner: at % 20 ? owner : '',
        } });
      }
      await this.call('POST', '/api/batch', { requests });
    }
    await this.signIn('users', USER);
  }

  /** Seconds of processor time so far. */
  cpu() {
    const fields = readFileSync(`/proc/${this.process.pid}/stat`, 'utf8').split(') ')[1].split(' ');
    return (Number(fields[11]) + Number(fields[12])) / 100;
  }

  /** Milliseconds of processor time a request. */
  async measure(url) {
    const one = async (number) => {
      const { status, text } = await this.ask('GET', url(number));
      if (status !== 200 || !text.includes('"items":[{')) throw new Error(`${this.name}: ${url(number)}: ${status} ${text.slice(0, 200)}`);
    };
    for (let number = 0; number < 300; number += 1) await one(number);
    const [cpu, end] = [this.cpu(), Date.now() + SECONDS * 1000];
    let count = 0;
    await Promise.all(Array.from({ length: CONNECTIONS }, async () => {
      while (Date.now() < end) await one(count += 1);
    }));
    return ((this.cpu() - cpu) * 1000) / count;
  }
}

const by = (parameters) => `${ITEMS}?perPage=30&${parameters}`;
const category = (number) => `filter=${encodeURIComponent(`category = "cat${number % 100}"`)}`;
const needle = (number) => encodeURIComponent(`title ~ "amber${(number * 4) % 1000}"`);
const lists = [
  ['list, total, page 1', (number) => by(`sort=-created&${category(number)}`)],
  ['list, total, page 30', (number) => by(`page=30&sort=-created&${category(number)}`)],
  ['list, no total, page 1', (number) => by(`sort=-created&skipTotal=1&${category(number)}`)],
  ['list, no total, page 30', (number) => by(`page=30&sort=-created&skipTotal=1&${category(number)}`)],
  ['sort without index', () => by('sort=-price&skipTotal=1')],
  ['sort without index, filtered, total', () => by(`sort=-price,title&filter=${encodeURIComponent('status = "done" && qty > 500')}`)],
  ['~ without index', (number) => by(`filter=${needle(number)}`)],
];

const servers = [new Server('holdall', holdall), ...(pocketbase ? [new Server('pocketbase', pocketbase)] : [])];
for (const server of servers) {
  await server.start();
  await server.fill();
}
console.log(`${ROWS} rows, ${CONNECTIONS} connections, ${SECONDS} s each; CPU ms a request\n`);
console.log(['', ...servers.map((server) => server.name), 'ratio'].map((cell) => cell.padEnd(36)).join(''));
for (const [name, url] of lists) {
  const figures = [];
  for (const server of servers) figures.push(await server.measure(url));
  const ratio = figures.length > 1 ? `1/${(figures[1] / figures[0]).toFixed(1)}` : '';
  console.log([name, ...figures.map((figure) => figure.toFixed(3)), ratio].map((cell) => cell.padEnd(36)).join(''));
}

// Pages by key: as far in as pages by number would be, at what cost?
const [first] = servers;
const page = async (after) => JSON.parse((await first.ask('GET', by(`sort=-created&skipTotal=1&${category(7)}${after ? `&after=${after}` : ''}`))).text).items;
let last = '';
for (let number = 1; number < 30; number += 1) last = (await page(last)).at(-1).id;
console.log(['page 30 by key (after=ID)', (await first.measure(() => by(`sort=-created&skipTotal=1&after=${last}&${category(7)}`))).toFixed(3)].map((cell) => cell.padEnd(36)).join(''));
const aggregates = `/api/collections/items/aggregate?group=status&select=${encodeURIComponent('count,sum(qty),avg(price)')}`;
const answer = await first.ask('GET', aggregates);
console.log(`aggregate: ${answer.status} ${answer.text.slice(0, 120)}`);
process.exit(0);
