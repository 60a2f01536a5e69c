// Size, start to the first 200 on /health/ready, idle resident memory: medians of several starts. And
// what a request costs with its access line, and without.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';

const binary = path.resolve(process.argv[2]);
const STARTS = 15;
const IDLE_MS = 3000;
const REQUESTS_MS = 3000;
const BOUNDS = { size: 16, start: 30, memory: 15 };

const freePort = () => new Promise((resolve) => {
  const probe = net.createServer().listen(0, '127.0.0.1', () => {
    const { port } = probe.address();
    probe.close(() => resolve(port));
  });
});

/** Asks once; resolves to whether the answer was 200. */
const ask = (port) => new Promise((resolve) => {
  const socket = net.connect(port, '127.0.0.1');
  socket.once('connect', () => socket.write('GET /health/ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'));
  socket.once('data', (data) => { socket.destroy(); resolve(data.toString().startsWith('HTTP/1.1 200')); });
  socket.once('error', () => resolve(false));
  socket.once('close', () => resolve(false));
});

/** A server that answered 200, how long that took, and how to end it. */
async function launch(...flags) {
  const scratch = mkdtempSync(path.join(os.tmpdir(), 'holdall-measure-'));
  const port = await freePort();
  const began = process.hrtime.bigint();
  const args = ['serve', '--listen', `127.0.0.1:${port}`, '--data', path.join(scratch, 'data'), ...flags];
  const server = spawn(binary, args, { stdio: 'ignore' });
  const gone = new Promise((resolve) => server.once('exit', resolve));
  while (!(await ask(port))) {
    if (server.exitCode !== null) throw new Error(`the server exited with ${server.exitCode}`);
    await new Promise(setImmediate);
  }
  const elapsed = Number(process.hrtime.bigint() - began) / 1e6;
  const end = async () => {
    server.kill('SIGTERM');
    await gone;
    rmSync(scratch, { recursive: true, force: true });
  };
  return { port, pid: server.pid, elapsed, end };
}

async function start(idle) {
  const { pid, elapsed, end } = await launch();
  let memory = NaN;
  if (idle) {
    await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    memory = Number(status.match(/VmRSS:\s+(\d+)/)[1]) / 1024;
  }
  await end();
  return { elapsed, memory };
}

/** Microseconds of processor time a request takes, of a file that leaves a line in the log. */
async function request(level) {
  const { port, pid, end } = await launch('--log-level', level);
  const agent = new http.Agent({ keepAlive: true, maxSockets: 8 });
  const one = () => new Promise((resolve, reject) => {
    const asked = http.get({ port, path: '/_/icon.svg', agent }, (answer) => {
      answer.resume();
      answer.once('end', resolve);
    });
    asked.once('error', reject);
  });
  const cpu = () => {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
    return (Number(fields[11]) + Number(fields[12])) * 10_000;
  };
  for (let n = 0; n < 2000; n++) await one();
  const [began, until] = [cpu(), Date.now() + REQUESTS_MS];
  let count = 0;
  const client = async () => { for (; Date.now() < until; count++) await one(); };
  await Promise.all(Array.from({ length: 8 }, client));
  const spent = (cpu() - began) / count;
  agent.destroy();
  await end();
  return spent;
}

const median = (values) => values.slice().sort((a, b) => a - b)[Math.floor(values.length / 2)];
const row = (what, value, unit, bound) => console.log(
  `${what.padEnd(44)} ${value.toFixed(1).padStart(8)} ${unit}   bound ${bound}${value > bound ? '   ABOVE' : ''}`,
);

const starts = [];
for (let n = 0; n < STARTS; n++) starts.push((await start(false)).elapsed);
const idle = [];
for (let n = 0; n < 3; n++) idle.push((await start(true)).memory);
row('binary, page inside', statSync(binary).size / 1048576, 'MiB', BOUNDS.size);
row(`spawn to first 200 on /health/ready, of ${STARTS}`, median(starts), 'ms', BOUNDS.start);
row('  the slowest of them', Math.max(...starts), 'ms', BOUNDS.start);
row(`idle resident memory after ${IDLE_MS / 1000} s`, median(idle), 'MiB', BOUNDS.memory);
const [told, silent] = [[], []];
for (let n = 0; n < 3; n++) {
  told.push(await request('info'));
  silent.push(await request('warn'));
}
console.log(`${'a request for a small file, all telemetry on'.padEnd(44)} ${median(told).toFixed(1).padStart(8)} µs of CPU`);
console.log(`${'  of it the access line'.padEnd(44)} ${(median(told) - median(silent)).toFixed(1).padStart(8)} µs`);
