// Writes what the binary is made of, as CycloneDX 1.5: node scripts/sbom.mjs TARGET > sbom.cdx.json
//
// Crates come from cargo for TARGET (what is only for tests left out) with the checksums of Cargo.lock,
// packages of the page from web/package-lock.json. The same sources make the same bytes.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

const target = process.argv[2];
if (!target) {
  console.error('sbom: say for which target');
  process.exit(2);
}

const run = (command, ...args) =>
  execFileSync(command, args, { encoding: 'utf8', maxBuffer: 1 << 28, stdio: ['ignore', 'pipe', 'inherit'] });

/** Name and version → SHA-256, as Cargo.lock has them. */
const checksums = new Map(
  readFileSync('Cargo.lock', 'utf8')
    .split('[[package]]')
    .map((part) => Object.fromEntries([...part.matchAll(/^(name|version|checksum) = "(.*)"$/gm)].map((hit) => hit.slice(1))))
    .map(({ name, version, checksum }) => [`${name} ${version}`, checksum]),
);

const license = (expression) =>
  expression ? { licenses: [{ expression: expression.replaceAll('/', ' OR ') }] } : {};

const metadata = JSON.parse(run('cargo', 'metadata', '--locked', '--format-version', '1', '--filter-platform', target));
const packages = new Map(metadata.packages.map((found) => [found.id, found]));
const nodes = new Map(metadata.resolve.nodes.map((node) => [node.id, node]));
const crateRef = (found) => `pkg:cargo/${found.name}@${found.version}`;

/** What is linked in, or works while building; not what only tests need, or only their features. */
const built = new Set(
  run('cargo', 'tree', '--locked', '--edges', 'normal,build', '--target', target, '--prefix', 'none', '--format', '{p}')
    .split('\n')
    .map((line) => line.split(' '))
    .map(([name, version]) => `${name} ${version?.slice(1)}`),
);
const isBuilt = (id) => built.has(`${packages.get(id).name} ${packages.get(id).version}`);
const wanted = (dependency) => dependency.dep_kinds.some(({ kind }) => kind !== 'dev') && isBuilt(dependency.pkg);
const reached = new Map();
const ahead = [metadata.resolve.root];
for (let id = ahead.pop(); id; id = ahead.pop()) {
  if (reached.has(id)) continue;
  const needs = nodes.get(id).deps.filter(wanted).map((dependency) => dependency.pkg);
  reached.set(id, needs);
  ahead.push(...needs);
}
const root = packages.get(metadata.resolve.root);

const crates = [...reached.keys()]
  .filter((id) => id !== root.id)
  .map((id) => packages.get(id))
  .map((found) => {
    const checksum = checksums.get(`${found.name} ${found.version}`);
    return {
      type: 'library',
      'bom-ref': crateRef(found),
      name: found.name,
      version: found.version,
      ...(found.description ? { description: found.description.trim() } : {}),
      ...(checksum ? { hashes: [{ alg: 'SHA-256', content: checksum }] } : {}),
      ...license(found.license),
      purl: crateRef(found),
    };
  });

const lock = JSON.parse(readFileSync('web/package-lock.json', 'utf8'));
const modules = Object.entries(lock.packages)
  .filter(([path, found]) => path && !found.dev)
  .map(([path, found]) => {
    const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
    const purl = `pkg:npm/${name.replace('@', '%40')}@${found.version}`;
    const [algorithm, digest] = (found.integrity ?? '').split('-');
    const content = digest && Buffer.from(digest, 'base64').toString('hex');
    return {
      type: 'library',
      'bom-ref': purl,
      name,
      version: found.version,
      ...(content ? { hashes: [{ alg: algorithm.toUpperCase().replace('SHA', 'SHA-'), content }] } : {}),
      ...license(found.license),
      purl,
    };
  });

const byRef = (a, b) => (a['bom-ref'] < b['bom-ref'] ? -1 : 1);
const components = [...crates, ...modules].sort(byRef);
const dependencies = [...reached]
  .map(([id, needs]) => ({
    ref: crateRef(packages.get(id)),
    dependsOn: [
      ...new Set([
        ...needs.map((need) => crateRef(packages.get(need))),
        ...(id === root.id ? modules.map((found) => found['bom-ref']) : []),
      ]),
    ].sort(),
  }))
  .sort((a, b) => (a.ref < b.ref ? -1 : 1));

const seconds = Number(process.env.SOURCE_DATE_EPOCH ?? 0);
const body = {
  metadata: {
    timestamp: new Date(seconds * 1000).toISOString(),
    component: {
      type: 'application',
      'bom-ref': crateRef(root),
      name: root.name,
      version: root.version,
      description: root.description,
      ...license(root.license),
      purl: crateRef(root),
      properties: [{ name: 'holdall:target', value: target }],
    },
  },
  components,
  dependencies,
};
// A name of its own for every content, and the same one for the same content.
const digest = createHash('sha256').update(JSON.stringify(body)).digest('hex');
const serial = [digest.slice(0, 8), digest.slice(8, 12), `5${digest.slice(13, 16)}`, `8${digest.slice(17, 20)}`, digest.slice(20, 32)];
const bom = { bomFormat: 'CycloneDX', specVersion: '1.5', serialNumber: `urn:uuid:${serial.join('-')}`, version: 1, ...body };
process.stdout.write(`${JSON.stringify(bom, null, 1)}\n`);
