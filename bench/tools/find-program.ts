// Finds the programs that Holdfast is compared with, and installs those that can be had: Debian's packages where we may,
// npm's into `bench/` alone.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../options.ts';
import { say } from '../report.ts';

const LITESTREAM = '@flydotio/litestream-linux-x64';

export interface MayInstall {
  /** False takes only what is there: a smoke run needs no network. */
  mayInstall: boolean;
}

const isThere = (program: string): boolean =>
  spawnSync('sh', ['-c', `command -v ${program}`], { stdio: 'ignore' }).status === 0;

/** @returns the program's name, which its Debian package has too; undefined, after saying so, where it can not be had */
export function findProgram(program: string, { mayInstall }: MayInstall): string | undefined {
  if (mayInstall && !isThere(program) && process.getuid?.() === 0 && isThere('apt-get')) {
    say(`   installing Debian's ${program} for the benchmarks`);
    const install = `apt-get install -y -qq ${program}`;
    spawnSync('sh', ['-c', `${install} || { apt-get update -qq && ${install}; }`], { stdio: 'ignore' });
  }
  if (isThere(program)) return program;
  say(`   ${program} can not be had on this machine: it is left out`);
  return undefined;
}

/** @returns the path of Litestream 0.3.13; undefined, after saying so, where there is none for this machine */
export function findLitestream({ mayInstall }: MayInstall): string | undefined {
  const path = join(ROOT, 'bench', 'node_modules', LITESTREAM, 'litestream');
  if (mayInstall && process.platform === 'linux' && process.arch === 'x64' && !existsSync(path)) {
    say(`   installing ${LITESTREAM} for the benchmarks only`);
    const args = ['install', '--prefix', join(ROOT, 'bench'), '--no-package-lock', '--no-audit', '--no-fund'];
    spawnSync('npm', args, { cwd: join(ROOT, 'bench'), stdio: ['ignore', 'ignore', 'inherit'] });
  }
  if (existsSync(path)) return path;
  say('   Litestream can not be had on this machine: it is left out');
  return undefined;
}

/** The first number with a dot in what a program says of its version. */
export function versionOf(program: string, ...args: string[]): string {
  const { stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  return /\d+(\.\d+)+/.exec(`${stdout}${stderr}`)?.[0] ?? '';
}
