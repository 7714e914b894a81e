// What `npm run build`, `quickstart`, `bench` and `npm test` do on a fresh clone: install, build, run.
// Plain JavaScript without dependencies, because it runs before anything is installed.
import { spawnSync } from 'node:child_process';
import { existsSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '');
const [what, ...args] = process.argv.slice(2);
const NODE_MAJOR_MIN = 20;

function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}

function run(command, commandArgs, options = {}) {
  const { status, signal, error } = spawnSync(command, commandArgs, { cwd: root, stdio: 'inherit', ...options });
  if (error) fail(`${command} could not run: ${error.message}`);
  if (signal) process.kill(process.pid, signal);
  if (status !== 0) process.exit(status ?? 1);
}

/** True when node_modules was installed from the present lock file. */
function isInstalled() {
  const marker = `${root}/node_modules/.package-lock.json`;
  return existsSync(marker) && statSync(marker).mtimeMs >= statSync(`${root}/package-lock.json`).mtimeMs;
}

/** Node's own headers lie beside it in every usual installation: packages that compile need not download them. */
function headersOfThisNode() {
  const prefix = dirname(dirname(realpathSync(process.execPath)));
  return existsSync(`${prefix}/include/node/node_api.h`) ? { npm_config_nodedir: prefix } : {};
}

function install() {
  if (isInstalled()) return;
  process.stdout.write('== npm ci (about a minute: one package compiles)\n');
  run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    env: { ...process.env, ...headersOfThisNode() },
  });
}

/** Programs that some tests use; these say so when they are skipped without them. */
const TEST_PROGRAMS = [
  { what: 'the mariadb command-line client', programs: ['mariadb'], packages: ['mariadb-client'] },
  {
    what: 'an S3 server (radosgw)',
    programs: ['radosgw', 'ceph-mon', 'ceph-osd'],
    packages: ['radosgw', 'ceph-mon', 'ceph-osd'],
  },
];
/** Debian asks this file before a package starts a daemon; 101 says no. */
const POLICY_FILE = '/usr/sbin/policy-rc.d';

function installTestPrograms() {
  const has = (program) => spawnSync('sh', ['-c', `command -v ${program}`], { stdio: 'ignore' }).status === 0;
  const isThere = ({ programs }) => programs.every(has);
  const missing = TEST_PROGRAMS.filter((wanted) => !isThere(wanted));
  if (missing.length === 0) return;
  const hasApt = spawnSync('apt-get', ['--version'], { stdio: 'ignore' }).status === 0;
  if (process.getuid?.() === 0 && hasApt) installPackages(missing.map(({ packages }) => packages));
  for (const wanted of missing)
    if (!isThere(wanted)) process.stdout.write(`== ${wanted.what} is not installed: its tests will be skipped\n`);
}

/** Installs groups of Debian packages, each by itself, without starting what they bring: tests start their own. */
function installPackages(groups) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const hadPolicy = existsSync(POLICY_FILE);
  // An interrupt ends the installation, not this program before it has tidied up.
  let interrupted;
  process.on('SIGINT', () => {});
  if (!hadPolicy) writeFileSync(POLICY_FILE, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    spawnSync('apt-get', ['update', '-qq'], { stdio: 'ignore', env });
    for (const packages of groups) {
      process.stdout.write(`== apt-get install ${packages.join(' ')}\n`);
      const args = ['install', '-y', '-qq', '--no-install-recommends', ...packages];
      const { signal } = spawnSync('apt-get', args, { stdio: ['ignore', 'ignore', 'inherit'], env });
      interrupted ??= signal;
    }
  } finally {
    if (!hadPolicy) rmSync(POLICY_FILE);
    process.removeAllListeners('SIGINT');
  }
  if (interrupted) process.kill(process.pid, interrupted);
}

if (Number(process.versions.node.split('.')[0]) < NODE_MAJOR_MIN) {
  fail(`Holdfast needs Node.js ${NODE_MAJOR_MIN} or newer, this is ${process.version}`);
}
install();
process.stdout.write('== build\n');
run(process.execPath, ['scripts/build.mjs']);
if (what === 'build') {
  process.stdout.write('== dist/ is ready: node dist/cli.js --help\n');
} else if (what === 'quickstart') {
  run(process.execPath, ['dist/quickstart/quickstart.js', ...args]);
} else if (what === 'test') {
  installTestPrograms();
  process.stdout.write('== types\n');
  run(process.execPath, ['node_modules/typescript/bin/tsc', '--noEmit']);
  process.stdout.write('== lint\n');
  run(process.execPath, ['node_modules/@biomejs/biome/bin/biome', 'check', '.']);
  process.stdout.write('== tests\n');
  run(process.execPath, ['node_modules/vitest/vitest.mjs', 'run', ...args]);
} else if (what === 'bench') {
  run(process.execPath, ['--import', 'tsx', 'bench/run.ts', ...args]);
} else {
  fail('usage: node scripts/bootstrap.mjs build|quickstart|test|bench');
}
