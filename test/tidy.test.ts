// Goal: the house keeps its shape. Method: read every source file as text; check ranks, bans and dead files.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { ERRORS } from '../src/base/errors.ts';
import { VERSION } from '../src/version.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const src = join(root, 'src');

/** A room imports itself and rooms of a lower rank. */
const RANK: Record<string, number> = {
  base: 0,
  model: 1,
  format: 2,
  wire: 2,
  destination: 3,
  engine: 3,
  // Byte workers stand on the destinations they write to.
  pipeline: 3.5,
  // Stands on destinations and the store; every room that writes asks it.
  lease: 3.5,
  store: 3,
  archive: 4,
  audit: 4,
  backup: 4,
  inspect: 4,
  keys: 4,
  rebuild: 4,
  restore: 4,
  recover: 4,
  clean: 4,
  schedule: 4,
  tenant: 4,
  validate: 4,
  catalog: 5,
  sql: 6,
  server: 7,
  client: 8,
  console: 8,
  quickstart: 9,
};
/** Files in src/ itself: the composition root and the command. */
const ROOT_RANK = 9;

interface Ban {
  pattern: RegExp;
  /** Files that may. */
  except: RegExp;
  instead: string;
}

const BANS: Ban[] = [
  {
    pattern: /\bDate\.now\(|new Date\(\)/,
    except: /^src\/base\/(clock|log)\.ts$/,
    instead: 'the Clock that was handed in (base/clock.ts)',
  },
  { pattern: /\bMath\.random\(/, except: /^$/, instead: 'randomBytes or randomUUID of node:crypto' },
  {
    pattern: /\bprocess\.env\b/,
    except: /^src\/base\/environment\.ts$/,
    instead: 'environment() of base/environment.ts',
  },
  { pattern: /\bconsole\.(log|error|warn)\(/, except: /^$/, instead: 'the Log that was handed in (base/log.ts)' },
  {
    pattern: /from '(better-sqlite3|node:sqlite|@photostructure\/sqlite)'/,
    except: /^src\/base\/sqlite\.ts$/,
    instead: 'base/sqlite.ts',
  },
  { pattern: /from 'zstd-napi'/, except: /^src\/format\/compress\.ts$/, instead: 'format/compress.ts' },
  { pattern: /\benum [A-Z]/, except: /^$/, instead: 'a union of string literals' },
  { pattern: /\bexport default\b/, except: /^$/, instead: 'a named export' },
  { pattern: /\b(FIXME|TODO|XXX)\b/, except: /^$/, instead: 'an issue' },
  { pattern: /@ts-(ignore|nocheck)/, except: /^$/, instead: 'a type that says what is meant' },
];

function filesBelow(dir: string): string[] {
  return readdirSync(dir).flatMap((name) => {
    const path = join(dir, name);
    return statSync(path).isDirectory() ? filesBelow(path) : name.endsWith('.ts') ? [path] : [];
  });
}

const sources = filesBelow(src).map((path) => ({ path, name: relative(root, path), text: readFileSync(path, 'utf8') }));
const isTest = (name: string) => name.endsWith('.test.ts') || name.endsWith('.fixture.ts');

function roomOf(path: string): string {
  const [first, ...rest] = relative(src, path).split('/');
  return rest.length === 0 ? '' : first!;
}

/** Relative imports as [path, is it a type-only import]. */
function importsOf(source: { path: string; text: string }): Array<[path: string, isTypeOnly: boolean]> {
  const found: Array<[string, boolean]> = [];
  for (const match of source.text.matchAll(/^(?:import|export)\s+(type\s+)?[^;]*?from '(\.[^']+)'/gms)) {
    found.push([resolve(dirname(source.path), match[2]!), match[1] !== undefined]);
  }
  for (const match of source.text.matchAll(/(?:import|forkChild)\(\s*'(\.[^']+)'/g)) {
    const path = resolve(dirname(source.path), match[1]!);
    found.push([path.endsWith('.ts') ? path : `${path}.ts`, false]);
  }
  return found;
}

/** Rooms of rank 3 may name each other's contract types: an engine's snapshot is what a pipeline reads. */
const TYPE_ONLY_RANK = 3;

function rankProblem(from: string, to: string, isTypeOnly: boolean): string | undefined {
  const fromRoom = roomOf(from);
  const toRoom = roomOf(to);
  if (fromRoom === toRoom) return undefined;
  const fromRank = fromRoom === '' ? ROOT_RANK : RANK[fromRoom];
  const toRank = toRoom === '' ? ROOT_RANK : RANK[toRoom];
  if (fromRank === undefined || toRank === undefined) return `${relative(root, from)}: room without a rank`;
  if (toRank < fromRank || (isTypeOnly && toRank === TYPE_ONLY_RANK && fromRank === TYPE_ONLY_RANK)) return undefined;
  // The command and the composition root are one floor.
  if (fromRank === ROOT_RANK && toRank === ROOT_RANK) return undefined;
  return `${relative(root, from)} (rank ${fromRank}) imports ${relative(root, to)} (rank ${toRank})`;
}

describe('the house', () => {
  test('imports go down only', () => {
    const problems = sources
      .filter(({ name }) => !isTest(name))
      .flatMap((source) => importsOf(source).map(([to, isTypeOnly]) => rankProblem(source.path, to, isTypeOnly)))
      .filter((problem) => problem !== undefined);
    expect(problems).toEqual([]);
  });

  test('bans name their replacement', () => {
    const problems = sources
      .filter(({ name }) => !isTest(name))
      .flatMap(({ name, text }) =>
        BANS.filter(
          ({ pattern, except }) =>
            !except.test(name) && text.split('\n').some((line) => !line.trim().startsWith('//') && pattern.test(line)),
        ).map(({ pattern, instead }) => `${name}: ${pattern} is banned; use ${instead}`),
      );
    expect(problems).toEqual([]);
  });

  test('every file opens with what it is', () => {
    const silent = sources
      .filter(({ name, text }) => !isTest(name) && !/^(#!.*\n)?\/\//.test(text))
      .map(({ name }) => name);
    expect(silent).toEqual([]);
  });

  test('every file is used', () => {
    const entries = new Set(['src/cli.ts', 'src/quickstart/quickstart.ts', 'src/quickstart/sample-app.ts']);
    const text = sources.map((source) => source.text).join('\n');
    const used = new Set(sources.flatMap((source) => importsOf(source).map(([path]) => relative(root, path))));
    const dead = sources
      .map(({ name }) => name)
      .filter((name) => !isTest(name) && !entries.has(name) && !used.has(name))
      // Children are forked by name, without their ending.
      .filter((name) => !text.includes(`'./${name.split('/').at(-1)!.replace(/\.ts$/, '')}'`));
    expect(dead).toEqual([]);
  });

  test('no file of the project names a machine, a registry host or a session', () => {
    const pattern = /registry\.npmjs|deb\.debian\.org|\/work\/|\.library/;
    const problems = sources.filter(({ text }) => pattern.test(text)).map(({ name }) => name);
    expect(problems).toEqual([]);
  });

  test('files stay small enough to read', () => {
    const LINES_MAX = 420;
    // Declarations are data: they may be long.
    const isDeclaration = (name: string) =>
      /errors\.ts$|statement\.ts$|statement-table\.ts$|records\.ts$|migrations\.ts$|views?[^/]*\.ts$|variables\.ts$/.test(
        name,
      );
    const long = sources
      .filter(({ name, text }) => !isTest(name) && !isDeclaration(name) && text.split('\n').length > LINES_MAX)
      .map(({ name, text }) => `${name}: ${text.split('\n').length} lines`);
    expect(long).toEqual([]);
  });

  test('error numbers of ours are unique', () => {
    const codes = Object.values(ERRORS).map(({ code }) => code);
    expect(codes.filter((code, at) => codes.indexOf(code) !== at)).toEqual([]);
  });

  test('the version is that of the package', () => {
    const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
    expect(VERSION).toBe(manifest.version);
  });
});
