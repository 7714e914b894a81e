// Goal: the examples are true. Method: run each part of examples/runbook.sql as one session of `holdfast sql` against a
// real server, with this machine's directories and the noted time in the place of those in the file.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CLI, HoldfastFixture } from './holdfast-fixture.ts';

const EXAMPLE = fileURLToPath(new URL('../../examples/runbook.sql', import.meta.url));
const TIME_IN_EXAMPLE = '2026-01-31 09:15:00.000000';
const TIME = /\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}/g;
const WAIT_MS_MAX = 30_000;
const POLL_MS = 100;

interface Part {
  user: string;
  title: string;
  sql: string;
}

/** The file's parts: `-- ## user@tenant: title`, then statements. */
function partsOf(text: string): Part[] {
  return text
    .split(/^-- ## /m)
    .slice(1)
    .map((part) => {
      const [, user, title, sql] = /^(\S+@\S+): (.+)\n([\s\S]*)$/.exec(part)!;
      return { user: user!, title: title!, sql: sql! };
    });
}

interface Expected {
  /** What the part prints when all is well. */
  shows?: RegExp[];
  /** Exit code of the client, 0 unless it says so. */
  code?: number;
  /** The part is repeated until this holds of what it printed. */
  until?: (printed: string) => boolean;
}

let fixture: HoldfastFixture;
let notedTime = '';

const EXPECTED: Record<string, Expected> = {
  'make the tenants': { shows: [/mysql_tenant +\| MYSQL +\| NORMAL/, /oracle_tenant +\| ORACLE +\| NORMAL/] },
  'wait for the archive': { until: (printed) => printed.includes('DOING') },
  'back up every tenant, encrypted': {
    shows: [
      /'oracle_tenant' is left out of this backup/,
      /backup of tenant 1002: COMPLETED/,
      /backup of tenant 1004: FAILED/,
    ],
    // It waited for a backup that leaves a tenant out.
    code: 1,
  },
  'look at the history': { shows: [/COMPLETED/, /FAILED +\| +9040/, /PASSWORD_ENCRYPTION/] },
  'a tenant backs itself up': { shows: [/COMPLETED +\| before the release/] },
  'wait until the noted time is archived': {
    until: (printed) => printed.match(TIME)!.at(-1)! > notedTime,
  },
  'restore to the noted time': { shows: [/RESTORE POINT/, /restore of restored: SUCCESS/] },
  'look at it': { shows: [/\| +3 \|/] },
  'open it': { shows: [/restored +\| PRIMARY/] },
  'use it': { shows: [/\| +4 \|/] },
  'wait for its archive': { until: (printed) => printed.includes('DOING') },
  'back it up': { shows: [/COMPLETED/] },
  'end the archive': { shows: [/STOP/] },
};

/** One session of the client. @returns what it printed; a statement that fails fails the test with its error */
async function run({ user, title, sql }: Part): Promise<string> {
  const child = spawn(process.execPath, [CLI, 'sql', '--wait', '-u', user, '-P', String(fixture.port)]);
  let printed = '';
  let complaints = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    printed += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaints += text;
  });
  child.stdin.end(
    sql.replaceAll('file:///backup', fixture.uri('backup')).replaceAll(TIME_IN_EXAMPLE, notedTime || TIME_IN_EXAMPLE),
  );
  const [code] = (await once(child, 'close')) as [number | null];
  expect(complaints).toBe('');
  expect(code).toBe(EXPECTED[title]?.code ?? 0);
  return printed;
}

async function runUntil(part: Part, isDone: (printed: string) => boolean): Promise<void> {
  for (let waitedMs = 0; ; waitedMs += POLL_MS) {
    const printed = await run(part);
    if (isDone(printed)) return;
    if (waitedMs > WAIT_MS_MAX) throw new Error(`still waiting: ${part.title}\n${printed}`);
    await sleep(POLL_MS);
  }
}

const parts = partsOf(readFileSync(EXAMPLE, 'utf8'));

describe('examples/runbook.sql', () => {
  beforeAll(async () => {
    fixture = await HoldfastFixture.start();
    mkdirSync(fixture.path('backup'));
  });
  afterAll(async () => {
    await fixture[Symbol.asyncDispose]();
  });

  test.each(parts)('$user: $title', async (part) => {
    const { shows = [], until } = EXPECTED[part.title] ?? {};
    if (until) return runUntil(part, until);
    const printed = await run(part);
    for (const pattern of shows) expect(printed).toMatch(pattern);
    if (part.title === 'note the time') notedTime = printed.match(TIME)![0]!;
  });

  test('has every part that is expected to show something', () => {
    const titles = parts.map(({ title }) => title);
    expect(Object.keys(EXPECTED).filter((title) => !titles.includes(title))).toEqual([]);
  });
});
